"""The one place where the parts of a run are put together, whatever it reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from kline_harness.aggregators.guarded import GuardedAggregator
from kline_harness.aggregators.loader import called
from kline_harness.aggregators.names import EXACT
from kline_harness.checks.check_list import CHECK_IDS
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.columns import Rows, concat
from kline_harness.errors import UsageError
from kline_harness.faults.catalogue import Injection
from kline_harness.faults.trades import (
    Disconnect,
    DropTrades,
    DuplicateTrades,
    ShutdownMidBurst,
    TradeFault,
)
from kline_harness.interfaces import AddSymbol, Aggregator, Consumer, FeedSlice, Observer, Subject
from kline_harness.replay.own_checks import asked
from kline_harness.replay.own_consumers import GuardedConsumer, MakeConsumer, make_own
from kline_harness.replay.scenario import CONSUMERS, Audit, Scenario
from kline_harness.simulation.crash import CrashingConsumer
from kline_harness.simulation.feed import Feed, symbol_alone
from kline_harness.simulation.listener import ListenerOptions, Listening
from kline_harness.simulation.outlet import Outlet
from kline_harness.simulation.records import ChannelRecord
from kline_harness.simulation.simulation import Simulation
from kline_harness.simulation.trade_filter import TradeFilter
from kline_harness.simulation.work import Work
from kline_harness.storage.faulty_filesystem import FaultyFileSystem, Trouble
from kline_harness.storage.filesystem import FileSystem, LocalFileSystem
from kline_harness.storage.memory_filesystem import MemoryFileSystem
from kline_harness.storage.parquet_writer import ParquetWriter, WriterOptions
from kline_harness.storage.restarting_writer import RestartingWriter
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_DAY

# Faults after which the aggregator is given fewer rows than were read, or more.
_CHANGES_ROWS = DropTrades | Disconnect | ShutdownMidBurst | DuplicateTrades
Deliver = Callable[[int, Rows[Any]], None]


def _never() -> None:
    """Return no time: the source claims none."""


@dataclass(frozen=True, slots=True)
class TradeSource:
    """Where the trades of a run come from: `tapes` reads them, in order of arrival.

    The latencies are known once the first trades were read. The clock runs on until `until_ns`,
    where the source claims to cover time up to there: that is known once all were read.
    `place_of` names the file and row of a trade, given its symbol, id and time.
    """

    tapes: Callable[[], Iterator[Tape]]
    symbols: Callable[[], Sequence[str]]
    delay_ns: Callable[[], int]
    latency_max_ns: Callable[[], int]
    until_ns: Callable[[], int | None] = _never
    place_of: Callable[[str, int, int], str] = symbol_alone


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the writer keeps klines; the faults of the disk strike whatever files these are."""

    directory: Path
    files: FileSystem

    @staticmethod
    def on_disk(directory: Path) -> Storage:
        """Store in a directory of the operating system."""
        return Storage(directory, LocalFileSystem())

    @staticmethod
    def in_memory() -> Storage:
        """Store nothing outside of this process."""
        return Storage(Path("klines"), MemoryFileSystem())


@dataclass(frozen=True, slots=True)
class Substitutions:
    """Parts that stand in for a run's own, so that its checks can be tried on broken ones.

    `aggregator` is a factory of intervals and symbols. `channel` wraps one consumer's end of a
    channel; `feed` what goes to the aggregator; `listener` gives how a consumer behaves in time.
    `consumers` make those of a caller's own, which listen beside the run's.
    """

    aggregator: Callable[..., Aggregator] | None = None
    channel: Callable[[Listening, Deliver], tuple[Listening, Deliver]] | None = None
    writer: Callable[[Path, WriterOptions, FileSystem], ParquetWriter] | None = None
    feed: Callable[[Iterable[FeedSlice]], Iterable[FeedSlice]] | None = None
    listener: Callable[[str, ListenerOptions], ListenerOptions] | None = None
    consumers: tuple[MakeConsumer, ...] = ()


NONE = Substitutions()


@dataclass(slots=True)
class Run:
    """A scenario's parts, put together: `simulate` runs them to the end.

    `completeness` and `lifecycle` are there with a full audit only. What the run left behind is
    known after `simulate`: `channels`, `end_ns`, `work`, and what its parts hold.
    """

    scenario: Scenario
    source: TradeSource
    storage: Storage
    observers: list[Observer] = field(default_factory=list)
    substitutions: Substitutions = NONE
    injection: Injection = field(init=False)
    aggregator: Aggregator = field(init=False)
    subject: Aggregator = field(init=False)
    guard: GuardedAggregator | None = field(init=False, default=None)
    feed: Feed = field(init=False)
    writer: ParquetWriter | RestartingWriter = field(init=False)
    completeness: CompletenessAuditor | None = field(init=False, default=None)
    lifecycle: LifecycleChecker | None = field(init=False, default=None)
    own_consumers: list[GuardedConsumer] = field(init=False)
    channels: list[ChannelRecord] = field(init=False, default_factory=list)
    end_ns: int = field(init=False, default=0)
    work: Work = field(init=False, default=Work(0, 0, 0, 0))
    _crashing: dict[str, CrashingConsumer] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        scenario = self.scenario
        self.injection = Injection(scenario.faults, scenario.seed)
        self.aggregator = self.subject = self._subject()
        if self.subject_is_others:
            self.guard = GuardedAggregator(self.subject)
            self.aggregator = self.guard
        self.writer = self._writer()
        self.own_consumers = make_own(self._own_factories(), CHECK_IDS)
        names = (*CONSUMERS, *(own.name for own in self.own_consumers))
        for name in (*scenario.listeners, scenario.channels.sole_consumer):
            if name not in names:
                raise UsageError(f"unknown consumer {name!r}: expected one of {', '.join(names)}")
        if scenario.audit is Audit.FULL:
            late = self.listens("lifecycle").subscribe_at_ns is not None
            self.completeness = CompletenessAuditor(contract_size=scenario.contract_size)
            self.lifecycle = LifecycleChecker(joined_late=late)

    @property
    def subject_is_others(self) -> bool:
        """Tell whether another aggregator than the exact one is judged."""
        return self.substitutions.aggregator is not None or self.scenario.aggregator != EXACT

    @property
    def strikes_trades(self) -> bool:
        """Tell whether faults give the aggregator other trades than the source holds."""
        return any(isinstance(fault, TradeFault) for fault in self.scenario.faults)

    def listens(self, consumer: str) -> ListenerOptions:
        """Return how a consumer behaves in time, with the faults that strike it."""
        options = self.injection.listener(consumer, self.scenario.listener(consumer))
        listener = self.substitutions.listener
        return options if listener is None else listener(consumer, options)

    def simulate(self) -> None:
        """Run to the end.

        Raises Disorder where a source that was to be streamed is not in order.
        """
        self.feed = feed_of(self.scenario, self.source, self.injection, self.observers)
        pieces = self.injection.ticks(self.feed)
        if self.substitutions.feed is not None:
            pieces = self.substitutions.feed(pieces)
        scenario = self.scenario
        simulation = Simulation(
            self.aggregator,
            pieces,
            scenario.channels,
            scenario.fidelity,
            self.observers,
            scenario.design(),
        )
        klines, life = simulation.listen_to_klines, simulation.listen_to_life
        self._listen(klines, self.writer, self.writer.on_rows)
        if self.completeness is not None:
            self._listen(klines, self.completeness, self.completeness.on_rows)
        if self.lifecycle is not None:
            self._listen(life, self.lifecycle, self.lifecycle.on_rows)
        for own in self.own_consumers:
            self._listen(life if own.channel == "lifecycle" else klines, own, own.on_rows)
        self.channels = simulation.run(self._end_ns)
        self.work = simulation.work

    def lost_while_down(self, consumer: str) -> int:
        """Return how many values were delivered to a consumer while it was down."""
        crashing = self._crashing.get(consumer)
        return 0 if crashing is None else crashing.lost_rows

    def rows_changed(self) -> dict[str, int]:
        """Return, by fault, how many rows it took away; below zero are those it added."""
        counts: dict[str, int] = {}
        for fault, record in zip(self.scenario.faults, self.injection.records, strict=True):
            if record.trade_count and isinstance(fault, _CHANGES_ROWS):
                sign = -1 if isinstance(fault, DuplicateTrades) else 1
                key = f"injected {fault.KIND}"
                counts[key] = counts.get(key, 0) + sign * record.trade_count
        return counts

    def _subject(self) -> Aggregator:
        scenario, made = self.scenario, self.substitutions.aggregator
        symbols = self.source.symbols() if self.subject_is_others else ()
        if made is None:
            return scenario.make_aggregator(symbols)
        aggregator: Aggregator = called(made, scenario.intervals, symbols)
        return aggregator

    @property
    def own(self) -> Subject:
        """Return what belongs to the aggregator beside itself: nothing to one that stands in."""
        return self.scenario.own() if self.substitutions.aggregator is None else Subject()

    def _own_factories(self) -> list[MakeConsumer]:
        """Return what makes the consumers of the subject and of the caller."""
        name = self.scenario.aggregator
        made: list[Consumer] = asked(name, "consumers", lambda: list(self.own.consumers()))
        return [*((lambda one=one: one) for one in made), *self.substitutions.consumers]

    def _end_ns(self) -> int:
        self.end_ns = self.injection.end_ns(self.feed.end_ns)
        return self.end_ns

    def _writer(self) -> ParquetWriter | RestartingWriter:
        """Return the writer: one that is started again where a fault can kill it."""
        files, options = self.storage.files, self.scenario.writer
        if options.failing_commits or self.injection.disk():
            files = FaultyFileSystem(files, self._trouble, Random(self.scenario.seed))
        make = self.substitutions.writer or ParquetWriter
        if self.injection.disk() or self.injection.down("writer") is not None:
            return RestartingWriter(self.storage.directory, options, files, make)
        return make(self.storage.directory, options, files)

    def _trouble(self, commit: int, step: str) -> Trouble | None:
        """Return what befalls a step of a commit."""
        if step == "create" and commit in self.scenario.writer.failing_commits:
            return Trouble("EIO")
        for fault, record in self.injection.disk():
            if fault.strikes(commit, step):
                record.steps.append(f"commit {commit}: {step}")
                return Trouble(fault.ERROR, getattr(fault, "power_cut", False))
        return None

    def _listen(self, listen: Callable[..., None], consumer: Listening, deliver: Deliver) -> None:
        """Subscribe a consumer, with the faults that strike it."""
        options, down = self.listens(consumer.name), self.injection.down(consumer.name)
        if down is not None:
            crash = consumer.restart if isinstance(consumer, RestartingWriter) else _keep
            crashing = CrashingConsumer(consumer, deliver, down, crash)
            self._crashing[consumer.name] = crashing
            consumer, deliver = crashing, crashing.on_rows
        outlet = Outlet(consumer, deliver, self.observers)
        end: tuple[Listening, Deliver] = (outlet, outlet.on_rows)
        if self.substitutions.channel is not None:
            end = self.substitutions.channel(*end)
        listen(*end, options)


def feed_of(
    scenario: Scenario, source: TradeSource, injection: Injection, observers: Sequence[Observer]
) -> Feed:
    """Return the feed of a scenario over the trades of a source."""
    commands = (scripted.command() for scripted in scenario.commands)
    added = [command.symbol for command in commands if isinstance(command, AddSymbol)]
    feed = Feed(
        injection.trades(_read(source.tapes(), observers)),
        scenario.signal_options(),
        source.delay_ns,
        trade_filter=TradeFilter(scenario.filter_options(), added),
        observers=observers,
        # A month has no length; that of a day is too short for it, which errs to the safe side.
        lengths_ns=[interval.length_ns or NS_PER_DAY for interval in scenario.intervals],
        silence_max=scenario.silence_max,
        place_of=source.place_of,
    )
    feed.tapes = _to_the_end(feed, feed.tapes, source, scenario)
    return feed


def _to_the_end(
    feed: Feed, tapes: Iterator[Tape], source: TradeSource, scenario: Scenario
) -> Iterator[Tape]:
    """Yield the trades; after the last one it is known until when the clock runs on."""
    yield from tapes
    until = [ns for ns in (source.until_ns(), scenario.until_ns) if ns is not None]
    feed.until_ns = max(until, default=None)


def _read(tapes: Iterator[Tape], observers: Sequence[Observer]) -> Iterator[Tape]:
    for tape in tapes:
        for observer in observers:
            observer.on_read(tape)
        yield tape


def trades_again(scenario: Scenario, source: TradeSource) -> Iterator[tuple[Tape, Tape]]:
    """Yield the trades as the aggregator was given them, each time with those read meanwhile.

    The second are what it would have been given without faults of trades and outages.
    """
    injection = Injection(scenario.faults, scenario.seed)
    struck = any(isinstance(fault, TradeFault) for fault in scenario.faults)
    whole = _Whole(read=struck)
    for piece in feed_of(scenario, source, injection, [whole]):
        yield piece.trades, whole.take()
    yield Tape.empty(), whole.take()


class _Whole(Observer):
    """Keeps trades until they are taken: as read, or as offered to the aggregator."""

    def __init__(self, *, read: bool) -> None:
        self._reads = read
        self._tapes: list[Tape] = []

    def on_read(self, trades: Tape) -> None:
        if self._reads:
            self._tapes.append(trades)

    def on_offered(self, feed: FeedSlice) -> None:
        if not self._reads:
            self._tapes.append(feed.trades)

    def take(self) -> Tape:
        tapes, self._tapes = self._tapes, []
        return concat(tapes) if tapes else Tape.empty()


def _keep(now_ns: int) -> None:
    """Forget nothing: a checker that crashes keeps its findings, which are on record."""
