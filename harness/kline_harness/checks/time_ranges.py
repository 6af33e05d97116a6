"""A set of instants kept as disjoint half-open ranges, so that it stays small."""

from __future__ import annotations

from bisect import bisect_right


class TimeRanges:
    """Ranges ``[start, end)`` in nanoseconds, ascending; ranges that touch are one."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __contains__(self, time_ns: int) -> bool:
        place = bisect_right(self._starts, time_ns) - 1
        return place >= 0 and time_ns < self._ends[place]

    def add(self, start_ns: int, end_ns: int) -> None:
        """Add a range that overlaps none of those present."""
        place = bisect_right(self._starts, start_ns)
        if place and self._ends[place - 1] == start_ns:
            place -= 1
            start_ns = self._starts[place]
            del self._starts[place], self._ends[place]
        if place < len(self._starts) and self._starts[place] == end_ns:
            end_ns = self._ends[place]
            del self._starts[place], self._ends[place]
        self._starts.insert(place, start_ns)
        self._ends.insert(place, end_ns)
