"""A run in memory: no files, no folder, every check; what exploration runs by the thousand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.canaries.plant import NOTHING, Deliver, Plant
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.columns import Rows
from kline_harness.errors import HarnessError
from kline_harness.faults.catalogue import Injection
from kline_harness.faults.record import FaultRecord
from kline_harness.interfaces import Aggregator, FeedSlice
from kline_harness.kline import Emission, KlineBatch
from kline_harness.ledger import Equation, TradeAccount, judge, trade_equations
from kline_harness.replay.market import Market
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.second_opinion import joined, second_opinion
from kline_harness.replay.stored_check import stored_check
from kline_harness.simulation.crashing import CrashingConsumer
from kline_harness.simulation.delivery_audit import DeliveryAudit, Published, Subscription
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.feed_audit import FeedAudit, Manifest
from kline_harness.simulation.listener import ListenerOptions, Listening
from kline_harness.simulation.signals import SignalOptions
from kline_harness.simulation.simulation import Simulation
from kline_harness.simulation.tick_audit import TickAudit
from kline_harness.storage.faulty_filesystem import FaultyFileSystem, Trouble
from kline_harness.storage.memory_filesystem import MemoryFileSystem
from kline_harness.storage.parquet_writer import ParquetWriter
from kline_harness.storage.restarting_writer import RestartingWriter
from kline_harness.verdict import Finding, Severity, Verdict

_DIRECTORY = Path("klines")


@dataclass(frozen=True, slots=True)
class Trial:
    """What a run in memory left behind."""

    klines: KlineBatch
    checks: tuple[Verdict, ...]
    accounts: dict[str, TradeAccount]
    records: tuple[FaultRecord, ...]
    stored: Any
    end_ns: int

    @property
    def findings(self) -> list[Finding]:
        """Return the findings of every check."""
        return [finding for check in self.checks for finding in check.findings]


@dataclass(slots=True)
class _Watched:
    """The aggregator, with all that goes in and comes out kept."""

    inner: Aggregator
    klines: Published
    life: Published
    feed: list[FeedSlice] = field(default_factory=list)
    tables: list[KlineBatch] = field(default_factory=list)

    def advance(self, feed: FeedSlice) -> Emission:
        self.feed.append(feed)
        return self._keep(self.inner.advance(feed))

    def finish(self, at_ns: int) -> Emission:
        return self._keep(self.inner.finish(at_ns))

    def accounts(self) -> Any:
        return self.inner.accounts()

    def _keep(self, emission: Emission) -> Emission:
        self.klines.add(emission.klines)
        self.life.add(emission.events)
        self.tables.append(emission.klines)
        return emission


@dataclass(slots=True)
class _Tap:
    """A consumer's end of the channel, told to the audit before anything else."""

    consumer: Listening
    deliver: Deliver
    audit: DeliveryAudit
    subscription: Subscription
    name: str = field(init=False)
    timer_period_ns: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.consumer.name
        self.timer_period_ns = self.consumer.timer_period_ns

    def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
        self.audit.delivered(self.subscription, now_ns, rows)
        self.deliver(now_ns, rows)

    def on_lag(self, now_ns: int, missed: int) -> None:
        self.audit.lag(self.subscription, now_ns, missed)
        self.consumer.on_lag(now_ns, missed)

    def on_timer(self, now_ns: int) -> None:
        self.consumer.on_timer(now_ns)

    def on_close(self, now_ns: int) -> None:
        self.consumer.on_close(now_ns)


def run_trial(
    scenario: Scenario, market: Market, plant: Plant = NOTHING, *, opinion: bool = True
) -> Trial:
    """Run a scenario with its faults on a tape, check everything, return what came of it.

    Without `opinion` the finals are not held to a second aggregator, the dearest of the checks.
    """
    return _Bench(scenario, market, plant, opinion=opinion).run()


class _Bench:
    """The parts of one trial, wired."""

    def __init__(self, scenario: Scenario, market: Market, plant: Plant, *, opinion: bool) -> None:
        self.opinion = opinion
        self.scenario, self.market, self.plant = scenario, market, plant
        self.injection = Injection(scenario.faults, scenario.seed)
        self.manifest = Manifest()
        self.feed_audit = FeedAudit(self.manifest, market.latency_max_ns)
        self.tick_audit = TickAudit(scenario.clock, scenario.clock.grace_for(market.delay_ns))
        self.delivery = DeliveryAudit()
        late = self._options("lifecycle").subscribe_at_ns is not None
        self.completeness = CompletenessAuditor()
        self.lifecycle = LifecycleChecker(joined_late=late)
        self.given: list[Rows[KlineBatch]] = []
        self.writer = RestartingWriter(
            _DIRECTORY, scenario.writer, self._files(), plant.writer or ParquetWriter
        )
        self.aggregator = self._aggregator()

    def run(self) -> Trial:
        """Run it."""
        feed = Feed(
            self.injection.trades(self.manifest.watched([self.market.tape])),
            SignalOptions(clock=self.scenario.clock),
            lambda: self.market.delay_ns,
            self.market.until_ns,
        )
        pieces = self.injection.ticks(feed)
        pieces = pieces if self.plant.feed is None else self.plant.feed(pieces)
        watched = self.tick_audit.watched(self.feed_audit.watched(pieces))
        simulation = Simulation(
            self.aggregator, watched, self.scenario.channels, self.scenario.fidelity
        )
        self._listen(simulation.listen_to_klines, self.writer, self._store, self.aggregator.klines)
        klines_to = (self.completeness, self.completeness.on_klines)
        self._listen(simulation.listen_to_klines, *klines_to, self.aggregator.klines)
        events_to = (self.lifecycle, self.lifecycle.on_events)
        self._listen(simulation.listen_to_life, *events_to, self.aggregator.life)
        end_ns = 0

        def end() -> int:
            nonlocal end_ns
            end_ns = self.injection.end_ns(feed.end_ns)
            return end_ns

        simulation.run(end)
        self.tick_audit.finish(end_ns)
        return self._result(end_ns)

    def _aggregator(self) -> _Watched:
        symbols = [instrument.symbol for instrument in self.market.tape.instruments]
        made = self.plant.aggregator
        inner = (
            self.scenario.make_aggregator(symbols)
            if made is None
            else made(self.scenario.intervals)
        )
        channels = self.scenario.channels
        return _Watched(
            inner, DeliveryAudit.broadcast(channels.klines), DeliveryAudit.broadcast(channels.life)
        )

    def _files(self) -> FaultyFileSystem:
        def plan(commit: int, step: str) -> Trouble | None:
            for fault, record in self.injection.disk():
                if fault.strikes(commit, step):
                    record.steps.append(f"commit {commit}: {step}")
                    return Trouble(fault.ERROR, getattr(fault, "power_cut", False))
            return None

        return FaultyFileSystem(MemoryFileSystem(), plan, Random(self.scenario.seed))

    def _options(self, consumer: str) -> ListenerOptions:
        return self.injection.listener(consumer, self.scenario.listener(consumer))

    def _store(self, now_ns: int, rows: Rows[KlineBatch]) -> None:
        self.given.append(rows)
        self.writer.on_klines(now_ns, rows)

    def _listen(
        self,
        listen: Callable[..., None],
        consumer: Listening,
        deliver: Deliver,
        published: Published,
    ) -> None:
        options = self._options(consumer.name)
        down = self.injection.down(consumer.name)
        if down is not None:
            crash = self.writer.restart if consumer is self.writer else _forget
            crashing = CrashingConsumer(consumer, deliver, down, crash)
            consumer, deliver = crashing, crashing.on_rows
        subscription = self.delivery.subscription(consumer.name, published, options.subscribe_at_ns)
        tap = _Tap(consumer, deliver, self.delivery, subscription)
        ends: tuple[Listening, Deliver] = (tap, tap.on_rows)
        if self.plant.channel is not None:
            ends = self.plant.channel(*ends)
        listen(*ends, options)

    def _result(self, end_ns: int) -> Trial:
        klines = joined(self.aggregator.tables)
        accounts = dict(self.aggregator.accounts())
        stored = self.writer.dataset.read()
        makers: dict[str, Callable[[], Verdict]] = {
            "feed": self.feed_audit.verdict,
            "clock": self.tick_audit.verdict,
            "ledger": lambda: judge(self._equations(accounts)),
            "trades": lambda: trades_check(accounts),
            "reference": lambda: second_opinion(
                klines,
                self.aggregator.feed,
                end_ns,
                self.scenario.intervals,
                of_exact=isinstance(self.aggregator.inner, ExactAggregator),
            ),
            "delivery": self.delivery.verdict,
            "completeness": self.completeness.verdict,
            "lifecycle": self.lifecycle.verdict,
            "writer": self.writer.verdict,
            "stored": lambda: stored_check(stored, self.given, self.writer.dropped),
        }
        if not self.opinion:
            del makers["reference"]
        checks = tuple(_checked(name, make, self.plant.blind) for name, make in makers.items())
        return Trial(klines, checks, accounts, tuple(self.injection.records), stored, end_ns)

    def _equations(self, accounts: dict[str, TradeAccount]) -> list[Equation]:
        fed = sum(len(piece.trades) for piece in self.aggregator.feed)
        received = {symbol: account.received for symbol, account in accounts.items()}
        equations = [Equation("trades fed", "all symbols", fed, received)]
        return equations + list(trade_equations(accounts)) + self.writer.equations()


def _forget(now_ns: int) -> None:
    """A checker that crashes keeps its findings: they are on record."""


def _checked(name: str, make: Callable[[], Verdict], blind: frozenset[str]) -> Verdict:
    if name in blind:
        return Verdict.of(name, {}, ())
    try:
        return make()
    except HarnessError:
        raise
    except Exception as error:  # a checker that crashes is unknown, not a dead run
        return Verdict.crashed(name, error)


def trades_check(accounts: dict[str, TradeAccount]) -> Verdict:
    """Tell which trades are in no kline, or not in every interval's."""
    findings = []
    for symbol, account in accounts.items():
        classes = {"duplicate": account.duplicate, "unmapped": account.unmapped}
        classes |= {f"rejected_{kind}": ids for kind, ids in account.rejected.items()}
        told: list[tuple[str, str | None, list[int]]] = [(k, None, i) for k, i in classes.items()]
        told += [("late", interval, series.late) for interval, series in account.series.items()]
        for kind, interval, ids in told:
            if ids:
                evidence = {"trades": len(ids), "ids": list(ids)}
                findings.append(
                    Finding("trades", kind, Severity.NOTICE, symbol, interval, evidence=evidence)
                )
    return Verdict.of("trades", {"symbols": len(accounts)}, findings)
