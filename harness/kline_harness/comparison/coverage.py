"""Which time a replay's trades cover: a kline that reaches out of it can only be partial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from kline_harness.ranges import join
from kline_harness.units import NS_PER_MILLISECOND, NS_PER_MINUTE, BoolArray, Int64Array

# An unrecorded time can be busier than any that was seen, but hardly by more than this.
BUSIER = 10


@dataclass(frozen=True, slots=True)
class FileTime:
    """The time of one symbol's trades in one file; `claimed` is what the file's name claims.

    A recording was on in all of its `window`; of another file nobody knows what was cut off.
    Before the first trade that the source has numbered there was none.
    """

    symbol: str
    window: tuple[int, int] | None
    claimed: tuple[int, int] | None
    is_recording: bool
    is_from_first: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """Disjoint windows [start, end) in nanoseconds, ascending, in which no trade is missing.

    `claimed` are the windows that file names claim, or in which a recorder ran: what lies beyond
    them was not meant. It is None where they are the windows themselves, and empty where nothing
    says that a window is all there was: then it only reaches from the first to the last trade.
    """

    windows: tuple[tuple[int, int], ...]
    claimed: tuple[tuple[int, int], ...] | None = None
    # Klines that close later were not due: whoever was to make them had failed.
    due_ns: int | None = None
    # There was nothing before the first window.
    is_from_first: bool = False

    @staticmethod
    def of(
        windows: Iterable[tuple[int, int]], claimed: Iterable[tuple[int, int]] | None = None
    ) -> Coverage:
        """Join windows that touch or overlap."""
        return Coverage(tuple(join(windows)), None if claimed is None else tuple(sorted(claimed)))

    @staticmethod
    def by_symbol(files: Sequence[FileTime]) -> dict[str, Coverage]:
        """Return what time the files' trades of each symbol cover."""
        windows: dict[str, list[tuple[int, int]]] = {}
        claimed: dict[str, list[tuple[int, int]]] = {}
        unnamed = set()
        for one in files:
            if one.window is None:
                continue
            windows.setdefault(one.symbol, []).append(one.window)
            if one.claimed is None and not one.is_recording:
                unnamed.add(one.symbol)
            claimed.setdefault(one.symbol, []).append(one.claimed or one.window)
        first = {one.symbol for one in files if one.is_from_first}
        covers = {
            symbol: Coverage.of(mine, () if symbol in unnamed else claimed[symbol])
            for symbol, mine in windows.items()
        }
        return {name: replace(one, is_from_first=name in first) for name, one in covers.items()}

    def until(self, due_ns: int | None) -> Coverage:
        """Return the same with klines due only if they close at `due_ns` or before."""
        return replace(self, due_ns=due_ns)

    def due(self, closes_ns: Int64Array) -> BoolArray:
        """Tell which klines were due."""
        if self.due_ns is None:
            return np.ones(len(closes_ns), dtype=np.bool_)
        due: BoolArray = closes_ns <= self.due_ns
        return due

    def whole(self, opens_ns: Int64Array, closes_ns: Int64Array) -> BoolArray:
        """Tell which klines [open, close) lie inside one window."""
        inside = np.zeros(len(opens_ns), dtype=np.bool_)
        for start, end in self.windows:
            inside |= (opens_ns >= start) & (closes_ns <= end)
        return inside

    def touched(self, opens_ns: Int64Array, closes_ns: Int64Array) -> BoolArray:
        """Tell which klines share any time with a window."""
        shared = np.zeros(len(opens_ns), dtype=np.bool_)
        for start, end in self.windows:
            shared |= (opens_ns < end) & (closes_ns > start)
        return shared

    def near(self, opens_ns: Int64Array, closes_ns: Int64Array) -> BoolArray:
        """Tell which klines lie in the minute before or after those that a window reaches.

        Who takes an excerpt of klines to go with a recording takes one more at either end.
        """
        near = np.zeros(len(opens_ns), dtype=np.bool_)
        for start, end in self.windows:
            first = start // NS_PER_MINUTE * NS_PER_MINUTE - NS_PER_MINUTE
            last = -(-end // NS_PER_MINUTE) * NS_PER_MINUTE + NS_PER_MINUTE
            near |= (opens_ns >= first) & (closes_ns <= last)
        return near

    def not_meant(self, opens_ns: Int64Array, closes_ns: Int64Array) -> BoolArray:
        """Tell which klines lie wholly outside of what is claimed; none where nothing is."""
        if self.claimed == ():
            return np.zeros(len(opens_ns), dtype=np.bool_)
        return ~Coverage(self.claimed or self.windows).touched(opens_ns, closes_ns)


def exceeds_rest(surplus: Decimal, busiest: Decimal, length_ns: int, covered_ns: int) -> bool:
    """Tell whether a kline has more beyond its recorded time than the rest of it can hold."""
    # The rest of the last trade's millisecond was not recorded either.
    open_ns = length_ns - covered_ns + 2 * NS_PER_MILLISECOND
    return surplus * length_ns > BUSIER * busiest * open_ns
