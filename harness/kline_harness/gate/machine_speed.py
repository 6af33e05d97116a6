"""How long a fixed piece of work takes on this machine, now: what wall time is measured in.

Seconds say little on a shared runner; a case's time over the yardstick's, both of the same
process, moves much less. The work is half plain Python, half numpy, as a replay is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_ROUNDS = 3
_STEPS = 500_000
_ROWS = 2_000_000


def yardstick_s() -> float:
    """Return the seconds that the work takes: the best of a few rounds, about 0.2 s in all."""
    return min(_round_s() for _ in range(_ROUNDS))


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what the work returns, and the seconds it took."""
    begin = time.perf_counter()
    done = work()
    return done, time.perf_counter() - begin


def _round_s() -> float:
    begin = time.perf_counter()
    total = 0
    for step in range(_STEPS):
        total = (total * 31 + step) % 1_000_003
    # A multiplicative generator: the same numbers everywhere, without a seed to keep.
    rows = np.arange(1, _ROWS + 1, dtype=np.int64) * 48_271 % 2_147_483_647
    np.add.reduceat(np.sort(rows), np.arange(0, _ROWS, 100))
    return time.perf_counter() - begin
