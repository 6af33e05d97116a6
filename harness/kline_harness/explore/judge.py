"""What must hold in every run, whatever was injected: safety, detection, and liveness after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from kline_harness.checks.faults import effect_of, named_by
from kline_harness.checks.reference import Key, keyed
from kline_harness.columns import join_instruments
from kline_harness.explore.sampler import Span
from kline_harness.faults.ticks import ClockDrift, ClockJump
from kline_harness.faults.trades import ShutdownMidBurst, TradeFault, WrongTime
from kline_harness.interval import INTERVALS, Interval
from kline_harness.kline import FIELDS
from kline_harness.replay.assembly import NONE, Substitutions
from kline_harness.replay.control_runs import control_run
from kline_harness.replay.memory_run import MemoryRun, run_in_memory
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.simulation.clock import ClockOptions
from kline_harness.units import NS_PER_MINUTE
from kline_harness.verdict import Finding, Severity

# No fault lets anything arrive or tell a time further off than this.
REACH_NS = 5 * NS_PER_MINUTE
# Findings that a fault's harm to the feed makes right; every other error is a violation.
EXCUSED = {
    ("completeness", "cross_interval_mismatch"): "late",
    ("completeness", "trade_id_backwards"): "wrong_time",
    ("lifecycle", "future_open"): "ahead",
    ("lifecycle", "overdue"): "clock",
    ("continuity", "lost_stretch"): "trades",
    ("channels", "lost"): "reported",
    ("channels", "klines_lost"): "reported",
    ("channels", "late_subscriber"): "reported",
    ("channels", "published_to_nobody"): "reported",
    ("writer", "klines_lost_to_lag"): "reported",
    ("writer", "klines_lost_in_crash"): "reported",
    ("writer", "write_failed"): "reported",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be: the check and kind that name it, and the first instance."""

    check: str
    kind: str
    evidence: dict[str, Any]

    @property
    def name(self) -> str:
        """Return ``check.kind``."""
        return f"{self.check}.{self.kind}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A run and what was wrong with it, each kind of violation once."""

    memory_run: MemoryRun | None
    violations: tuple[Violation, ...]


class Judge:
    """Holds runs of the same trades to every invariant; the runs without faults are made once."""

    def __init__(self, trade_set: TradeSet, substitutions: Substitutions = NONE) -> None:
        self.trade_set = trade_set
        self._substitutions = substitutions
        self._baselines: dict[tuple[tuple[Interval, ...], ClockOptions], MemoryRun] = {}

    def judge(self, scenario: Scenario) -> Judged:
        """Run a scenario and judge it."""
        try:
            memory_run = run_in_memory(scenario, self.trade_set, self._substitutions)
        except Exception as error:  # a run that dies is a violation, and shrinks like any other
            found = Violation("run", type(error).__name__, {"error": str(error)})
            return Judged(None, (found,))
        first: dict[str, Violation] = {}
        for violation in chain(
            _unsafe(scenario, memory_run),
            _missed(self.trade_set, memory_run),
            self._not_healed(scenario, memory_run),
        ):
            first.setdefault(violation.name, violation)
        return Judged(memory_run, tuple(first.values()))

    def _not_healed(self, scenario: Scenario, memory_run: MemoryRun) -> Iterator[Violation]:
        """Find klines that opened well after the last fault and are not as they should be.

        Their values must be those of a run without faults, and their instants too: everything
        has drained and the clock is right again.
        """
        span = Span.of(self.trade_set)
        healed_ns = span.heal_ns + _reach_ns(scenario)
        over = any(isinstance(fault, ShutdownMidBurst) for fault in scenario.faults)
        if over or healed_ns >= span.until_ns:
            return
        baseline = self._without_faults(scenario)
        both = join_instruments([memory_run.klines, baseline.klines])
        ours, theirs = memory_run.klines.over(both), baseline.klines.over(both)
        rows = keyed(ours)
        for key, expected in keyed(theirs).items():
            if key[2] < healed_ns or not theirs.count[expected]:
                continue
            row = rows.get(key)
            wrong = row is None or any(
                getattr(ours, name)[row] != getattr(theirs, name)[expected]
                for name in ("at_ns", *FIELDS)
            )
            if wrong:
                kind = "missing" if row is None else "not_right_again"
                yield Violation("liveness", kind, _place(key))

    def _without_faults(self, scenario: Scenario) -> MemoryRun:
        key = (scenario.intervals, scenario.clock)
        if key not in self._baselines:
            baseline = Scenario(intervals=scenario.intervals, clock=scenario.clock)
            self._baselines[key] = run_in_memory(baseline, self.trade_set)
        return self._baselines[key]


def _unsafe(scenario: Scenario, memory_run: MemoryRun) -> Iterator[Violation]:
    for finding in memory_run.findings:
        crashed = finding.kind == "check_crashed"
        if crashed or (
            finding.severity is Severity.ERROR and not _excused(finding, scenario, memory_run)
        ):
            yield Violation(finding.check, finding.kind, dict(finding.to_dict()))


def _excused(finding: Finding, scenario: Scenario, memory_run: MemoryRun) -> bool:
    reason = EXCUSED.get((finding.check, finding.kind))
    faults = scenario.faults
    ahead = any(isinstance(f, ClockJump | ClockDrift | WrongTime) for f in faults)
    if reason == "late":
        account = memory_run.accounts.get(finding.symbol or "")
        return account is not None and any(series.late for series in account.series.values())
    if reason == "trades":
        return any(isinstance(fault, TradeFault) for fault in faults)
    if reason == "wrong_time":
        return any(isinstance(fault, WrongTime) for fault in faults)
    if reason == "ahead":
        return ahead
    return reason == "reported"


def _missed(trade_set: TradeSet, memory_run: MemoryRun) -> Iterator[Violation]:
    """Find faults that no finding names although the run without them differs."""
    scenario = memory_run.run.scenario
    grace_ns = scenario.clock.grace_for(trade_set.delay_ns)
    for place, (fault, record) in enumerate(zip(scenario.faults, memory_run.records, strict=True)):
        if not record.acted or named_by(fault, record, memory_run.findings, memory_run.accounts):
            continue
        control = control_run(scenario, place, trade_set.source(), memory_run.run.substitutions)
        effect = effect_of(memory_run.results, control, grace_ns)
        if effect.any:
            yield Violation("faults", "missed", {"fault": fault.KIND, **effect.to_dict()})


def _place(key: Key) -> dict[str, Any]:
    return {"symbol": key[0], "interval": INTERVALS[key[1]].text, "open_time_ns": key[2]}


def _reach_ns(scenario: Scenario) -> int:
    """Return how long after it strikes a fault of this scenario can still be felt."""
    reach_ns = 0
    for fault in scenario.faults:
        amounts = ("by_ns", "after_ns", "within_ns", "jitter_ns")
        own = sum(int(getattr(fault, name, 0)) for name in amounts)
        if isinstance(fault, ClockDrift):
            own = REACH_NS
        # Trades of several faults may strike one after the other.
        reach_ns += own if isinstance(fault, TradeFault) else max(0, own)
    return reach_ns
