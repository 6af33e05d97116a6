"""Column sums of trades and of klines, taken independently of the parts between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import add
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import decimal_words, int64_of
from kline_harness.columns import Columns, Grouped, Instrument, concat, grouped
from kline_harness.comparison.retained_trades import RetainedTrades
from kline_harness.comparison.retention import KINDS, among
from kline_harness.comparison.stored import Stored
from kline_harness.compiled.groups import add_halves
from kline_harness.interfaces import FeedSlice, Observer
from kline_harness.interval import INTERVALS
from kline_harness.kline import Emission, KlineBatch, Trigger
from kline_harness.ledger import EquationTable, TradeAccount
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import (
    INT64_MAX,
    BoolArray,
    ExactArray,
    Int64Array,
    magnitude,
    sum_groups,
    widen,
)

# Numbers of all symbols and scales as integers of one unit, as the stored table has them.
UNIT_SCALE = 18
# Classes of trades that are in no kline.
_REFUSED = ("late", "duplicate", "rejected", "unmapped")
_WAITING_MAX = 4_096
# Slices of fewer trades wait for others: adding up goes over every symbol that has any.
_ROWS_MIN = 1 << 15
_PARTS_MAX = 256
# What each 32 bits of a number count, from the lowest on.
_UNITS: ExactArray = np.array([1 << 32 * place for place in range(4)], dtype=object)
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


def _sums_by_symbol(symbols: Grouped[Tape]) -> NDArray[Any]:
    """Return the same sums for every symbol, at its own scales: a row for each of `COLUMNS`."""
    trades, starts = symbols.table, symbols.starts
    # A sentinel has no ids, and is one trade.
    spans = np.where(trades.first_id < 0, 0, trades.last_id - trades.first_id)
    totals = {"count": sum_groups(spans, starts) + symbols.sizes()}
    for name, values in (("volume", trades.quantity), ("quote_volume", trades.quote)):
        totals[name] = sum_groups(values, starts)
        makers = sum_groups(values * trades.buyer_is_maker, starts)
        totals[f"taker_buy_{name}"] = totals[name] - makers
    return np.stack([totals[name] for name in COLUMNS])


def stored_sums(stored: Stored) -> Mapping[tuple[str, str], Sums]:
    """Add up the same columns of each series of stored klines, from the words of their decimals.

    The next ones are read while some are added up, by two threads in turn.
    """
    if not stored.rows:
        return {}
    numbers = stored.series_numbers()
    halves = {name: np.zeros((len(stored.rows), 4), dtype=np.int64) for name in COLUMNS}
    halves["count"] = halves["count"][:, :2].copy()
    bounds = pairwise(stored.starts.tolist())
    for (start, stop), piece in zip(bounds, stored.pieces_ahead(COLUMNS), strict=True):
        for name, sums in halves.items():
            add_halves(numbers[start:stop], _words(piece[name]), sums)
    columns = ((halves[name] @ _UNITS[: halves[name].shape[1]]).tolist() for name in COLUMNS)
    rows = zip(stored.rows, zip(*columns, strict=True), strict=True)
    return {key: dict(zip(COLUMNS, sums, strict=True)) for key, sums in rows}


def _words(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return the 64-bit words of each number of a column, the low one first."""
    if pa.types.is_decimal(column.type):
        return decimal_words(column).view(np.uint64).reshape(-1, 2)
    return int64_of(column).view(np.uint64).reshape(-1, 1)


def _sum(values: ExactArray) -> int:
    if values.dtype != object and magnitude(values) * len(values) > INT64_MAX:
        values = widen(values)
    return int(values.sum())


def _in_units(value: int, scale: int) -> int:
    factor: int = 10 ** (UNIT_SCALE - scale)
    return value * factor


def _of_instrument(instrument: Instrument, sums: Sequence[int]) -> Sums:
    """Return sums at an instrument's scales, in the order of `COLUMNS`, in units of 1e-18."""
    scales = (instrument.quantity_scale, instrument.quote_scale)
    digits = (UNIT_SCALE, *scales, *scales)
    return {
        name: _in_units(value, scale)
        for name, value, scale in zip(COLUMNS, sums, digits, strict=True)
    }


def _add(left: Sums, right: Sums) -> Sums:
    return {name: left[name] + right[name] for name in COLUMNS}


class TradeTally:
    """Sums of the trades given to the aggregator, by symbol and kind, and rows by symbol."""

    def __init__(self) -> None:
        self._rows = Counter[str]()
        # In the order of `COLUMNS`, at the scales of each instrument that a symbol has had.
        self._read: dict[tuple[str, TradeKind], dict[Instrument, list[int]]] = {}
        # By code of these instruments, what is in neither of the two yet: rows, and sums by kind.
        self._instruments: tuple[Instrument, ...] = ()
        self._recorded: Int64Array = np.empty(0, dtype=np.int64)
        self._sums: dict[TradeKind, Int64Array] = {}
        # Whether there is nothing of it: asked for once for each symbol.
        self._settled = True

    def add(self, tape: Tape) -> None:
        """Take the next trades."""
        if tape.instruments != self._instruments:
            self._settle()
            self._instruments = tape.instruments
            self._recorded = np.zeros(len(tape.instruments), dtype=np.int64)
        symbols = grouped(tape)
        self._recorded[symbols.codes] += symbols.table.recorded(symbols.starts)
        self._settled = False
        if not tape.kind.any():
            self._add(symbols, TradeKind.MARKET)
            return
        for kind in np.unique(tape.kind):
            self._add(grouped(tape.take(tape.kind == kind)), TradeKind(kind))

    def _add(self, symbols: Grouped[Tape], kind: TradeKind) -> None:
        sums = _sums_by_symbol(symbols)
        if sums.dtype == object:
            self._put(kind, symbols.codes, sums)
            return
        nothing = np.zeros((len(COLUMNS), len(self._instruments)), dtype=np.int64)
        held = self._sums.setdefault(kind, nothing)
        if magnitude(held) + magnitude(sums) > INT64_MAX:
            self._settle()
            held = self._sums[kind] = nothing
        held[:, symbols.codes] += sums
        self._settled = False

    def _put(self, kind: TradeKind, codes: Sequence[int], sums: ExactArray) -> None:
        for code, one in zip(codes, sums.T.tolist(), strict=True):
            instrument = self._instruments[code]
            mine = self._read.setdefault((instrument.symbol, kind), {})
            before = mine.get(instrument)
            mine[instrument] = one if before is None else list(map(add, before, one))

    def _settle(self) -> None:
        """Put what was added up by code to what is known of each symbol."""
        if self._settled:
            return
        for kind, held in self._sums.items():
            codes = np.flatnonzero(held.any(axis=0))
            self._put(kind, codes.tolist(), held[:, codes])
        self._sums = {}
        for code in np.flatnonzero(self._recorded).tolist():
            self._rows[self._instruments[code].symbol] += int(self._recorded[code])
        self._recorded[:] = 0
        self._settled = True

    @property
    def rows(self) -> Counter[str]:
        """Return how many rows of the source each symbol's trades were."""
        self._settle()
        return self._rows

    def symbols(self) -> set[str]:
        """Return the symbols of which any trade came."""
        return set(self.rows)

    def of(self, symbol: str, kind: TradeKind) -> Sums:
        """Return the sums of one symbol's trades of a kind."""
        self._settle()
        total = NOTHING
        for instrument, sums in self._read.get((symbol, kind), {}).items():
            total = _add(total, _of_instrument(instrument, sums))
        return total

    def total(self, symbol: str) -> Sums:
        """Return the sums of all of one symbol's trades."""
        total = NOTHING
        for kind in TradeKind:
            total = _add(total, self.of(symbol, kind))
        return total


class TradesInBatches(Observer):
    """Hands the trades given to the aggregator on to `takers`, as few times as need be.

    One trade at a time would cost more there than in the aggregator.
    """

    def __init__(self, *takers: Callable[[Tape], None]) -> None:
        self._takers = takers
        self._waiting: list[Tape] = []
        self._rows = 0

    def on_slice(self, feed: FeedSlice) -> None:
        """Take the trades of the next slice."""
        if len(feed.trades):
            self._waiting.append(feed.trades)
            self._rows += len(feed.trades)
            if self._rows >= _ROWS_MIN or len(self._waiting) >= _WAITING_MAX:
                self._hand_on()

    def on_end(self, at_ns: int) -> None:
        """Hand on what still waits."""
        self._hand_on()

    def _hand_on(self) -> None:
        if self._waiting:
            trades = concat(self._waiting)
            self._waiting, self._rows = [], 0
            for take in self._takers:
                take(trades)


@dataclass(frozen=True, eq=False)
class _SeriesSums(Columns):
    """Sums of the klines of each symbol and interval, at the symbol's scales."""

    interval: NDArray[np.int8]
    count: ExactArray
    volume: ExactArray
    quote_volume: ExactArray
    taker_buy_volume: ExactArray
    taker_buy_quote_volume: ExactArray

    @classmethod
    def quantity_columns(cls) -> tuple[str, ...]:
        return KlineBatch.quantity_columns()

    @classmethod
    def quote_columns(cls) -> tuple[str, ...]:
        return KlineBatch.quote_columns()

    @staticmethod
    def of(
        table: KlineBatch | _SeriesSums,
    ) -> tuple[_SeriesSums, NDArray[np.intp], NDArray[np.intp]]:
        """Add up the rows of each series; return also their order, and where each one begins."""
        keys = table.symbol.astype(np.int64) * len(INTERVALS) + table.interval
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        sums = {name: sum_groups(getattr(table, name)[order], starts) for name in COLUMNS}
        heads = order[starts]
        sums |= {"symbol": table.symbol[heads], "interval": table.interval[heads]}
        return _SeriesSums.build(table.instruments, sums), order, starts

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield symbol and interval of each row."""
        for code, interval in zip(self.symbol.tolist(), self.interval.tolist(), strict=True):
            yield self.instruments[code].symbol, INTERVALS[interval].text


@dataclass(slots=True)
class KlineTally(Observer):
    """Sums of the finals that an aggregator published.

    `ended` are the series with a kline that the end of the feed published; `klines` and `events`
    count what came out.
    """

    ended: set[tuple[str, str]] = field(default_factory=set)
    klines: int = 0
    events: int = 0
    # One of each emission, added up from time to time.
    _parts: list[_SeriesSums] = field(default_factory=list)

    def on_emission(self, emission: Emission) -> None:
        """Add up an emission."""
        klines = emission.klines
        self.klines += len(klines)
        self.events += len(emission.events)
        if len(klines) == 0:
            return
        part, order, starts = _SeriesSums.of(klines)
        self._parts.append(part)
        if len(self._parts) >= _PARTS_MAX:
            self._parts = [_SeriesSums.of(concat(self._parts))[0]]
        ended = np.logical_or.reduceat(klines.trigger[order] == Trigger.END, starts)
        self.ended.update(part.take(ended).names())

    def published(self) -> dict[tuple[str, str], Sums]:
        """Return the sums of every series."""
        if not self._parts:
            return {}
        whole, _, _ = _SeriesSums.of(concat(self._parts))
        rows = zip(*(getattr(whole, name).tolist() for name in COLUMNS), strict=True)
        codes = zip(whole.symbol.tolist(), whole.names(), rows, strict=True)
        return {key: _of_instrument(whole.instruments[code], sums) for code, key, sums in codes}


def value_equations(
    given: TradeTally,
    tally: KlineTally,
    accounts: Mapping[str, TradeAccount],
    stored: Stored | None,
    evidence: Mapping[str, RetainedTrades],
) -> EquationTable:
    """Return, per series and column, sum over the trades given = klines + every class not in them.

    The klines are those on disk, or those published where some were lost on the way (`stored`
    None: the laws of the channel say so). A series is left out where open klines were never
    published: nobody knows their sums.
    """
    laws = tuple(f"traded {name}{'' if name == 'count' else ' in 1e-18'}" for name in COLUMNS)
    table = EquationTable(laws, ("klines", *_REFUSED))
    klines_of = tally.published() if stored is None else stored_sums(stored)
    for symbol, account in accounts.items():
        kept = evidence.get(symbol)
        whole = given.total(symbol)
        total = [whole[name] for name in COLUMNS]
        subjects, counts = list[str](), dict[str, list[int]]()
        for interval, series in account.series.items():
            key = (symbol, interval)
            if series.discarded or (series.open and key not in tally.ended):
                continue
            sums = {"klines": klines_of.get(key, NOTHING)}
            if account.rejected or kept is not None:
                sums |= _refused(given, symbol, kept, account, interval)
            subjects.append(f"{symbol} {interval}")
            for part, of_part in sums.items():
                counts.setdefault(part, []).extend(of_part[name] for name in COLUMNS)
        table.add(subjects, total * len(subjects), counts)
    return table


def _refused(
    read: TradeTally,
    symbol: str,
    kept: RetainedTrades | None,
    account: TradeAccount,
    interval: str,
) -> dict[str, Sums]:
    """Add up the trades that are in no kline of an interval, by class."""
    sums = dict.fromkeys(_REFUSED, NOTHING)
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
            rows = market & among(kept.rows.trade_id, np.unique(np.array(ids, dtype=np.int64)))
            sums[name] = _add(sums[name], trade_sums(kept.rows, rows))
        sums["duplicate"] = trade_sums(kept.repeated)
    return sums
