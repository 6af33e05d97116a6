"""The faults of a scenario at work in a replay, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from kline_harness.canaries.plant import Deliver
from kline_harness.columns import concat
from kline_harness.faults.catalogue import Injection
from kline_harness.faults.trades import (
    Disconnect,
    DropTrades,
    DuplicateTrades,
    ShutdownMidBurst,
    TradeFault,
)
from kline_harness.interfaces import FeedSlice
from kline_harness.replay.effects import fault_outcomes, faults_verdict
from kline_harness.replay.faultless import Faultless
from kline_harness.replay.market import Market
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trial import run_trial
from kline_harness.simulation.crashing import CrashingConsumer
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.listener import Listening
from kline_harness.storage.faulty_filesystem import FaultyFileSystem, Trouble
from kline_harness.storage.filesystem import LocalFileSystem
from kline_harness.storage.parquet_writer import ParquetWriter
from kline_harness.storage.restarting_writer import RestartingWriter
from kline_harness.tape import Tape
from kline_harness.verdict import Verdict

# Checks of the trial that a replay does not make itself; they name what was injected.
_ROWS = DropTrades | Disconnect | ShutdownMidBurst | DuplicateTrades
TOLD = ("feed", "clock", "delivery")


class Injected(Faultless):
    """Puts a scenario's faults into a replay."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.strikes_trades = any(isinstance(fault, TradeFault) for fault in scenario.faults)
        self.injection = Injection(scenario.faults, scenario.seed)
        self._crashing: dict[str, CrashingConsumer] = {}

    def trades(self, tapes: Iterator[Tape]) -> Iterator[Tape]:
        """Return the trades with faults."""
        return self.injection.trades(tapes)

    def feed(self, feed: Iterable[FeedSlice]) -> Iterable[FeedSlice]:
        """Return the feed with faults of the clock."""
        return self.injection.ticks(feed)

    def end_ns(self, end_ns: int) -> int:
        """Return when the feed ends."""
        return self.injection.end_ns(end_ns)

    def writer(self, directory: Path) -> ParquetWriter | RestartingWriter:
        """Return the writer: one that is started again where faults can kill it."""
        if not self.injection.disk() and self.injection.down("writer") is None:
            return super().writer(directory)
        files = FaultyFileSystem(LocalFileSystem(), self._plan, Random(self.scenario.seed))
        return RestartingWriter(directory, self.scenario.writer, files)

    def listen(self, listen: Callable[..., None], consumer: Listening, deliver: Deliver) -> None:
        """Subscribe a consumer, with the faults that strike it."""
        name = consumer.name
        options = self.injection.listener(name, self.scenario.listener(name))
        down = self.injection.down(name)
        if down is not None:
            crash = consumer.restart if isinstance(consumer, RestartingWriter) else _forget
            crashing = CrashingConsumer(consumer, deliver, down, crash)
            self._crashing[name] = crashing
            consumer, deliver = crashing, crashing.on_rows
        listen(consumer, deliver, options)

    def missed(self, consumer: str) -> int:
        """Return how many values were delivered to a consumer while it was down."""
        crashing = self._crashing.get(consumer)
        return 0 if crashing is None else crashing.lost_rows

    def again(
        self, tapes: Iterator[Tape], feed: Callable[[Iterator[Tape]], Feed]
    ) -> Iterator[tuple[Tape, Tape]]:
        """Yield the trades as given to the aggregator, each time with those read meanwhile."""
        if not self.strikes_trades:
            yield from super().again(tapes, feed)
            return
        kept = Kept()
        for piece in feed(self.trades(kept.watched(tapes))):
            yield piece.trades, kept.take()
        yield Tape.empty(), kept.take()

    def rows(self) -> dict[str, int]:
        """Return how many rows of the files faults took away (or added, below zero)."""
        counts: dict[str, int] = {}
        for fault, record in zip(self.scenario.faults, self.injection.records, strict=True):
            if record.trade_count and isinstance(fault, _ROWS):
                sign = -1 if isinstance(fault, DuplicateTrades) else 1
                key = f"injected {fault.KIND}"
                counts[key] = counts.get(key, 0) + sign * record.trade_count
        return counts

    def outcomes(self, market: Callable[[], Market]) -> tuple[list[Verdict], list[dict[str, Any]]]:
        """Return what each fault did, found by running its twins in memory, and the verdicts."""
        scenario, trades = replace(self.scenario, outages=(), shutdown_ns=None), market()
        whole = run_trial(scenario, trades, opinion=False)
        found = fault_outcomes(scenario, trades, whole)
        told = [check for check in whole.checks if check.check in TOLD]
        return [*told, faults_verdict(found)], [fault.to_dict() for fault in found]

    def _plan(self, commit: int, step: str) -> Trouble | None:
        for fault, record in self.injection.disk():
            if fault.strikes(commit, step):
                record.steps.append(f"commit {commit}: {step}")
                return Trouble(fault.ERROR)
        return None


class Kept:
    """Tapes on their way, kept until they are taken."""

    def __init__(self) -> None:
        self._tapes: list[Tape] = []

    def watched(self, tapes: Iterable[Tape]) -> Iterator[Tape]:
        """Yield tapes, keeping each."""
        for tape in tapes:
            self._tapes.append(tape)
            yield tape

    def take(self) -> Tape:
        """Return what was kept since the last time."""
        tapes, self._tapes = self._tapes, []
        return concat(tapes) if tapes else Tape.empty()


def _forget(now_ns: int) -> Any:
    """A checker that crashes keeps its findings: they are on record."""
