"""The seams: what an aggregator and a consumer are, and the feed an aggregator lives on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from kline_harness.columns import Rows, T
from kline_harness.kline import Emission
from kline_harness.ledger import TradeAccount
from kline_harness.tape import Tape
from kline_harness.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Tick:
    """A clock signal: processed at `at_ns`, it says that the time is `time_ns`."""

    at_ns: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Pull:
    """A request for the aggregator's current state: changed klines, or all of them."""

    at_ns: int
    full: bool


@dataclass(frozen=True, slots=True)
class AddSymbol:
    """A command: begin to aggregate a symbol.

    Prices and volumes are plain decimal text as the exchange's ticker states them;
    `first_time_ns` is the ticker's event time, 0 or less when unknown.
    """

    at_ns: int
    symbol: str
    first_time_ns: int = 0
    open: str = "0"
    high: str = "0"
    low: str = "0"
    close: str = "0"
    volume: str = "0"
    quote_volume: str = "0"


@dataclass(frozen=True, slots=True)
class RemoveSymbol:
    """A command: stop aggregating a symbol."""

    at_ns: int
    symbol: str


Command: TypeAlias = AddSymbol | RemoveSymbol
Signal: TypeAlias = Tick | Pull | Command


@dataclass(frozen=True, slots=True)
class TradeAt:
    """One trade of a feed: row `row` of `tape`."""

    tape: Tape
    row: int


@dataclass(frozen=True, slots=True)
class FeedSlice:
    """A run of the feed in processing order: trades, with signals at positions between them.

    `signals[k]` is processed after the first `positions[k]` trades and before the next one;
    positions never decrease. Processing order is by (arrival, class, sequence) with the classes
    trade, tick, pull, command: the production loop's priority among what is ready at once.
    """

    trades: Tape
    signals: tuple[Signal, ...] = ()
    positions: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.trades) + len(self.signals)

    def events(self) -> Iterator[TradeAt | Signal]:
        """Yield every event in processing order."""
        done = 0
        for signal, position in zip(self.signals, self.positions, strict=True):
            for row in range(done, position):
                yield TradeAt(self.trades, row)
            done = position
            yield signal
        for row in range(done, len(self.trades)):
            yield TradeAt(self.trades, row)

    def cut(self, events: int) -> tuple[FeedSlice, FeedSlice]:
        """Split after the first `events` events."""
        signals = 0
        while signals < len(self.signals) and self.positions[signals] + signals < events:
            signals += 1
        trades = events - signals
        head = FeedSlice(self.trades[:trades], self.signals[:signals], self.positions[:signals])
        rest = tuple(position - trades for position in self.positions[signals:])
        return head, FeedSlice(self.trades[trades:], self.signals[signals:], rest)


@runtime_checkable
class Aggregator(Protocol):
    """Makes klines from a feed.

    *Slice law*: cutting the feed anywhere changes nothing: the emissions of ``advance(a)`` and
    ``advance(b)`` joined are those of ``advance(a + b)``. It never reads a clock: the virtual
    instants of what it emits are those of the feed's events. `kline_harness.testing` holds every
    aggregator to this. One that can account for its trades is an `AccountingAggregator`; without
    accounts it is judged by what it published.
    """

    def advance(self, feed: FeedSlice) -> Emission:
        """Process the next slice and return what was published while doing so."""
        ...

    def finish(self, at_ns: int) -> Emission:
        """End of the feed: return what is published with trigger END."""
        ...


@runtime_checkable
class AccountingAggregator(Aggregator, Protocol):
    """An aggregator that says what became of every trade."""

    def accounts(self) -> Mapping[str, TradeAccount]:
        """Return, per symbol, what became of every trade received so far."""
        ...


class Observer:
    """Sees what passes through a run, in order; a subclass overrides what it wants to see.

    An observer changes nothing of what it is shown.
    """

    def on_read(self, trades: Tape) -> None:
        """See trades as their source holds them, before any fault."""

    def on_offered(self, feed: FeedSlice) -> None:
        """See a slice as it would be had no outage kept a trade from the aggregator."""

    def on_slice(self, feed: FeedSlice) -> None:
        """See a slice as it is given to the aggregator."""

    def on_emission(self, emission: Emission) -> None:
        """See what the aggregator published, before any channel has it."""

    def on_published(self, channel: str, rows: Rows[Any]) -> None:
        """See rows of an emission as a channel is given them, ``klines`` or ``lifecycle``."""

    def on_delivered(self, consumer: str, now_ns: int, rows: Rows[Any]) -> None:
        """See rows as a channel hands them to a consumer."""

    def on_lag(self, consumer: str, now_ns: int, missed: int) -> None:
        """See a consumer be told that it missed values."""

    def on_end(self, at_ns: int) -> None:
        """See the feed end."""


class Check(Protocol):
    """A question that a run is asked once it is over.

    `id` names it among all checks; `needs` says what it looks at.
    """

    @property
    def id(self) -> str: ...
    @property
    def needs(self) -> str: ...

    def verdict(self) -> Verdict:
        """Return what was found, and what was not checked."""
        ...


class Consumer(Protocol):
    """Listens to finals or lifecycle events; a state machine that knows no simulator or clock.

    `timer_period_ns` asks for `on_timer` at multiples of that many nanoseconds after its start.
    """

    name: str
    timer_period_ns: int | None

    def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
        """Take klines, or events, in broadcast order."""
        ...

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Learn that `missed` rows were overwritten before they were read."""
        ...

    def on_timer(self, now_ns: int) -> None:
        """Do what is due by time."""
        ...

    def rows_until_flush(self) -> int:
        """Return how many rows it takes before the instant of the next one matters to it.

        Where it never does, `INT64_MAX` of `kline_harness.units`.
        """
        ...

    def on_close(self, now_ns: int) -> None:
        """The channel is closed and drained: finish."""
        ...

    def verdict(self) -> Verdict:
        """Return what was found; called once, after `on_close`."""
        ...


__all__ = [
    "AccountingAggregator",
    "AddSymbol",
    "Aggregator",
    "Check",
    "Command",
    "Consumer",
    "FeedSlice",
    "Observer",
    "Pull",
    "RemoveSymbol",
    "Signal",
    "T",
    "Tick",
    "TradeAt",
]
