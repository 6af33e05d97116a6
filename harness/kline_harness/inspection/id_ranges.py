"""A set of ids held as disjoint ranges: memory for its gaps only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kline_harness.units import Int64Array

# Ranges as two columns: start, and end without.
Ranges = NDArray[np.int64]


def no_ranges() -> Ranges:
    """Return no ranges."""
    return np.empty((0, 2), dtype=np.int64)


def size(ranges: Ranges) -> int:
    """Return how many ids ranges hold."""
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def common(left: Ranges, right: Ranges) -> Ranges:
    """Return what two sets of disjoint ranges share."""
    both = IdRanges()
    both.add(left[:, 0], left[:, 1])
    return both.add(right[:, 0], right[:, 1])


def without(ranges: Ranges, taken: Ranges) -> Ranges:
    """Return the ids of disjoint ranges that are in none of the others."""
    if len(ranges) == 0 or len(taken) == 0:
        return ranges
    low = min(ranges[0, 0], taken[0, 0]) - 1
    high = max(ranges[-1, 1], taken[-1, 1]) + 1
    edges = np.concatenate([[low], taken.ravel(), [high]]).reshape(-1, 2)
    return common(ranges, edges[edges[:, 1] > edges[:, 0]])


class IdRanges:
    """Ids seen so far; `ranges` are disjoint and ascending."""

    def __init__(self) -> None:
        self.ranges: Ranges = no_ranges()

    def add(self, starts: Int64Array, ends: Int64Array) -> Ranges:
        """Add ranges [start, end) and return what was there already, or twice among them."""
        if len(starts) == 0:
            return no_ranges()
        rising = bool((starts[1:] >= ends[:-1]).all())
        if not rising or (len(self.ranges) and starts[0] < self.ranges[-1, 1]):
            return self._add_unordered(starts, ends)
        breaks = np.flatnonzero(starts[1:] != ends[:-1])
        first = np.concatenate([starts[:1], starts[breaks + 1]])
        last = np.concatenate([ends[breaks], ends[-1:]])
        fresh = np.stack([first, last], axis=1)
        if len(self.ranges) and self.ranges[-1, 1] == fresh[0, 0]:
            fresh[0, 0] = self.ranges[-1, 0]
            self.ranges = self.ranges[:-1]
        self.ranges = np.concatenate([self.ranges, fresh])
        return no_ranges()

    def missing(self) -> Ranges:
        """Return the gaps between the smallest and the largest id."""
        return np.stack([self.ranges[:-1, 1], self.ranges[1:, 0]], axis=1)

    def _add_unordered(self, starts: Int64Array, ends: Int64Array) -> Ranges:
        every = np.concatenate([self.ranges, np.stack([starts, ends], axis=1)])
        every = every[np.argsort(every[:, 0], kind="stable")]
        reach = np.maximum.accumulate(every[:, 1])
        doubled = every[1:, 0] < reach[:-1]
        overlap = np.stack(
            [every[1:, 0][doubled], np.minimum(every[1:, 1], reach[:-1])[doubled]], axis=1
        )
        apart = np.flatnonzero(every[1:, 0] > reach[:-1])
        first = np.concatenate([every[:1, 0], every[apart + 1, 0]])
        last = np.concatenate([reach[apart], reach[-1:]])
        self.ranges = np.stack([first, last], axis=1)
        return overlap
