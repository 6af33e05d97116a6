"""A run in memory: no files, no folder, every check; what exploration runs by the thousand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.checks.check_list import CheckList, question
from kline_harness.checks.faults import Results
from kline_harness.checks.reference import reference_check
from kline_harness.faults.record import FaultRecord
from kline_harness.interfaces import FeedSlice, Observer
from kline_harness.kline import KlineBatch
from kline_harness.ledger import Ledger, TradeAccount
from kline_harness.replay.assembly import NONE, Run, Storage, Substitutions
from kline_harness.replay.finished_run import FinishedRun, Inputs
from kline_harness.replay.observations import ObservedRun
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class MemoryRun:
    """What a run in memory left behind."""

    run: Run
    results: Results
    checks: tuple[Verdict, ...]
    accounts: Mapping[str, TradeAccount]
    equations: Ledger

    @property
    def klines(self) -> KlineBatch:
        """Return the finals, in the order published."""
        return self.results.klines.whole()

    @property
    def stored(self) -> pa.Table:
        """Return the rows stored."""
        return self.results.stored.table

    @property
    def records(self) -> tuple[FaultRecord, ...]:
        """Return what each fault changed."""
        return tuple(self.run.injection.records)

    @property
    def findings(self) -> list[Finding]:
        """Return the findings of every check."""
        return [finding for check in self.checks for finding in check.findings]


class _Slices(Observer):
    """Keeps the feed."""

    def __init__(self) -> None:
        self.feed: list[FeedSlice] = []

    def on_slice(self, feed: FeedSlice) -> None:
        self.feed.append(feed)


def run_in_memory(
    scenario: Scenario,
    trade_set: TradeSet,
    substitutions: Substitutions = NONE,
    *,
    opinion: bool = True,
) -> MemoryRun:
    """Run a scenario with its faults on a tape, check everything, return what came of it.

    Without `opinion` the finals are not held to a second aggregator, the dearest of the checks.
    """
    observed = ObservedRun(
        scenario, trade_set.source(), Storage.in_memory(), substitutions, keeps=True
    )
    run, slices = observed.run, _Slices()
    run.observers.append(slices)
    run.simulate()
    finished = FinishedRun(observed, Inputs(rows=len(trade_set.tape)))
    results = observed.results()
    checks = finished.checks()
    if opinion:
        # The exact one is held to the reference, which shares nothing with it but the rules.
        is_exact = isinstance(run.aggregator, ExactAggregator)
        second = (ReferenceAggregator if is_exact else ExactAggregator)(scenario.intervals)

        def held() -> Verdict:
            return reference_check(results.klines.whole(), slices.feed, run.end_ns, second)

        checks.append(question("reference", held))
    return MemoryRun(
        run, results, tuple(CheckList(checks).verdicts()), finished.accounts, finished.equations
    )
