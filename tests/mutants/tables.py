"""The tables of the documents: what every fault does and who tells, and who kills each mutant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kline_harness.checks.faults import FaultOutcome
from kline_harness.faults.catalogue import CATALOGUE
from kline_harness.faults.consumers import (
    CrashedConsumer,
    LateConsumer,
    SlowConsumer,
    StalledConsumer,
)
from kline_harness.faults.disk import STEPS, DiskFull, KillDuringWrite, WriteError
from kline_harness.faults.fault import Fault
from kline_harness.faults.presets import PRESETS
from kline_harness.faults.ticks import (
    ClockDrift,
    ClockJump,
    TicksCoalesced,
    TicksMissed,
    TicksRepeated,
)
from kline_harness.faults.trades import DelayTrades, ShutdownMidBurst, TradeFault, WrongTime
from kline_harness.interval import parse_intervals
from kline_harness.replay.control_runs import fault_effects, fault_outcomes
from kline_harness.replay.memory_run import MemoryRun, run_in_memory
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.simulation.channels import ChannelOptions
from kline_harness.simulation.clock import ClockOptions
from kline_harness.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND
from kline_harness.verdict import Severity

from tests.mutants.registry import MUTANTS
from tests.mutants.runs import killers
from tests.mutants.stage import days, minutes

CONSUMERS = ("writer", "completeness", "lifecycle")


@dataclass(frozen=True, slots=True)
class Case:
    """A fault as the table shows it."""

    text: str
    fault: Fault


def catalogue_cases(start_ns: int) -> Iterator[Case]:
    """Yield every fault of the catalogue, in each of its forms, on a day that starts so."""
    noon = start_ns + 12 * NS_PER_HOUR
    window: dict[str, Any] = {"from_ns": noon, "until_ns": noon + NS_PER_HOUR + 7 * NS_PER_SECOND}
    minute = NS_PER_MINUTE
    made: Any
    for kind, made in CATALOGUE.items():
        if issubclass(made, TradeFault) and made not in (DelayTrades, ShutdownMidBurst, WrongTime):
            rate = 1.0 if kind == "disconnect" else 0.02
            yield Case(kind, made(rate=rate, **window))
    yield Case("delay_trades, 70 s", DelayTrades(rate=0.02, by_ns=70 * NS_PER_SECOND, **window))
    yield Case("wrong_time, forwards", WrongTime(rate=0.02, by_ns=minute, **window))
    yield Case(
        "wrong_time, backwards", WrongTime(rate=0.02, by_ns=minute, backwards=True, **window)
    )
    yield Case("shutdown", ShutdownMidBurst(at_ns=window["until_ns"]))
    yield Case("ticks_missed", TicksMissed(**window))
    yield Case("ticks_repeated", TicksRepeated(**window))
    yield Case("clock_jump, ahead", ClockJump(by_ns=2 * minute, **window))
    yield Case("clock_jump, behind", ClockJump(by_ns=2 * minute, backwards=True, **window))
    yield Case("clock_drift", ClockDrift(ppm=20_000, **window))
    yield Case("ticks_coalesced", TicksCoalesced(**window))
    for name in CONSUMERS:
        yield Case(
            f"consumer_slow, {name}", SlowConsumer(consumer=name, service_ns=20 * NS_PER_SECOND)
        )
        yield Case(f"consumer_stalled, {name}", StalledConsumer(consumer=name, **window))
        yield Case(f"consumer_late, {name}", LateConsumer(consumer=name, at_ns=noon))
        crashed = CrashedConsumer(consumer=name, at_ns=noon, restart_ns=window["until_ns"])
        yield Case(f"consumer_crashed, {name}", crashed)
    for made in (DiskFull, WriteError, KillDuringWrite):
        for step in STEPS:
            fault = made(step=step, from_commit=1, until_commit=2)
            yield Case(f"{made.KIND}, {step}", fault)
    for step in STEPS:
        cut = KillDuringWrite(step=step, from_commit=1, until_commit=2, power_cut=True)
        yield Case(f"kill_during_write, {step}, power cut", cut)


def fault_table(scenario: Scenario, trade_set: TradeSet) -> tuple[str, int, int]:
    """Return the catalogue's table, how many faults had an effect, and how many were missed."""
    start_ns = int(trade_set.tape.arrival_ns[0]) // NS_PER_DAY * NS_PER_DAY
    tight = replace(
        scenario,
        channels=ChannelOptions(klines=64, life=64),
        writer=replace(scenario.writer, part_rows=500),
    )
    lines = [
        "| fault | trades | ticks | klines | late | stored | undelivered | named by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    outcomes = []
    for case in catalogue_cases(start_ns):
        (outcome,) = _outcomes(tight, trade_set, (case.fault,))
        outcomes.append(outcome)
        lines.append(_row(case.text, [outcome]))
    effective = sum(outcome.effect.any for outcome in outcomes)
    return "\n".join(lines) + "\n", effective, sum(outcome.missed for outcome in outcomes)


def preset_table(scenario: Scenario, trade_set: TradeSet) -> tuple[str, int, int]:
    """Return the table of the presets, how many faults had an effect, and how many were missed."""
    start_ns = int(trade_set.tape.arrival_ns[0]) // NS_PER_DAY * NS_PER_DAY
    tight = replace(scenario, channels=ChannelOptions(klines=64), writer=scenario.writer)
    tight = replace(tight, writer=replace(tight.writer, part_rows=500))
    lines = [
        "| preset | what | issue | trades | ticks | klines | late | stored | undelivered | told |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    effective = missed = 0
    for preset in PRESETS.values():
        outcomes = _outcomes(tight, trade_set, preset.make(start_ns))
        effective += sum(outcome.effect.any for outcome in outcomes)
        missed += sum(outcome.missed for outcome in outcomes)
        lines.append(_row(f"{preset.name} | {preset.what} | {preset.issue}", outcomes))
    return "\n".join(lines) + "\n", effective, missed


def outcomes_of(done: MemoryRun, trade_set: TradeSet) -> list[FaultOutcome]:
    """Say what each fault of a run in memory did."""
    effects = fault_effects(done.run, done.results, trade_set.source())
    return fault_outcomes(done.run, effects, done.findings, done.accounts)


def _outcomes(
    scenario: Scenario, trade_set: TradeSet, faults: tuple[Fault, ...]
) -> list[FaultOutcome]:
    struck = replace(scenario, faults=faults)
    return outcomes_of(run_in_memory(struck, trade_set), trade_set)


def _row(text: str, outcomes: Sequence[FaultOutcome]) -> str:
    def total(name: str) -> str:
        return str(sum(getattr(outcome.effect, name) for outcome in outcomes) or "")

    trades = sum(outcome.record.trade_count for outcome in outcomes) or ""
    ticks = sum(len(outcome.record.ticks_ns) for outcome in outcomes) or ""
    told = sorted({name for outcome in outcomes for name in outcome.detected_by})
    counts = [total(name) for name in ("klines", "late", "stored", "undelivered")]
    return "| " + " | ".join([text, str(trades), str(ticks), *counts, ", ".join(told)]) + " |"


def false_alarms(trade_sets: dict[str, TradeSet], scenario: Scenario) -> tuple[str, int]:
    """Return the table of errors and doubts over clean tapes, and how many there are."""
    stages = {
        "thirteen invented minutes": (scenario, TradeSet(minutes())),
        "seventy invented days": (
            replace(
                scenario,
                clock=ClockOptions(period_ns=NS_PER_DAY),
                intervals=parse_intervals("1d,1w,1M"),
            ),
            TradeSet(days()),
        ),
    }
    cases = {name: (scenario, trade_set) for name, trade_set in trade_sets.items()} | stages
    lines = ["| clean tape | trades | klines | errors and doubts |", "|---|---|---|---|"]
    alarms = 0
    for name, (options, trade_set) in cases.items():
        memory_run = run_in_memory(options, trade_set)
        wrong = [f for f in memory_run.findings if f.severity is not Severity.NOTICE]
        alarms += len(wrong)
        lines.append(
            f"| {name} | {len(trade_set.tape)} | {len(memory_run.klines)} | {len(wrong)} |"
        )
    return "\n".join(lines) + "\n", alarms


def mutant_table() -> tuple[str, int, int]:
    """Return the table of mutants, how many there are and how many were killed."""
    lines = ["| mutant | planted in | defect | expected | killed by |", "|---|---|---|---|---|"]
    killed = 0
    for mutant in MUTANTS.values():
        found = killers(mutant)
        killed += mutant.expected in found
        cells = (mutant.name, mutant.where, mutant.defect, mutant.expected, ", ".join(found))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n", len(MUTANTS), killed
