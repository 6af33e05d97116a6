"""The seams: what an aggregator and a consumer are, and the feed an aggregator lives on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from kline_harness.columns import Rows, T
from kline_harness.interval import Interval
from kline_harness.kline import Emission
from kline_harness.ledger import TradeAccount
from kline_harness.tape import Tape
from kline_harness.units import Window
from kline_harness.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Tick:
    """A clock signal: processed at `at_ns`, it says that the time is `time_ns`."""

    at_ns: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Pull:
    """A request for the aggregator's current state: changed klines, or all of them.

    It is processed at `at_ns`, and was made at `asked_ns`: earlier where the loop was busy.
    """

    at_ns: int
    full: bool
    asked_ns: int | None = None


@dataclass(frozen=True, slots=True)
class AddSymbol:
    """A command: begin to aggregate a symbol.

    `stated` is what the command says of the symbol: an instance of the subject's `STATED`.
    """

    at_ns: int
    symbol: str
    stated: Any = None


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
    trade, tick, pull, command, the priority among what is ready at one instant.
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


class JudgingObserver(Observer):
    """Sees what passes through a run, and judges it once the run is over."""

    def verdict(self) -> Verdict:
        """Return what was found, and what was not checked."""
        raise NotImplementedError


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
    One that has `channel = "lifecycle"` is given lifecycle events, any other klines.
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
        """Finish: the channel is closed and drained."""
        ...

    def verdict(self) -> Verdict:
        """Return what was found; called once, after `on_close`."""
        ...


class SubjectWatch(Observer):
    """Sees a run of a subject, and has the checks that are the subject's own."""

    def checks(self) -> Sequence[Check]:
        """Return the checks; called before the run, their verdicts are asked when it is over."""
        return ()


@dataclass(frozen=True, slots=True)
class Pulls:
    """What is pulled: deltas every `period_ns` from the first trade on; snapshots after ticks."""

    period_ns: int | None = None
    snapshots: bool = False


@dataclass(frozen=True, slots=True)
class Duties:
    """Which trades a subject is to aggregate, whether or not they reach it.

    `times` are, by symbol, windows: of the trades that arrive after the begin and not after the
    end of one. A trade of a time more than `future_bound_ns` after its arrival is to be refused.
    `continued` are klines that it had begun before, by symbol, interval and open time, each with
    its first trade id: they are compared only where the trades hold that one.
    """

    times: Mapping[str, Sequence[Window]]
    future_bound_ns: int | None = None
    continued: Mapping[tuple[str, str, int], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """What belongs to an aggregator beside itself; a subclass overrides what it has of it.

    A name given for an aggregator may stand for a subclass, which is a frozen dataclass. Its
    fields are keys and tables of a scenario file that are its own: a field's default is that of a
    scenario without the key, and a table is a dataclass in turn.
    """

    # What a command that adds a symbol says beside `at` and `add`: a dataclass of its keys.
    STATED: ClassVar[type | None] = None

    def make(self, intervals: Sequence[Interval], symbols: Sequence[str]) -> Aggregator:
        """Make the aggregator; `symbols` are those of the trade files."""
        raise NotImplementedError

    def pulls(self) -> Pulls:
        """Return how often the subject is asked for its open klines; by default never."""
        return Pulls()

    def duties(self, symbols: Sequence[str], commands: Sequence[Command]) -> Duties | None:
        """Return what it is to aggregate; None: every trade that it is given."""
        return None

    def consumers(self) -> Sequence[Consumer]:
        """Return new consumers of a run, which listen beside the harness's."""
        return ()

    def watch(self, aggregator: Aggregator) -> SubjectWatch:
        """Return what sees a run of an aggregator that `make` made, and checks it."""
        return SubjectWatch()

    def channel_designs(self) -> Mapping[str, Callable[..., Any]]:
        """Return designs of the channel of finals beside the broadcast, by the scenario's names.

        Each is called with name, capacity and sole consumer, and returns a
        `kline_harness.simulation.channels.Channel`.
        """
        return {}


__all__ = [
    "AccountingAggregator",
    "AddSymbol",
    "Aggregator",
    "Check",
    "Command",
    "Consumer",
    "Duties",
    "FeedSlice",
    "JudgingObserver",
    "Observer",
    "Pull",
    "Pulls",
    "RemoveSymbol",
    "Signal",
    "Subject",
    "SubjectWatch",
    "T",
    "Tick",
    "TradeAt",
]
