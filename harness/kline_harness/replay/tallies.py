"""Column sums of trades and of klines, taken apart from whoever handles them in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kline_harness.arrow import int64_of
from kline_harness.columns import by_symbol, concat
from kline_harness.comparison.compare import Stored
from kline_harness.comparison.trades_of import Evidence
from kline_harness.comparison.wanted import KINDS, among
from kline_harness.interfaces import Aggregator, FeedSlice
from kline_harness.interval import INTERVALS
from kline_harness.kline import Emission, KlineBatch, Trigger
from kline_harness.ledger import Equation, TradeAccount
from kline_harness.simulation.records import ChannelRecord
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import INT64_MAX, BoolArray, ExactArray, magnitude, sum_groups, widen

# Numbers of all symbols and scales as integers of one unit, as the stored table has them.
UNIT_SCALE = 18
_WAITING_MAX = 4_096
COLUMNS = ("count", "volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")

Sums: TypeAlias = Mapping[str, int]
NOTHING: Sums = dict.fromkeys(COLUMNS, 0)


def trade_sums(trades: Tape, rows: NDArray[np.intp] | BoolArray | slice = slice(None)) -> Sums:
    """Add up what trades of one symbol put into the columns of a kline, in units of 1e-18."""
    if len(trades.symbol[rows]) == 0:
        return dict(NOTHING)
    instrument = trades.instruments[int(trades.symbol[rows][0])]
    maker = trades.buyer_is_maker[rows]
    first, last = trades.first_id[rows], trades.last_id[rows]
    span = last - first
    if first.min() < 0:
        # A sentinel has no ids, and is one trade.
        span = np.where(first < 0, 0, span)
    count = _sum(span) + len(span)
    scale = (instrument.quantity_scale, instrument.quote_scale)
    sums = {"count": count}
    for name, values, digits in (
        ("volume", trades.quantity[rows], scale[0]),
        ("quote_volume", trades.quote[rows], scale[1]),
    ):
        total = _sum(values)
        sums[name] = _in_units(total, digits)
        sums[f"taker_buy_{name}"] = _in_units(total - _sum(values * maker), digits)
    return sums


def kline_sums(
    klines: KlineBatch, order: NDArray[np.intp], starts: NDArray[np.intp]
) -> Iterator[Sums]:
    """Yield the sums of the same columns of each group of klines of one symbol.

    A group begins at each of `starts` in the rows `order`.
    """
    totals = {name: sum_groups(getattr(klines, name)[order], starts).tolist() for name in COLUMNS}
    for place, code in enumerate(klines.symbol[order[starts]].tolist()):
        instrument = klines.instruments[code]
        scales = dict.fromkeys(klines.quantity_columns(), instrument.quantity_scale)
        scales |= dict.fromkeys(klines.quote_columns(), instrument.quote_scale)
        yield {
            name: _in_units(totals[name][place], scales.get(name, UNIT_SCALE)) for name in COLUMNS
        }


def stored_sums(stored: Stored) -> dict[tuple[str, str], Sums]:
    """Add up the same columns of each series of stored klines, from the words of their decimals.

    A decimal of 128 bits is summed as its high word and the two halves of its low one.
    """
    if not stored.rows:
        return {}
    order = np.concatenate(list(stored.rows.values()))
    starts = np.cumsum([0, *map(len, stored.rows.values())], dtype=np.int64)[:-1]
    sums: dict[str, list[int]] = {}
    for name in COLUMNS:
        if name == "count":
            sums[name] = sum_groups(int64_of(stored.table[name])[order], starts).tolist()
            continue
        column = stored.table[name].combine_chunks()
        words = np.frombuffer(column.buffers()[1], dtype=np.uint64).reshape(-1, 2)
        words = words[column.offset : column.offset + len(column)][order]
        half = np.uint64(32)
        parts = (words[:, 1], words[:, 0] >> half, words[:, 0] & np.uint64(0xFFFFFFFF))
        high, middle, low = (sum_groups(part.view(np.int64), starts).tolist() for part in parts)
        sums[name] = [(a << 64) + (b << 32) + c for a, b, c in zip(high, middle, low, strict=True)]
    return {
        key: {name: sums[name][place] for name in COLUMNS} for place, key in enumerate(stored.rows)
    }


def _sum(values: ExactArray) -> int:
    if values.dtype != object and magnitude(values) * len(values) > INT64_MAX:
        values = widen(values)
    return int(values.sum())


def _in_units(value: int, scale: int) -> int:
    factor: int = 10 ** (UNIT_SCALE - scale)
    return value * factor


def _add(left: Sums, right: Sums) -> Sums:
    return {name: left[name] + right[name] for name in COLUMNS}


@dataclass(slots=True)
class TradeTally:
    """Sums of the trades read, by symbol and kind."""

    read: dict[tuple[str, TradeKind], Sums] = field(default_factory=dict)

    def add(self, tape: Tape) -> None:
        """Take the next trades."""
        for _, mine in by_symbol(tape):
            symbol = mine.symbol_text(0)
            alike = not mine.kind.any()
            kinds = [TradeKind.MARKET] if alike else [TradeKind(k) for k in np.unique(mine.kind)]
            for kind in kinds:
                rows = slice(None) if alike else mine.kind == kind
                before = self.of(symbol, kind)
                self.read[symbol, kind] = _add(before, trade_sums(mine, rows))

    def of(self, symbol: str, kind: TradeKind) -> Sums:
        """Return the sums of one symbol's trades of a kind."""
        return self.read.get((symbol, kind), NOTHING)

    def total(self, symbol: str) -> Sums:
        """Return the sums of all of one symbol's trades."""
        total = NOTHING
        for kind in TradeKind:
            total = _add(total, self.of(symbol, kind))
        return total


@dataclass(slots=True)
class Tallied:
    """An aggregator at whose door everything is counted: trades going in, finals coming out.

    `published` are the sums of the finals by series; `ended` the series with a kline that the
    end of the feed published. `watch` is shown the trades too.
    """

    inner: Aggregator
    watch: Callable[[Tape], None]
    given: TradeTally = field(default_factory=TradeTally)
    published: dict[tuple[str, str], Sums] = field(default_factory=dict)
    ended: set[tuple[str, str]] = field(default_factory=set)
    _waiting: list[Tape] = field(default_factory=list)

    def advance(self, feed: FeedSlice) -> Emission:
        """Process the next slice."""
        if len(feed.trades):
            self._waiting.append(feed.trades)
            # One trade at a time would cost more here than in the aggregator.
            if len(feed.trades) > 1 or len(self._waiting) >= _WAITING_MAX:
                self._count()
        return self._tally(self.inner.advance(feed))

    def finish(self, at_ns: int) -> Emission:
        """End the feed."""
        self._count()
        return self._tally(self.inner.finish(at_ns))

    def _count(self) -> None:
        if self._waiting:
            trades = concat(self._waiting)
            self._waiting = []
            self.given.add(trades)
            self.watch(trades)

    def accounts(self) -> Mapping[str, TradeAccount]:
        """Return what became of every trade."""
        return self.inner.accounts()

    def _tally(self, emission: Emission) -> Emission:
        klines = emission.klines
        if len(klines) == 0:
            return emission
        keys = klines.symbol.astype(np.int64) * len(INTERVALS) + klines.interval
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        ends = np.maximum.reduceat(klines.trigger[order] == Trigger.END, starts).tolist()
        sums = kline_sums(klines, order, starts)
        for row, ended, more in zip(order[starts].tolist(), ends, sums, strict=True):
            key = (klines.symbol_text(row), INTERVALS[int(klines.interval[row])].text)
            self.published[key] = _add(self.published.get(key, NOTHING), more)
            if ended:
                self.ended.add(key)
        return emission


def taken_equations(
    channels: Sequence[ChannelRecord], taken: Mapping[str, int | None]
) -> Iterator[Equation]:
    """Yield, per consumer, values delivered to it = those it says it took, if it says so."""
    for channel in channels:
        for consumer in channel.consumers:
            count = taken.get(consumer.name)
            if count is not None:
                subject = f"{channel.name} to {consumer.name}"
                parts = {f"taken by {consumer.name}": count}
                yield Equation("handed over", subject, consumer.delivered, parts)


def value_equations(
    tallied: Tallied,
    stored: Stored | None,
    evidence: Mapping[str, Evidence],
) -> Iterator[Equation]:
    """Yield, per series and column, sum over the trades given = klines + every class not in them.

    The klines are those on disk, or those published where some were lost on the way (`stored`
    None: the laws of the channel say so). A series is left out where open klines were never
    published: nobody knows their sums.
    """
    on_disk = None if stored is None else stored_sums(stored)
    for symbol, account in tallied.accounts().items():
        kept = evidence.get(symbol)
        for interval, series in account.series.items():
            key = (symbol, interval)
            if series.discarded or (series.open and key not in tallied.ended):
                continue
            klines = tallied.published.get(key, NOTHING)
            if on_disk is not None:
                klines = on_disk.get(key, NOTHING)
            refused = _refused(tallied.given, symbol, kept, account, interval)
            total = tallied.given.total(symbol)
            for name in COLUMNS:
                parts = {"klines": klines[name]}
                parts |= {group: sums[name] for group, sums in refused.items()}
                unit = "" if name == "count" else " in 1e-18"
                yield Equation(f"traded {name}{unit}", f"{symbol} {interval}", total[name], parts)


def _refused(
    read: TradeTally,
    symbol: str,
    kept: Evidence | None,
    account: TradeAccount,
    interval: str,
) -> dict[str, Sums]:
    """Add up the trades that are in no kline of an interval, by class."""
    sums = dict.fromkeys(("late", "duplicate", "rejected", "unmapped"), NOTHING)
    by_id: list[int] = []
    for reason, ids in account.rejected.items():
        if reason in KINDS:
            sums["rejected"] = _add(sums["rejected"], read.of(symbol, KINDS[reason]))
        else:
            by_id += ids
    if kept is not None:
        market = kept.rows.kind == TradeKind.MARKET
        listed = {
            "late": account.series[interval].late,
            "rejected": by_id,
            "unmapped": account.unmapped,
        }
        for name, ids in listed.items():
            wanted = np.unique(np.array(ids, dtype=np.int64))
            rows = market & among(kept.rows.trade_id, wanted)
            sums[name] = _add(sums[name], trade_sums(kept.rows, rows))
        sums["duplicate"] = trade_sums(kept.repeated)
    return sums
