"""Control runs: the same scenario without one of its faults, and what that fault did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kline_harness.checks.faults import Effect, FaultOutcome, Results, effect_of, named_by
from kline_harness.comparison.stored import Stored
from kline_harness.faults.fault import Fault
from kline_harness.faults.ticks import TickFault
from kline_harness.faults.trades import TradeFault
from kline_harness.ledger import TradeAccount
from kline_harness.replay.assembly import NONE, Run, Storage, Substitutions, TradeSource
from kline_harness.replay.emission_log import EmissionLog
from kline_harness.replay.scenario import Scenario
from kline_harness.verdict import Finding


def without_fault(scenario: Scenario, place: int) -> Scenario:
    """Return the same scenario without one of its faults, and nothing else changed.

    Every other fault keeps its number, so that it strikes what it struck.
    """
    faults = numbered(scenario.faults)
    return replace(scenario, faults=faults[:place] + faults[place + 1 :])


def control_run(
    scenario: Scenario, place: int, source: TradeSource, substitutions: Substitutions = NONE
) -> Results:
    """Run a scenario without one of its faults; what is stored is compressed, in memory."""
    log, storage = EmissionLog(), Storage.in_memory()
    run = Run(without_fault(scenario, place), source, storage, [log], substitutions)
    run.simulate()
    return Results.of(log.finals, Stored(run.writer.dataset.readers()), run.channels)


def fault_effects(run: Run, results: Results, source: TradeSource) -> list[Effect]:
    """Return what each fault of a run changed, by a control run without it over the same trades.

    A fault that another one hides has no effect: without it nothing would be different.
    """
    effects, scenario = [], run.scenario
    grace_ns = scenario.clock.grace_for(source.delay_ns())
    for place, record in enumerate(run.injection.records):
        effect = Effect()
        if record.acted:
            control = control_run(scenario, place, source, run.substitutions)
            effect = effect_of(results, control, grace_ns)
        effects.append(effect)
    return effects


def fault_outcomes(
    run: Run,
    effects: Sequence[Effect],
    findings: Sequence[Finding],
    accounts: Mapping[str, TradeAccount],
) -> list[FaultOutcome]:
    """Say what each fault of a run did, given its effect, and which findings name it."""
    told = zip(run.scenario.faults, run.injection.records, effects, strict=True)
    return [
        FaultOutcome(fault, record, effect, named_by(fault, record, findings, accounts))
        for fault, record, effect in told
    ]


def numbered(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return faults whose draws do not depend on their place in the list."""
    out: list[Any] = []
    for place, fault in enumerate(faults):
        if isinstance(fault, TradeFault | TickFault) and fault.number is None:
            out.append(replace(fault, number=place))
        else:
            out.append(fault)
    return tuple(out)
