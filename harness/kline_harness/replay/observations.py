"""What watches a run while it goes on, for the checks that are made when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kline_harness.checks.check_list import CHECK_IDS
from kline_harness.checks.clock import ClockCheck, DueTicks
from kline_harness.checks.continuity import ContinuityWatch
from kline_harness.checks.delivery import DeliveryCheck, Subscription
from kline_harness.checks.faults import Results
from kline_harness.checks.feed import FeedCheck
from kline_harness.checks.stored import StoredCheck
from kline_harness.comparison.stored import Stored
from kline_harness.interfaces import FeedSlice, JudgingObserver, Observer
from kline_harness.kept_klines import KeptKlines
from kline_harness.replay.assembly import NONE, Run, Storage, Substitutions, TradeSource
from kline_harness.replay.emission_log import EmissionLog, PublishedFinals
from kline_harness.replay.own_checks import GuardedWatch, asked
from kline_harness.replay.scenario import Audit, Scenario
from kline_harness.replay.shadow import DutyShadow, ExactShadow
from kline_harness.replay.tallies import KlineTally, TradesInBatches, TradeTally
from kline_harness.simulation.broadcast import rounded_capacity
from kline_harness.simulation.channels import BROADCAST
from kline_harness.simulation.listener import ListenerOptions


class Fed(NamedTuple):
    """What was fed so far: trades, symbols that had any, and the virtual instant."""

    trades: int
    symbols: int
    at_ns: int


class Progress(Observer):
    """Tells how many trades of how many symbols were fed so far, and up to what instant."""

    def __init__(self, show: Callable[[Fed], None]) -> None:
        self._show = show
        self._fed = Fed(0, 0, 0)

    def on_offered(self, feed: FeedSlice) -> None:
        """Count the trades of a slice."""
        trades, fed = feed.trades, self._fed
        if len(trades):
            symbols = max(fed.symbols, len(trades.instruments))
            self._fed = Fed(fed.trades + len(trades), symbols, int(trades.arrival_ns[-1]))
            self._show(self._fed)


class ObservedRun:
    """A run and everything that watches it.

    `watching` are the checks that see all of it pass by, by their ids: a new one is a line here
    and one in `CHECKS`. `feed` and `delivery` are among them where faults were injected, to name
    what was struck; `shadow` for every aggregator but the exact one. `log` and `stored` keep all
    that was published and delivered: where `keeps` says so, and where faults are to be measured.
    `published` is there where the finals are to be compared with the exchange's.
    """

    def __init__(
        self,
        scenario: Scenario,
        source: TradeSource,
        storage: Storage,
        substitutions: Substitutions = NONE,
        progress: Callable[[Fed], None] | None = None,
        *,
        keeps: bool = False,
        compares: bool = False,
    ) -> None:
        self.run = Run(scenario, source, storage, substitutions=substitutions)
        self.given, self.tally = TradeTally(), KlineTally()
        self.continuity = ContinuityWatch()
        self.published = PublishedFinals() if compares else None
        self.log: EmissionLog | None = None
        self.stored: StoredCheck | None = None
        self.shadow = _shadow(self.run)
        self.watch = _watch(self.run)
        watching: dict[str, JudgingObserver | None] = {
            "exactness": self.shadow,
            "clock": ClockCheck(self._due, self._lost_ticks),
        }
        if keeps or scenario.faults:
            self.log = EmissionLog()
            self.stored = StoredCheck("writer", self.run.injection.down("writer"))
            watching["feed"] = FeedCheck(source.latency_max_ns)
            watching["delivery"] = _delivery(self.run)
        self.watching = {name: one for name, one in watching.items() if one is not None}
        batches = TradesInBatches(self.given.add, self.continuity.add)
        kept = (self.published, self.log, self.stored, progress and Progress(progress))
        always = (batches, self.tally, *self.watching.values(), self.watch)
        self.run.observers += [*always, *(one for one in kept if one is not None)]

    def results(self) -> Results:
        """Return what the run came to, for comparing it with others of its scenario.

        It has to have kept what was published.
        """
        klines = KeptKlines() if self.log is None else self.log.finals
        return Results.of(klines, Stored(self.run.writer.dataset.readers()), self.run.channels)

    def _due(self) -> DueTicks:
        scenario = self.run.scenario
        options, grace_ns = scenario.clock, scenario.clock.grace_for(self.run.source.delay_ns())
        busy = scenario.loop.busy
        late = (options.sync_delay_ns, options.missed)
        return DueTicks(options.period_ns, grace_ns, *late, busy)

    def _lost_ticks(self) -> dict[str, int]:
        signals = self.run.feed.signals
        if signals is None:
            return {"missed": 0, "coalesced": 0}
        return {"missed": signals.missed, "coalesced": signals.coalesced}


def _shadow(run: Run) -> ExactShadow | None:
    scenario, guard = run.scenario, run.guard
    if guard is None:
        return None
    duties = asked(
        scenario.aggregator,
        "duties",
        lambda: run.own.duties(run.source.symbols(), scenario.given_commands()),
    )
    if duties is not None:
        return DutyShadow(scenario, duties, lambda: guard.failed_at_ns)
    return ExactShadow(scenario.intervals, lambda: guard.failed_at_ns, lambda: guard.keeps_ids)


def _watch(run: Run) -> GuardedWatch:
    """Return what sees the run for its subject, with checks under ids of their own."""
    name, own = run.scenario.aggregator, run.own
    made = asked(name, "watch", lambda: own.watch(run.subject))
    return GuardedWatch(name, made, {*CHECK_IDS, *(one.name for one in run.own_consumers)})


def _delivery(run: Run) -> DeliveryCheck | None:
    scenario = run.scenario
    if scenario.channels.design != BROADCAST:
        return None
    channels = scenario.channels
    capacities = {"klines": channels.klines}
    channel_of = {"writer": "klines"}
    if scenario.audit is Audit.FULL:
        channel_of |= {"completeness": "klines", "lifecycle": "lifecycle"}
    channel_of |= {own.name: own.channel for own in run.own_consumers}
    capacities["lifecycle"] = channels.life
    consumers = []
    for consumer, channel in channel_of.items():
        options = run.listens(consumer)
        can_wait = options != ListenerOptions()
        consumers.append(Subscription(consumer, channel, options.subscribe_at_ns, can_wait))
    rounded = {name: rounded_capacity(capacity) for name, capacity in capacities.items()}
    return DeliveryCheck(rounded, consumers)
