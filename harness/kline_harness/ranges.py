"""Sets of integers held as disjoint half-open ranges, ascending: memory for their gaps only."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kline_harness.units import BoolArray, Int64Array

# Ranges as two columns: start, and end without.
Ranges = NDArray[np.int64]


def join(windows: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges [start, end) in order, those that touch or overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(windows):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


class IntSet:
    """Integers and ranges added one at a time; what touches is one range."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []  # exclusive

    def __contains__(self, value: int) -> bool:
        place = bisect_right(self._starts, value)
        return place > 0 and value < self._ends[place - 1]

    def add(self, value: int) -> bool:
        """Add an integer; tell whether it is new."""
        ends = self._ends
        # Before all else what most are: the next after the largest.
        if ends and value == ends[-1]:
            ends[-1] = value + 1
            return True
        if value in self:
            return False
        self.add_range(value, value + 1)
        return True

    def add_range(self, start: int, end: int) -> None:
        """Add a range that overlaps none of those present."""
        place = bisect_right(self._starts, start)
        if place and self._ends[place - 1] == start:
            place -= 1
            start = self._starts[place]
            del self._starts[place], self._ends[place]
        if place < len(self._starts) and self._starts[place] == end:
            end = self._ends[place]
            del self._starts[place], self._ends[place]
        self._starts.insert(place, start)
        self._ends.insert(place, end)

    @property
    def end(self) -> int:
        """Return the end, exclusive, of the last range; there must be one."""
        return self._ends[-1]

    def reach(self, end: int) -> None:
        """Add all from the end of the last range up to another end."""
        self._ends[-1] = end

    def leap(self, start: int) -> None:
        """Begin a range beyond the last one, to be extended with `reach`."""
        self._starts.append(start)
        self._ends.append(start)


def no_ranges() -> Ranges:
    """Return an array of the shape of ranges, without rows."""
    return np.empty((0, 2), dtype=np.int64)


def size(ranges: Ranges) -> int:
    """Return how many integers ranges hold."""
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def common(left: Ranges, right: Ranges) -> Ranges:
    """Return what two sets of disjoint ranges share."""
    both = RangeSet()
    both.add(left[:, 0], left[:, 1])
    return both.add(right[:, 0], right[:, 1])


def without(ranges: Ranges, taken: Ranges) -> Ranges:
    """Return the integers of disjoint ranges that are in none of the others."""
    if len(ranges) == 0 or len(taken) == 0:
        return ranges
    low = min(ranges[0, 0], taken[0, 0]) - 1
    high = max(ranges[-1, 1], taken[-1, 1]) + 1
    edges = np.concatenate([[low], taken.ravel(), [high]]).reshape(-1, 2)
    return common(ranges, edges[edges[:, 1] > edges[:, 0]])


class RangeSet:
    """Integers and ranges added by columns; `ranges` are disjoint and ascending."""

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

    def add_new(self, values: Int64Array) -> BoolArray:
        """Add a column of integers; tell which are new, the first of equal ones."""
        fresh = np.ones(len(values), dtype=np.bool_)
        if len(values) == 0:
            return fresh
        rising = bool((values[1:] > values[:-1]).all())
        if not rising or (len(self.ranges) and values[0] < self.ranges[-1, 1]):
            values, first = np.unique(values, return_index=True)
            new = ~self.holds(values)
            fresh[:] = False
            fresh[first[new]] = True
            values = values[new]
        breaks = np.flatnonzero(np.diff(values) != 1)
        starts = np.concatenate([values[:1], values[breaks + 1]])
        self.add(starts, np.concatenate([values[breaks], values[-1:]]) + 1)
        return fresh

    def is_beyond(self, value: int) -> bool:
        """Tell whether a number is larger than all in the set."""
        return len(self.ranges) == 0 or value >= int(self.ranges[-1, 1])

    def holds(self, values: Int64Array) -> BoolArray:
        """Tell which integers are in the set."""
        place = np.searchsorted(self.ranges[:, 0], values, side="right")
        known: BoolArray = place > 0
        known[known] = values[known] < self.ranges[place[known] - 1, 1]
        return known
