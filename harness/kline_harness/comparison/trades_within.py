"""The trades in the time of klines whose difference nothing explains, for a reader to judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import concat
from kline_harness.comparison.compare import Comparison, Difference
from kline_harness.comparison.retained_trades import Repeats, alone
from kline_harness.comparison.retention import Refused, among
from kline_harness.interval import Interval
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import BoolArray, Int64Array, format_exact

# Trades listed of one kline; the more klines, the fewer of each.
LISTED_MOST, LISTED_LEAST = 400, 8
LISTED_IN_ALL = 20_000
# So many rows more than last time, and what is kept is thinned out again.
_SLACK_ROWS = 65_536


class Became(IntEnum):
    """What an aggregator says became of a trade, for the klines of one interval."""

    APPLIED = 0
    LATE = 1
    DUPLICATE = 2
    REFUSED = 3


@dataclass(slots=True)
class _Series:
    """What is kept of the trades in some klines of one symbol and interval.

    Memory grows with the klines, not with their trades: see `_chosen`.
    """

    opens: Int64Array
    closes: Int64Array
    late: Int64Array
    limit: int
    trades: Int64Array = field(init=False)
    applied: Int64Array = field(init=False)
    _rows: list[Tape] = field(init=False, default_factory=list)
    _kline: list[Int64Array] = field(init=False, default_factory=list)
    _became: list[NDArray[np.int8]] = field(init=False, default_factory=list)
    _kept: int = field(init=False, default=0)
    _allowed: int = field(init=False, default=_SLACK_ROWS)

    def __post_init__(self) -> None:
        self.trades, self.applied = np.zeros((2, len(self.opens)), dtype=np.int64)

    def add(self, trades: Tape, became: NDArray[np.int8]) -> None:
        """Take the symbol's next trades; `became` knows nothing of lateness yet."""
        times = trades.event_time_ns
        kline = np.searchsorted(self.opens, times, side="right") - 1
        inside = np.flatnonzero((kline >= 0) & (times < self.closes[np.maximum(kline, 0)]))
        if len(inside) == 0:
            return
        mine, kline, became = trades.take(inside), kline[inside], became[inside]
        late = among(mine.trade_id, self.late) & (became == Became.APPLIED)
        became = np.where(late, np.int8(Became.LATE), became)
        size = len(self.opens)
        self.trades += np.bincount(kline, minlength=size)
        self.applied += np.bincount(kline[became == Became.APPLIED], minlength=size)
        keep = _chosen(kline, mine, became == Became.APPLIED, self.limit, self.limit // 2)
        self._rows.append(mine.take(keep))
        self._kline.append(kline[keep])
        self._became.append(became[keep])
        self._kept += int(np.count_nonzero(keep))
        if self._kept > self._allowed:
            self._thin_out()
            self._allowed = self._kept + _SLACK_ROWS

    def _thin_out(self) -> None:
        rows, kline, became = self._joined()
        keep = _chosen(kline, rows, became == Became.APPLIED, self.limit, self.limit // 2)
        self._rows, self._kline, self._became = [rows.take(keep)], [kline[keep]], [became[keep]]
        self._kept = int(np.count_nonzero(keep))

    def _joined(self) -> tuple[Tape, Int64Array, NDArray[np.int8]]:
        return concat(self._rows), np.concatenate(self._kline), np.concatenate(self._became)

    def by_open_time(self) -> dict[int, dict[str, Any]]:
        """Return the trades of each kline as JSON values, by its open time."""
        counts = zip(self.opens.tolist(), self.trades.tolist(), self.applied.tolist(), strict=True)
        found: dict[int, dict[str, Any]] = {
            open_ns: {"trades": trades, "applied": applied, "listed": []}
            for open_ns, trades, applied in counts
        }
        if not self._rows:
            return found
        rows, kline, became = self._joined()
        # What fits is listed whole; else half are first ones, a quarter last ones.
        whole = (self.trades <= self.limit)[kline]
        keep = _chosen(kline, rows, became == Became.APPLIED, self.limit // 2, self.limit // 4)
        chosen = np.flatnonzero(keep | whole)
        chosen = chosen[np.lexsort((rows.trade_id[chosen], kline[chosen]))]
        listed = _listed(rows.take(chosen), became[chosen])
        for place, trade in zip(kline[chosen].tolist(), listed, strict=True):
            found[int(self.opens[place])]["listed"].append(trade)
        return found


def _chosen(
    kline: Int64Array, trades: Tape, applied: BoolArray, first: int, last: int
) -> BoolArray:
    """Choose, of each kline, the `first` and the `last` trades by id, and what stands out.

    That are the highest and the lowest price applied, and the first trades not applied, as many
    as last ones. Of those chosen before, the same are chosen again.
    """
    order = np.lexsort((trades.trade_id, kline))
    group, applied = kline[order], applied[order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(starts, append=len(group))
    rank = np.arange(len(group)) - np.repeat(starts, sizes)
    keep = (rank < first) | (rank >= np.repeat(sizes, sizes) - last)
    keep |= ~applied & (_count_before(~applied, starts, sizes) < last)
    price = trades.price[order]
    for extreme, outermost in ((np.maximum, price.min()), (np.minimum, price.max())):
        best = extreme.reduceat(np.where(applied, price, outermost), starts)
        found = applied & (price == np.repeat(best, sizes))
        keep |= found & (_count_before(found, starts, sizes) == 0)
    chosen = np.zeros(len(group), dtype=np.bool_)
    chosen[order] = keep
    return chosen


def _count_before(marks: BoolArray, starts: Int64Array, sizes: Int64Array) -> Int64Array:
    """Count, for each row, the marked rows before it in its group."""
    before: Int64Array = np.cumsum(marks) - marks
    counts: Int64Array = before - np.repeat(before[starts], sizes)
    return counts


def _listed(trades: Tape, became: NDArray[np.int8]) -> list[dict[str, Any]]:
    """Return trades of one symbol as data; what all have in common is left out."""
    instrument = trades.instruments[int(trades.symbol[0])]
    raw = np.where(trades.first_id < 0, 1, trades.last_id - trades.first_id + 1)
    delay_ns = trades.arrival_ns - trades.event_time_ns
    columns: dict[str, list[Any]] = {
        "id": trades.trade_id.tolist(),
        "time_ns": trades.event_time_ns.tolist(),
        "price": [format_exact(p, instrument.price_scale) for p in trades.price.tolist()],
        "quantity": [format_exact(q, instrument.quantity_scale) for q in trades.quantity.tolist()],
        "taker": ["sell" if maker else "buy" for maker in trades.buyer_is_maker.tolist()],
        "became": [Became(code).name.lower() for code in became.tolist()],
    }
    if (trades.kind != TradeKind.MARKET).any():
        columns["kind"] = [TradeKind(code).name.lower() for code in trades.kind.tolist()]
    if (raw != 1).any():
        columns["raw_trades"] = raw.tolist()
    if delay_ns.any():
        columns["delay_ns"] = delay_ns.tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class TradesWithin:
    """Keeps, in one pass over all trades, some of those in the time of differing klines."""

    def __init__(self, klines: Sequence[Difference], refused: Mapping[str, Refused]) -> None:
        limit = LISTED_IN_ALL // max(1, len(klines))
        limit = min(LISTED_MOST, max(LISTED_LEAST, limit))
        opens: dict[tuple[str, Interval], set[int]] = {}
        for kline in klines:
            opens.setdefault((kline.symbol, kline.interval), set()).add(kline.open_time_ns)
        self._refused = {symbol: refused.get(symbol, Refused()) for symbol, _ in opens}
        self._repeats = {name: Repeats(one.duplicate) for name, one in self._refused.items()}
        self._series: dict[str, dict[Interval, _Series]] = {}
        for (symbol, interval), listed in opens.items():
            starts = np.array(sorted(listed), dtype=np.int64)
            late = self._refused[symbol].late.get(interval.text, np.empty(0, dtype=np.int64))
            series = _Series(starts, interval.close_times_ns(starts), late, limit)
            self._series.setdefault(symbol, {})[interval] = series

    def add(self, tape: Tape) -> None:
        """Take the next trades, of all symbols in the order of the feed."""
        for code, instrument in enumerate(tape.instruments):
            series = self._series.get(instrument.symbol)
            if series is None:
                continue
            mine = alone(tape.take(tape.symbol == code), code)
            if len(mine) == 0:
                continue
            other = among(mine.trade_id, self._refused[instrument.symbol].other)
            became = np.where(other, np.int8(Became.REFUSED), np.int8(Became.APPLIED))
            became[self._repeats[instrument.symbol].mask(mine)] = Became.DUPLICATE
            for one in series.values():
                one.add(mine, became)

    def by_kline(self) -> dict[tuple[str, Interval, int], dict[str, Any]]:
        """Return the trades as JSON values by symbol, interval and open time."""
        return {
            (symbol, interval, open_ns): trades
            for symbol, series in self._series.items()
            for interval, one in series.items()
            for open_ns, trades in one.by_open_time().items()
        }


def with_trades(
    found: Comparison, refused: Mapping[str, Refused], tapes: Iterable[Tape]
) -> Comparison:
    """Return a comparison with the trades of every difference that has no proof.

    `tapes` are what the aggregator was given; they are not touched where all is proved.
    """
    unproved = [kline for kline in found.differences if kline.proof is None]
    if not unproved:
        return found
    within = TradesWithin(unproved, refused)
    for tape in tapes:
        within.add(tape)
    listed = within.by_kline()
    results = []
    for result in found.series:
        differences = tuple(
            replace(kline, trades=listed.get((kline.symbol, kline.interval, kline.open_time_ns)))
            for kline in result.differences
        )
        results.append(replace(result, differences=differences))
    return replace(found, series=tuple(results))
