"""The state of a run that pages show: kept by an observer, read by the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any

import numpy as np

from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.columns import Rows
from kline_harness.interfaces import FeedSlice, Observer
from kline_harness.interval import CODE, Interval, interval_named
from kline_harness.kline import Emission
from kline_harness.ledger import Equation, trade_equations
from kline_harness.live.findings import LiveFindings
from kline_harness.live.klines import FinalsLog, GivenKlines, RecentTrades
from kline_harness.live.moments import Moments
from kline_harness.live.pace import Throttle
from kline_harness.live.stored import StoredSide
from kline_harness.replay.assembly import Run
from kline_harness.replay.run import Outcome
from kline_harness.replay.sources import Sources
from kline_harness.report.disturbances import Disturbance, disturbances
from kline_harness.report.format import words
from kline_harness.run_rows import FaultRow
from kline_harness.simulation.channels import BROADCAST
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_MINUTE

# Rows that may wait before they are looked at, where no page asks for them.
_WAITING_MAX = 100_000


class Consumed:
    """What one consumer was sent and given, counted while it happens.

    Values published before `since_ns`, when it subscribed, are not for it.
    """

    def __init__(self, name: str, channel: str, since_ns: int | None) -> None:
        self.name, self.channel, self.since_ns = name, channel, since_ns
        self.sent = self.delivered = self.lagged = self.peak = 0
        self.last_ns: int | None = None

    @property
    def waiting(self) -> int:
        """Return how many values are on their way to it."""
        return self.sent - self.delivered - self.lagged


class LiveRun(Observer):
    """The state of one run that pages show.

    The simulation's thread calls the hooks, the server's thread reads: both hold `lock`. `state`
    tells what is kept of a moment, for pages that look at it later.
    """

    def __init__(self, run: Run, sources: Sources, state: Callable[[LiveRun], Any]) -> None:
        self.lock = RLock()
        self.run = run
        self.symbols = sources.symbols()
        self.intervals = sorted(run.scenario.intervals, key=CODE.__getitem__)
        self.finest: Interval = self.intervals[0]
        self.theirs = GivenKlines(sources.klines)
        self.stored = StoredSide()
        self.store_said = ""
        self.finals = FinalsLog()
        self.recent = RecentTrades(self.finest)
        self.claimed = sources.claimed()
        self.outcome: Outcome | None = None
        self.start_ns: int | None = None
        self.now_ns = 0
        self.phase = "running"
        self.counts = Counter[str]()
        self.minutes: Counter[int] = Counter()
        self.consumers = _consumers(run)
        self.equations: list[Equation] = []
        self.moments = Moments()
        if self.claimed is not None:
            self.moments.spread(self.claimed[1] - self.claimed[0])
        self._state = state
        audits = _audits(run)
        self.findings = LiveFindings(
            self.finest, self.theirs, sources.id_rules(), audits, _ready(run, audits)
        )
        self._piece: FeedSlice | None = None
        self._accounting = Throttle(0.5)

    def on_read(self, trades: Tape) -> None:
        """Count the trades that were read."""
        with self.lock:
            self.counts["read"] += len(trades)

    def on_offered(self, feed: FeedSlice) -> None:
        """Count the trades that faults left."""
        with self.lock:
            self.counts["offered"] += len(feed.trades)

    def on_slice(self, feed: FeedSlice) -> None:
        """Take what the aggregator is given next."""
        if self.run.guard is None:
            # Asked here, between two slices. Another's aggregator is asked once, when all is over.
            self._accounting.run(self._account)
        with self.lock:
            if self.start_ns is not None:
                self.moments.keep(self.now_ns, self._moment)
            self._piece = feed
            trades = feed.trades
            self.counts["given"] += len(trades)
            if len(trades):
                self.recent.add(trades)
                minutes, counts = np.unique(trades.arrival_ns // NS_PER_MINUTE, return_counts=True)
                self.minutes.update(dict(zip(minutes.tolist(), counts.tolist(), strict=True)))
                self._reach(int(trades.arrival_ns[0]), int(trades.arrival_ns[-1]))
            for signal in feed.signals:
                self.counts[type(signal).__name__.lower()] += 1
                self._reach(signal.at_ns, signal.at_ns)

    def on_emission(self, emission: Emission) -> None:
        """Take what was published while the last slice was processed."""
        with self.lock:
            piece, self._piece = self._piece, None
            if piece is None:
                piece = FeedSlice(Tape.empty())
            if len(emission.klines):
                self.finals.add(emission.klines)
                self.counts["finals"] += len(emission.klines)
            self.counts["events"] += len(emission.events)
            self.findings.passed(piece, emission)
            if self.findings.waiting_rows > _WAITING_MAX:
                self.findings.catch_up()

    def on_published(self, channel: str, rows: Rows[Any]) -> None:
        """Count what a channel is given."""
        with self.lock:
            for one in self.consumers:
                if one.channel != channel:
                    continue
                sent = len(rows)
                if one.since_ns is not None:
                    at_ns = rows.base.at_ns[rows.start : rows.stop]
                    sent -= int(np.searchsorted(at_ns, one.since_ns))
                one.sent += sent
                one.peak = max(one.peak, one.waiting)

    def on_delivered(self, consumer: str, now_ns: int, rows: Rows[Any]) -> None:
        """Count what a consumer is handed, and show it to the audit of its name."""
        with self.lock:
            one = self._consumer(consumer)
            one.delivered += len(rows)
            one.last_ns = now_ns
            self.findings.delivered(consumer, now_ns, rows)

    def on_lag(self, consumer: str, now_ns: int, missed: int) -> None:
        """Count what a consumer missed."""
        with self.lock:
            one = self._consumer(consumer)
            one.lagged += missed
            self.findings.lagged(consumer, now_ns, missed)

    def on_end(self, at_ns: int) -> None:
        """Note when the feed ended."""
        if self.run.guard is None:
            self._account()
        with self.lock:
            self._reach(at_ns, at_ns)
            self.phase = "checking"

    def finished(self, outcome: Outcome) -> None:
        """Take what the run came to: its findings take the place of those found on the way."""
        with self.lock:
            self.outcome = outcome
            self.phase = "over"
            self.findings.catch_up()
            self.findings.entries.restart()
            for check in outcome.checks:
                for finding in check.findings:
                    self.findings.entries.add(finding)

    def found(self) -> int:
        """Return how many findings there are so far."""
        with self.lock:
            return self.findings.catch_up()

    @property
    def other(self) -> GivenKlines:
        """The other side of the candles: what a service stored where one is followed."""
        return self.stored.klines if self.stored.readings else self.theirs

    def disturbances(self) -> list[Disturbance]:
        """Return the faults and outages of the scenario, and when they strike."""
        faults = []
        for fault in self.run.scenario.faults:
            begin = getattr(fault, "from_ns", getattr(fault, "at_ns", None))
            end = getattr(fault, "until_ns", getattr(fault, "restart_ns", begin))
            faults.append(FaultRow(fault=words(fault.KIND), from_ns=begin, to_ns=end))
        return disturbances(self.run.scenario.to_dict(), faults)

    def _account(self) -> None:
        accounts = getattr(self.run.subject, "accounts", None)
        if callable(accounts):
            self.equations = list(trade_equations(accounts()))

    def _moment(self) -> Any:
        """Return the state of now; of what waits to be looked at, the lifecycle alone is in it."""
        if "lifecycle" in self.findings.audits:
            self.findings.audits["lifecycle"].catch_up()
        return self._state(self)

    def _reach(self, first_ns: int, last_ns: int) -> None:
        if self.start_ns is None:
            self.start_ns = first_ns
        self.now_ns = max(self.now_ns, last_ns)

    def _consumer(self, name: str) -> Consumed:
        return next(one for one in self.consumers if one.name == name)


def _audits(run: Run) -> dict[str, CompletenessAuditor | LifecycleChecker]:
    """Return audits as the run's own, which are asked when it is over: these are asked before."""
    audits: dict[str, CompletenessAuditor | LifecycleChecker] = {}
    if run.completeness is not None:
        audits["completeness"] = CompletenessAuditor(contract_size=run.scenario.contract_size)
    if run.lifecycle is not None:
        late = run.listens("lifecycle").subscribe_at_ns is not None
        audits["lifecycle"] = LifecycleChecker(joined_late=late)
    return audits


def _ready(run: Run, audits: Iterable[str]) -> list[str]:
    """Return the audits that nothing holds up, each of which is sent all that is published."""
    channels = run.scenario.channels
    if channels.design != BROADCAST or not channels.life_published:
        return []
    return [name for name in audits if run.listens(name) == ListenerOptions()]


def _consumers(run: Run) -> list[Consumed]:
    channels = {"writer": "klines"}
    if run.completeness is not None:
        channels["completeness"] = "klines"
    if run.lifecycle is not None:
        channels["lifecycle"] = "lifecycle"
    channels |= {own.name: own.channel for own in run.own_consumers}
    since = {name: run.listens(name).subscribe_at_ns for name in channels}
    return [Consumed(name, channel, since[name]) for name, channel in channels.items()]


def series_of(model: LiveRun, symbol: str, interval: str) -> tuple[str, Interval] | None:
    """Return a series that the run has, None for any other."""
    known = interval_named(interval)
    return (symbol, known) if symbol in model.symbols and known in model.intervals else None
