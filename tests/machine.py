"""How slow this machine is, so that a budget in seconds means the same on each."""

from __future__ import annotations

import time

import numpy as np

# CPU seconds of the work below where budgets are set: a machine on which the benchmarks'
# yardstick takes one second.
REFERENCE_S = 0.02


def slowness() -> float:
    """Return how many times as long as there the same work takes here and now, at least 1."""
    return max(1.0, min(_work_s() for _ in range(5)) / REFERENCE_S)


def _work_s() -> float:
    begin = time.process_time()
    found: dict[int, list[int]] = {}
    for number in range(100_000):
        found.setdefault(number * 7 % 1_009, []).append(number)
    values = np.arange(1_000_000, dtype=np.int64) * 48_271 % 2_147_483_647
    np.sort(values)
    np.add.reduceat(values, np.arange(0, len(values), 100))
    return time.process_time() - begin
