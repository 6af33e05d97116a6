"""The place of every kline in its series: next, after a gap, repeated, backwards, and so on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kline_harness.checks.series import NONE, Block, SeriesBook
from kline_harness.ranges import IntSet
from kline_harness.units import BoolArray


class Place(IntEnum):
    """How a kline follows its series; exactly one holds for each kline delivered.

    Compared with the series' latest kline by open time, not with the one delivered just before:
    a step back does not move the context back.
    """

    REMEMBERED = 0
    FIRST = 1
    NEXT = 2
    AFTER_GAP = 3
    DUPLICATE = 4
    BACKWARDS = 5
    MISALIGNED = 6


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The `Place` of each row of a block, and the row of the latest kline before it (or -1)."""

    place: NDArray[np.int8]
    previous: NDArray[np.intp]

    @property
    def advancing(self) -> BoolArray:
        """Mark the rows that move their series forward."""
        forward: BoolArray = (self.place >= Place.FIRST) & (self.place <= Place.AFTER_GAP)
        return forward

    @property
    def accepted(self) -> BoolArray:
        """Mark the rows that deliver a kline of the series for the first time."""
        accepted: BoolArray = self.advancing | (self.place == Place.BACKWARDS)
        return accepted


class Sequence:
    """Places klines; remembers which open times each series has had, as few ranges."""

    def __init__(self, book: SeriesBook) -> None:
        self._book = book
        self._earlier: dict[int, IntSet] = {}

    def place(self, block: Block) -> Places:
        """Place every row of a block.

        A series that only moves forward is placed column by column, any other row by row.
        """
        opens = block.klines.open_time_ns
        previous = np.arange(-1, len(opens) - 1, dtype=np.intp)
        previous[block.first] = NONE
        forward = block.first | (opens > opens[previous])
        place = np.full(len(opens), Place.AFTER_GAP, dtype=np.int8)
        place[opens == block.close_time_ns[previous]] = Place.NEXT
        place[block.first] = Place.FIRST
        place[~block.fresh] = Place.REMEMBERED
        places = Places(place, previous)
        irregular = np.unique(block.key[block.fresh & ~(forward & block.aligned)])
        if len(irregular):
            apart = np.isin(block.key, irregular)
            self._remember_runs(block, places, ~apart)
            self._place_one_by_one(block, places, np.flatnonzero(apart))
        else:
            self._remember_runs(block, places, np.ones(len(opens), dtype=np.bool_))
        return places

    def _remember_runs(self, block: Block, places: Places, rows: BoolArray) -> None:
        first = rows & (places.place == Place.FIRST)
        self._book.run_start_ns[block.key[first]] = block.klines.open_time_ns[first]
        for row in np.flatnonzero(rows & (places.place == Place.AFTER_GAP)).tolist():
            self._begin_run(block, row, int(places.previous[row]))

    def _begin_run(self, block: Block, row: int, latest: int) -> None:
        key = int(block.key[row])
        start, end = int(self._book.run_start_ns[key]), int(block.close_time_ns[latest])
        self._earlier.setdefault(key, IntSet()).add_range(start, end)
        self._book.run_start_ns[key] = block.klines.open_time_ns[row]

    def _place_one_by_one(self, block: Block, places: Places, rows: NDArray[np.intp]) -> None:
        latest = NONE
        for row in rows.tolist():
            if block.first[row]:
                latest = NONE
            places.previous[row] = latest
            if block.fresh[row]:
                places.place[row] = self._place_one(block, row, latest)
            if places.place[row] <= Place.AFTER_GAP:
                latest = row

    def _place_one(self, block: Block, row: int, latest: int) -> Place:
        key, open_ns = int(block.key[row]), int(block.klines.open_time_ns[row])
        if not block.aligned[row]:
            return Place.MISALIGNED
        if latest == NONE:
            self._book.run_start_ns[key] = open_ns
            return Place.FIRST
        if open_ns == block.close_time_ns[latest]:
            return Place.NEXT
        if open_ns > block.klines.open_time_ns[latest]:
            self._begin_run(block, row, latest)
            return Place.AFTER_GAP
        earlier = self._earlier.setdefault(key, IntSet())
        if open_ns >= self._book.run_start_ns[key] or open_ns in earlier:
            return Place.DUPLICATE
        earlier.add_range(open_ns, int(block.close_time_ns[row]))
        return Place.BACKWARDS
