"""A set of trade ids, added one at a time, that costs memory for its gaps only."""

from __future__ import annotations

from bisect import bisect_right


class IdRuns:
    """Ids seen so far, held as disjoint runs: a tape of consecutive ids is one run."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []  # exclusive

    def add(self, trade_id: int) -> bool:
        """Remember an id; tell whether it is new."""
        ends = self._ends
        if ends and trade_id == ends[-1]:
            ends[-1] = trade_id + 1
            return True
        place = bisect_right(self._starts, trade_id)
        if place and trade_id < ends[place - 1]:
            return False
        self._insert(place, trade_id)
        return True

    @property
    def end(self) -> int:
        """Return the end, exclusive, of the last run; there must have been an id."""
        return self._ends[-1]

    def reach(self, end: int) -> None:
        """Remember every id from the end of the last run up to another end."""
        self._ends[-1] = end

    def leap(self, start: int) -> None:
        """Begin a run beyond the last one, to be extended with `reach`."""
        self._starts.append(start)
        self._ends.append(start)

    def _insert(self, place: int, trade_id: int) -> None:
        joins_left = place > 0 and self._ends[place - 1] == trade_id
        joins_right = place < len(self._starts) and self._starts[place] == trade_id + 1
        if joins_left and joins_right:
            self._ends[place - 1] = self._ends.pop(place)
            self._starts.pop(place)
        elif joins_left:
            self._ends[place - 1] = trade_id + 1
        elif joins_right:
            self._starts[place] = trade_id
        else:
            self._starts.insert(place, trade_id)
            self._ends.insert(place, trade_id + 1)
