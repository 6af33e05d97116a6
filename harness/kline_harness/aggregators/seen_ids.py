"""A set of trade ids, added a column at a time, that costs memory for its gaps only."""

from __future__ import annotations

import numpy as np

from kline_harness.units import BoolArray, Int64Array


class SeenIds:
    """Ids seen so far, held as disjoint runs: a tape of consecutive ids is one run."""

    def __init__(self) -> None:
        self._starts: Int64Array = np.empty(0, dtype=np.int64)
        self._ends: Int64Array = np.empty(0, dtype=np.int64)  # exclusive

    def add(self, ids: Int64Array) -> BoolArray:
        """Remember a column of ids; tell which are new, the first of equal ones."""
        fresh = np.ones(len(ids), dtype=np.bool_)
        if len(ids) == 0:
            return fresh
        rising = bool((ids[1:] > ids[:-1]).all())
        if not rising or (len(self._ends) and ids[0] < self._ends[-1]):
            ids, first = np.unique(ids, return_index=True)
            new = ~self._known(ids)
            fresh[:] = False
            fresh[first[new]] = True
            ids = ids[new]
        self._merge(ids)
        return fresh

    def add_run(self, first: int, last: int) -> bool:
        """Remember the ids first to last if they are beyond all seen; tell whether they are."""
        if len(self._ends) and first < self._ends[-1]:
            return False
        if len(self._ends) and first == self._ends[-1]:
            self._ends[-1] = last + 1
        else:
            self._starts = np.append(self._starts, first)
            self._ends = np.append(self._ends, last + 1)
        return True

    def _known(self, ids: Int64Array) -> BoolArray:
        place = np.searchsorted(self._starts, ids, side="right")
        known = place > 0
        known[known] = ids[known] < self._ends[place[known] - 1]
        return known

    def _merge(self, ids: Int64Array) -> None:
        """Join rising ids that are not in any run."""
        if len(ids) == 0:
            return
        breaks = np.flatnonzero(np.diff(ids) != 1)
        starts = np.concatenate([self._starts, ids[:1], ids[breaks + 1]])
        ends = np.concatenate([self._ends, ids[breaks] + 1, ids[-1:] + 1])
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], ends[order]
        apart = starts[1:] != ends[:-1]
        self._starts = starts[np.concatenate([[True], apart])]
        self._ends = ends[np.concatenate([apart, [True]])]
