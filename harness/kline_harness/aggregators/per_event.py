"""The base of aggregators that work one event at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from kline_harness.columns import Columns, Instrument
from kline_harness.interfaces import Command, FeedSlice, Pull, Signal, Tick
from kline_harness.interval import Interval
from kline_harness.kline import Emission, KlineBatch, Life, LifeBatch, Trigger
from kline_harness.ledger import SeriesAccount, TradeAccount
from kline_harness.tape import Tape
from kline_harness.units import ExactArray

# An int at its instrument's scale; a float only inside an aggregator that computes in floats.
Amount: TypeAlias = float
Row: TypeAlias = tuple[Any, ...]
B = TypeVar("B", bound=Columns)

# Trades turned into Python numbers at a time: bounds the memory of a long slice.
_CHUNK_ROWS = 65_536


class TradeRow(NamedTuple):
    """One trade of a feed as plain numbers; `symbol` indexes the aggregator's `instruments`."""

    symbol: int
    trade_id: int
    price: Amount
    quantity: Amount
    quote: Amount
    first_id: int
    last_id: int
    event_time_ns: int
    arrival_ns: int
    buyer_is_maker: bool
    kind: int


# What is processed next: trades, or a signal.
Step: TypeAlias = Iterator[TradeRow] | Signal


class PerEventAggregator:
    """An aggregator written as what it does with each event.

    A subclass implements `on_trade`, `on_tick`, `on_command`, `on_pull` and `on_end`, and says
    what it publishes with `publish_kline` and `publish_life`; `advance`, `finish` and `accounts`
    come with that.

    * `instruments` holds every symbol met, in the order met, at the finest scales met: trades
      come as integers at these scales, and klines are published so. When a later slice is finer,
      `on_rescale` tells the subclass to multiply what it holds.
    * `now_ns` is the instant of the event being processed; it never decreases, also where a
      feed is not in the order of arrival. `trigger` is what published rows are labelled with.
    * Inside one event rows are published by symbol, then interval, oldest first; the events of a
      tick come before the row of the tick itself, which is published for every tick processed.
    """

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self.intervals = tuple(intervals)
        self.instruments: list[Instrument] = []
        self.now_ns = 0
        self.trigger = Trigger.TRADE
        self._codes: dict[str, int] = {}
        self._accounts: dict[str, TradeAccount] = {}
        self._klines: list[Row] = []
        self._events: list[Row] = []

    # --- the seam ------------------------------------------------------------------------------

    def advance(self, feed: FeedSlice) -> Emission:
        """Process the next slice and return what was published while doing so."""
        self._receive(feed.trades)
        for step in self.steps(feed):
            if isinstance(step, Iterator):
                self._trades(step)
            else:
                self._signal(step)
        return self._emit()

    def finish(self, at_ns: int) -> Emission:
        """End of the feed: return what is published with trigger END."""
        self._pass_to(at_ns, Trigger.END)
        self.on_end(self.now_ns)
        return self._emit()

    def accounts(self) -> Mapping[str, TradeAccount]:
        """Return, per symbol of the feed, what became of every trade received so far."""
        return self._accounts

    # --- what a subclass implements ------------------------------------------------------------

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Process a trade."""
        raise NotImplementedError

    def on_tick(self, tick: Tick) -> None:
        """Process a clock tick; `publish_tick` is its last act."""
        raise NotImplementedError

    def on_command(self, command: Command) -> None:
        """Process a command."""

    def on_pull(self, pull: Pull) -> None:
        """Answer a request for the current state."""

    def on_end(self, at_ns: int) -> None:
        """Publish what is still open."""
        raise NotImplementedError

    def on_rescale(self, symbol: int, old: Instrument, new: Instrument) -> None:
        """Bring what is held of a symbol to finer scales."""
        raise NotImplementedError

    # --- what a subclass publishes with --------------------------------------------------------

    def publish_kline(
        self,
        symbol: int,
        interval: int,
        open_time_ns: int,
        fields: Sequence[Amount],
        trade_ids: tuple[int, int],
    ) -> None:
        """Publish a kline as final: its nine fields in the exchange's order, first and last id."""
        self._klines.append(
            (symbol, interval, open_time_ns, *fields, *trade_ids, self.now_ns, self.trigger)
        )

    def publish_life(
        self, life: Life, symbol: int, interval: int, open_time_ns: int, trades: int
    ) -> None:
        """Publish a transition of a kline that `trades` rows were applied to so far."""
        self._events.append(
            (symbol, life, interval, open_time_ns, trades, self.now_ns, self.trigger)
        )

    def publish_tick(self, tick: Tick) -> None:
        """Publish that a tick has been processed."""
        self.publish_life(Life.TICK, -1, -1, tick.time_ns, 0)

    def account(self, symbol: int) -> TradeAccount:
        """Return the account of a symbol, with a series per interval."""
        text = self.instruments[symbol].symbol
        account = self._accounts.get(text)
        if account is None:
            series = {interval.text: SeriesAccount() for interval in self.intervals}
            account = self._accounts[text] = TradeAccount(series=series)
        return account

    def meet(self, instrument: Instrument) -> int:
        """Return a symbol's index in `instruments`, new or brought to scales that hold both."""
        code = self._codes.get(instrument.symbol)
        if code is None:
            code = self._codes[instrument.symbol] = len(self.instruments)
            self.instruments.append(instrument)
            return code
        known = self.instruments[code]
        finest = known.finest(instrument)
        if finest != known:
            self.instruments[code] = finest
            self.on_rescale(code, known, finest)
        return code

    def trade_rows(self, tape: Tape) -> Iterator[TradeRow]:
        """Yield the trades of a tape as plain numbers at the scales of `instruments`."""
        return plain_trades(tape.over(tuple(self.instruments)))

    def steps(self, feed: FeedSlice) -> Iterator[Step]:
        """Yield a slice's signals and the trades before each, in order."""
        rows = self.trade_rows(feed.trades)
        done = 0
        for signal, position in zip(feed.signals, feed.positions, strict=True):
            yield islice(rows, position - done)
            done = position
            yield signal
        yield rows

    def seal(self, rows: list[Row]) -> list[Row]:
        """Turn published klines into exact integers at the scales of `instruments`."""
        return rows

    # --- inside --------------------------------------------------------------------------------

    def _receive(self, tape: Tape) -> None:
        codes = [self.meet(instrument) for instrument in tape.instruments]
        counts = np.bincount(tape.symbol, minlength=len(codes)).tolist()
        for code, count in zip(codes, counts, strict=True):
            self.account(code).received += count

    def _pass_to(self, at_ns: int, trigger: Trigger) -> None:
        self.trigger = trigger
        if at_ns > self.now_ns:
            self.now_ns = at_ns

    def _trades(self, rows: Iterator[TradeRow]) -> None:
        on_trade = self.on_trade
        self.trigger = Trigger.TRADE
        for trade in rows:
            if trade.arrival_ns > self.now_ns:
                self.now_ns = trade.arrival_ns
            on_trade(trade, self.now_ns)

    def _signal(self, signal: Signal) -> None:
        self._pass_to(signal.at_ns, Trigger.TICK)
        if isinstance(signal, Tick):
            self.on_tick(signal)
        elif isinstance(signal, Pull):
            self.on_pull(signal)
        else:
            self.on_command(signal)

    def _emit(self) -> Emission:
        klines, self._klines = self.seal(self._klines), []
        events, self._events = self._events, []
        instruments = tuple(self.instruments)
        return Emission(
            build_table(KlineBatch, instruments, klines),
            build_table(LifeBatch, instruments, events),
        )


def plain_trades(tape: Tape) -> Iterator[TradeRow]:
    """Yield the trades of a tape as plain numbers, at its own scales."""
    names = TradeRow._fields
    for start in range(0, len(tape), _CHUNK_ROWS):
        chunk = tape if len(tape) <= _CHUNK_ROWS else tape[start : start + _CHUNK_ROWS]
        columns = (getattr(chunk, name).tolist() for name in names)
        yield from map(TradeRow._make, zip(*columns, strict=True))


def build_table(table: type[B], instruments: tuple[Instrument, ...], rows: list[Row]) -> B:
    """Turn rows, in the order of the table's columns, into a table."""
    empty = table.empty(instruments)
    if not rows:
        return empty
    exact = {*table.price_columns(), *table.quantity_columns(), *table.quote_columns()}
    columns: dict[str, Any] = {}
    for name, values in zip(table.column_names(), zip(*rows, strict=True), strict=True):
        if name in exact:
            columns[name] = exact_column(values)
        else:
            columns[name] = np.array(values, dtype=getattr(empty, name).dtype)
    return table.build(instruments, columns)


def exact_column(values: Sequence[int]) -> ExactArray:
    """Return integers as int64 if every one fits, as Python integers otherwise."""
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return np.array(values, dtype=object)
