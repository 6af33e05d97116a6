"""What one pass over the trades must keep so that differing klines can be made again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kline_harness.comparison.compare import Difference
from kline_harness.comparison.stored import Stored
from kline_harness.interval import Interval, parse_interval
from kline_harness.ledger import TradeAccount
from kline_harness.ranges import join
from kline_harness.tape import TradeKind
from kline_harness.units import (
    NS_PER_MICROSECOND,
    NS_PER_MILLISECOND,
    BoolArray,
    Int64Array,
)

# Fills of one order are put into one aggregate for at most so long.
BORDER_NS = 100 * NS_PER_MILLISECOND
# The reasons under which an account lists trades that their kind alone refuses.
KINDS = {kind.name.lower(): kind for kind in TradeKind if kind is not TradeKind.MARKET}


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """Ids of one symbol's trades that an aggregator did not apply.

    `late` is per interval; the others hold for all: `other` was rejected or had no symbol, and
    `sole` are those of them that their kind does not give away. Every array is sorted.
    """

    late: Mapping[str, Int64Array] = field(default_factory=dict)
    duplicate: Int64Array = field(default_factory=lambda: _sorted(()))
    other: Int64Array = field(default_factory=lambda: _sorted(()))
    sole: Int64Array = field(default_factory=lambda: _sorted(()))

    @staticmethod
    def of(account: TradeAccount) -> Refused:
        """Take the ids from an aggregator's account."""
        other = [*account.unmapped, *(i for ids in account.rejected.values() for i in ids)]
        sole = list(account.unmapped)
        for reason, ids in account.rejected.items():
            sole += [] if reason in KINDS else ids
        late = {name: _sorted(series.late) for name, series in account.series.items()}
        return Refused(late, _sorted(account.duplicate), _sorted(other), _sorted(sole))

    def special(self) -> Int64Array:
        """Return every id that was not applied everywhere, duplicates left out."""
        return np.unique(np.concatenate([self.other, *self.late.values()]))

    def singled_out(self) -> Int64Array:
        """Return the ids of trades to keep wherever they are: late or refused by id."""
        return np.unique(np.concatenate([self.sole, *self.late.values()]))

    def any(self) -> bool:
        """Tell whether some trades can only be found by their id."""
        return len(self.duplicate) > 0 or len(self.singled_out()) > 0


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Disjoint half-open ranges of time, ascending."""

    starts: Int64Array
    ends: Int64Array

    @staticmethod
    def of(windows: Iterable[tuple[int, int]]) -> Ranges:
        """Join windows that touch or overlap."""
        pairs = np.array(join(windows), dtype=np.int64).reshape(-1, 2)
        return Ranges(pairs[:, 0].copy(), pairs[:, 1].copy())

    def holds(self, times_ns: Int64Array) -> NDArray[np.bool_]:
        """Tell which instants lie in a range."""
        if len(self.starts) == 0 or len(times_ns) == 0:
            return np.zeros(len(times_ns), dtype=np.bool_)
        low, high = int(times_ns.min()), int(times_ns.max())
        first = int(np.searchsorted(self.ends, low, side="right"))
        last = int(np.searchsorted(self.starts, high, side="right"))
        if first >= last:
            return np.zeros(len(times_ns), dtype=np.bool_)
        if last - first == 1 and self.starts[first] <= low and high < self.ends[first]:
            return np.ones(len(times_ns), dtype=np.bool_)
        place = np.searchsorted(self.starts, times_ns, side="right") - 1
        inside: NDArray[np.bool_] = (place >= 0) & (times_ns < self.ends[np.maximum(place, 0)])
        return inside


@dataclass(frozen=True, slots=True, eq=False)
class RetentionPlan:
    """What to keep of one symbol's trades.

    Trades inside `windows` are added up to cells of the interval `cell`, except those that a
    cause may be about, which are kept row by row: trades that were refused or are of another
    kind than MARKET, and all of the ranges `raw`. Of the trades before each of `opens` the last
    one is kept, for it sets the price of a quiet kline.
    """

    cell: Interval
    windows: Ranges
    raw: Ranges
    opens: Int64Array
    refused: Refused
    # Windows in which other symbols' trades are counted.
    quiet: tuple[tuple[int, int], ...] = ()
    # Whether the ids are the exchange's; numbers given by a reader prove nothing.
    ids_stated: bool = True


def retention_plan(
    differences: Iterable[Difference], refused: Refused, stored: Stored | None = None
) -> RetentionPlan:
    """Return what the differences of one symbol need."""
    klines = list(differences)
    fine = any(kline.interval.text == "1s" for kline in klines)
    cell = parse_interval("1s" if fine else "1m")
    windows = [(kline.open_time_ns, kline.close_time_ns) for kline in klines]
    borders = {edge for window in windows for edge in window}
    raw = [(edge - BORDER_NS, edge + BORDER_NS) for edge in borders]
    lower = _NO_IDS, _NO_IDS
    if stored is not None and klines:
        opens, counts = (
            stored.integers(klines[0].symbol, cell.text, name) for name in ("open_time", "count")
        )
        lower = opens * NS_PER_MICROSECOND, counts
    # The last row of a file can have been saved while it was forming.
    last = {kline.interval.text: kline for kline in sorted(klines, key=lambda k: k.open_time_ns)}
    for kline in klines:
        span = _forming_span(kline, lower, last=kline is last[kline.interval.text])
        raw += [] if span is None else [span]
    return RetentionPlan(
        cell,
        Ranges.of(windows),
        Ranges.of(raw),
        np.unique(np.array([start for start, _ in windows], dtype=np.int64)),
        refused,
        tuple(sorted({w for w, kline in zip(windows, klines, strict=True) if not kline.theirs})),
    )


def _forming_span(
    kline: Difference, lower: tuple[Int64Array, Int64Array], *, last: bool
) -> tuple[int, int] | None:
    """Return where the exchange's kline may have been cut off, if it may be one still forming.

    Our lower klines (open times and counts) tell in which of them the count of theirs is reached;
    its neighbours are kept too, because a late trade moves the place.
    """
    ours, theirs = kline.ours, kline.theirs
    if ours is None or theirs is None or not ("count" in theirs and "count" in ours):
        return None
    if theirs["count"] == 0 or not (last or theirs["count"] < ours["count"]):
        return None
    whole = (kline.open_time_ns, kline.close_time_ns)
    opens, counts = lower
    first, stop = np.searchsorted(opens, whole).tolist()
    if stop - first < 2:
        return whole
    reached = np.cumsum(counts[first:stop])
    place = first + int(np.searchsorted(reached, int(theirs["count"])))
    low, high = max(first, place - 1), min(stop - 1, place + 2)
    end = int(opens[high]) if high > place + 1 else whole[1]
    return int(opens[low]), end


_NO_IDS: Int64Array = np.empty(0, dtype=np.int64)


def _sorted(ids: Collection[int]) -> Int64Array:
    if not ids:
        return _NO_IDS
    return np.unique(np.array(list(ids), dtype=np.int64))


def among(ids: Int64Array, listed: Int64Array) -> BoolArray:
    """Tell which ids are among some sorted ones."""
    if len(listed) == 0 or len(ids) == 0:
        return np.zeros(len(ids), dtype=np.bool_)
    if listed[-1] < ids.min() or listed[0] > ids.max():
        return np.zeros(len(ids), dtype=np.bool_)
    place = np.minimum(np.searchsorted(listed, ids), len(listed) - 1)
    found: BoolArray = listed[place] == ids
    return found
