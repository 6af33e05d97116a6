"""Which other way to make klines of the same trades would make the exchange's, or ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import concat
from kline_harness.comparison.compare import Class, Comparison, ReferenceKlines, SeriesResult
from kline_harness.comparison.recompute import NAMES, sums_of, values_of
from kline_harness.comparison.retained_trades import alone
from kline_harness.comparison.series_rows import SeriesRows, ascending, chunks
from kline_harness.comparison.stored import Stored
from kline_harness.interval import Interval
from kline_harness.kline import FIELDS
from kline_harness.nouns import counted
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_MILLISECOND, Int64Array

# The first trades of a symbol are tried, enough to know a series by.
_TRADES_MAX = 200_000
_DISTINCT_MIN = 3


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Trades of one symbol, each with the open time of the kline that it is counted in."""

    trades: Tape
    opens: Int64Array

    def ends(self, *, last: bool) -> tuple[NDArray[np.intp], Int64Array]:
        """Return the rows of each kline's first or last trade, and the klines' open times."""
        opens, first = np.unique(self.opens, return_index=True)
        rows = np.append(first[1:], len(self.opens)) - 1 if last else first
        return rows, opens


def _moved(bins: Bins, *, last: bool, shared: bool) -> Bins:
    """Count each kline's first trade in the one before it too, or its last in the one after.

    Not `shared` it is counted there only.
    """
    rows, opens = bins.ends(last=last)
    rows, into = (rows[:-1], opens[1:]) if last else (rows[1:], opens[:-1])
    if not shared:
        moved = bins.opens.copy()
        moved[rows] = into
        return Bins(bins.trades, moved)
    both = concat([bins.trades, bins.trades.take(rows)])
    return Bins(both, np.concatenate([bins.opens, into]))


def _anchored(bins: Bins, length_ns: int, *, named_by_whole: bool) -> Bins:
    """Let the klines open at the first trade, not at whole intervals.

    `named_by_whole` gives them the open time of the whole interval in which they open.
    """
    times = bins.trades.event_time_ns
    first = int(times[0])
    opens = first + (times - first) // length_ns * length_ns
    return Bins(bins.trades, opens - first + int(bins.opens[0]) if named_by_whole else opens)


def _turned(bins: Bins) -> Bins:
    """Turn the order of the trades that share a millisecond."""
    times = bins.trades.event_time_ns // 1_000_000
    order = np.lexsort((-np.arange(len(times)), times))
    # The order of the ids is the order of the trades.
    trades = bins.trades.take(order).with_columns({"trade_id": bins.trades.trade_id})
    return Bins(trades, bins.opens[order])


def _twice(bins: Bins) -> Bins:
    return Bins(concat([bins.trades, bins.trades]), np.concatenate([bins.opens, bins.opens]))


def _shifted(bins: Bins, interval: Interval, shift_ns: int) -> Bins:
    """Count trades as if they had come so much later: those at a boundary change their kline."""
    return Bins(bins.trades, interval.open_times_ns(bins.trades.event_time_ns + shift_ns))


def _ways(interval: Interval) -> dict[str, Callable[[Bins], Bins]]:
    length_ns = interval.length_ns or 0
    return {
        "with a trade at the very boundary counted in the kline before it": lambda b: _shifted(
            b, interval, -1
        ),
        "with a trade in the last millisecond before a boundary counted in the kline after it": (
            lambda b: _shifted(b, interval, NS_PER_MILLISECOND)
        ),
        "with each kline's first trade counted in the kline before it": lambda b: _moved(
            b, last=False, shared=False
        ),
        "with each kline's first trade counted in the kline before it as well": lambda b: _moved(
            b, last=False, shared=True
        ),
        "with each kline's last trade counted in the kline after it": lambda b: _moved(
            b, last=True, shared=False
        ),
        "with each kline's last trade counted in the kline after it as well": lambda b: _moved(
            b, last=True, shared=True
        ),
        "with klines that open at the first trade": lambda b: _anchored(
            b, length_ns, named_by_whole=True
        ),
        "with klines that open at the first trade, as they say": lambda b: _anchored(
            b, length_ns, named_by_whole=False
        ),
        "with the trades of one millisecond in reverse order": _turned,
        "with every trade twice": _twice,
    }


def diagnosed(
    found: Comparison,
    references: Sequence[ReferenceKlines],
    tapes: Callable[[], Iterable[Tape]],
    ours: Stored,
) -> Comparison:
    """Return the comparison with what another way of making klines says of whole series.

    Only series with several unexplained klines and no diagnosis are tried, and a way is named
    only if every kline that the trades tried reach is equal with it: the exchange's, or ours
    where the exchange's are those of the trades as they are. `tapes` gives the trades in the
    order of the feed.
    """
    open_places = [place for place, result in enumerate(found.series) if _is_open(result)]
    if not open_places:
        return found
    trades = _first_trades(tapes(), {found.series[place].symbol for place in open_places})
    series = list(found.series)
    known = [place for place in open_places if series[place].symbol in trades]
    klines = ours.in_turn([references[place].series for place in known], ("open_time", *FIELDS))
    for place, stored in zip(known, klines, strict=True):
        mine = trades[series[place].symbol]
        diagnosis = _diagnose(series[place], references[place].rows, mine, stored)
        series[place] = replace(series[place], diagnosis=diagnosis)
    return replace(found, series=tuple(series))


def _is_open(result: SeriesResult) -> bool:
    """Tell whether several klines are unexplained, or have no kline of ours beside them."""
    apart = 0 if result.paired else result.count(Class.MISSING)
    unexplained = max(apart, result.count(Class.UNEXPLAINED))
    return not result.diagnosis and unexplained >= _DISTINCT_MIN


def _first_trades(tapes: Iterable[Tape], symbols: set[str]) -> dict[str, Tape]:
    """Keep the first trades of each symbol, by time."""
    kept: dict[str, list[Tape]] = {symbol: [] for symbol in symbols}
    for tape in tapes:
        for code, instrument in enumerate(tape.instruments):
            held = kept.get(instrument.symbol)
            if held is None or sum(map(len, held)) >= _TRADES_MAX:
                continue
            chosen = (tape.symbol == code) & (tape.kind == TradeKind.MARKET)
            held.append(alone(tape.take(chosen), code))
        if all(sum(map(len, held)) >= _TRADES_MAX for held in kept.values()):
            break
    joined = {symbol: concat(held) for symbol, held in kept.items() if sum(map(len, held))}
    return {
        symbol: tape.take(np.lexsort((tape.trade_id, tape.event_time_ns)))
        for symbol, tape in joined.items()
    }


def _diagnose(result: SeriesResult, theirs: SeriesRows, trades: Tape, ours: SeriesRows) -> str:
    interval = result.interval
    if interval.length_ns is None:
        return ""
    bins = Bins(trades, interval.open_times_ns(trades.event_time_ns))
    names = [name for name in result.compared if name in FIELDS]
    for side, held in (("theirs", theirs), ("ours", ours)):
        rows = _Rows(held, names)
        if _count(bins, rows):
            # Made as they should be: no other way of making them is worth a word.
            continue
        for words, way in _ways(interval).items():
            if count := _count(way(bins), rows):
                return f"{side} are the same trades {words}, {count:,} of {counted(count, 'kline')}"
    return ""


def _count(bins: Bins, rows: _Rows) -> int:
    """Return how many klines were reached, if each is equal and some are different ones."""
    equal, distinct, reached = _equal(bins, rows)
    same = reached and equal == reached and distinct >= _DISTINCT_MIN
    return reached if same else 0


class _Rows:
    """The compared fields of klines by open time; of two of one time the later row."""

    def __init__(self, rows: SeriesRows, names: Sequence[str]) -> None:
        self.names = names
        self._rows = rows
        opens = rows.opens_ns()
        self._order = ascending(opens)
        self._opens = opens if self._order is None else opens[self._order]

    def of(self, opens: Int64Array) -> Iterator[tuple[int, tuple[Decimal | int, ...]]]:
        """Yield the place of each of some open times that there is a row of, and its fields."""
        if not len(self._opens):
            # Nothing of ours was stored.
            return
        place = np.searchsorted(self._opens, opens, side="right") - 1
        there = np.flatnonzero((place >= 0) & (self._opens[np.maximum(place, 0)] == opens))
        for some in chunks(len(there)):
            places = there[some]
            rows = place[places] if self._order is None else self._order[place[places]]
            table = self._rows.take(rows, self.names)
            columns = [table[name].to_pylist() for name in self.names]
            yield from zip(places.tolist(), zip(*columns, strict=True), strict=True)


def _equal(bins: Bins, theirs: _Rows) -> tuple[int, int, int]:
    """Return how many klines are equal, of them distinct ones (so many as matter), and reached.

    The first and the last one may be cut.
    """
    order = np.lexsort((bins.trades.trade_id, bins.opens))
    trades, opens = bins.trades.take(order), bins.opens[order]
    starts = np.flatnonzero(np.append(True, opens[1:] != opens[:-1]))
    sums = sums_of(trades, starts)
    equal = reached = 0
    distinct: set[tuple[Decimal | int, ...]] = set()
    for place, row in theirs.of(opens[starts]):
        if place in (0, len(starts) - 1):
            continue
        reached += 1
        part = {name: int(sums[name][place]) for name in NAMES}
        values = values_of(part, trades.instruments[0])
        if tuple(values[name] for name in theirs.names) == row:
            equal += 1
            if len(distinct) < _DISTINCT_MIN:
                distinct.add(row)
    return equal, len(distinct), reached
