"""What was pulled from an aggregator, and what became of it: gateway, snapshots, their check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from kline_harness.checks.check_list import Question
from kline_harness.columns import Rows
from kline_harness.interfaces import Check, RemoveSymbol
from kline_harness.klagg.aggregator import KlaggAggregator
from kline_harness.klagg.gateway import DeltaBatch, DeltaReader, Gateway, GatewayOptions
from kline_harness.klagg.pulls import PullChecker, tell_batch
from kline_harness.klagg.records import PullAnswer
from kline_harness.klagg.snapshot_writer import SnapshotOptions, SnapshotWriter
from kline_harness.kline import Emission, Trigger
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.wiring import Run
from kline_harness.simulation.watch import channel
from kline_harness.verdict import Verdict

# (instant, order within it, what to call, arguments)
Step: TypeAlias = tuple[int, int, Callable[..., None], tuple[Any, ...]]
_BEFORE_PULL, _PULL, _AFTER_PULL = 0, 1, 2


def klagg_checks(run: Run, emissions: Sequence[Emission]) -> list[Check]:
    """Return the checks of klagg's model: what it observed, and of everything that was pulled."""
    scenario, model, signals = run.scenario, run.subject, run.feed.signals
    if not isinstance(model, KlaggAggregator) or signals is None:
        return []
    answers = model.pulls
    checks: list[Check] = [Question("klagg", "the model's own account", lambda: _observed(model))]
    if scenario.gateway is not None or scenario.snapshots is not None:
        needs = "what was pulled and published"
        checks.append(Question("pulls", needs, lambda: _checked(scenario, answers, emissions)))
    if scenario.gateway is not None:
        deltas = [answer for answer in answers if answer.kind == "deltas"]
        gateway, reader = _gateway(scenario.gateway, signals.requested_ns, deltas)
        checks.append(Question(gateway.check, "the answers to its pulls", lambda: gateway))
        checks.append(Question(reader.check, "the gateway's batches", lambda: reader))
    if scenario.snapshots is not None:
        options = scenario.snapshots
        stored = _snapshots(options, answers, emissions)
        checks.append(Question(stored.check, "snapshots and finals", lambda: stored))
    return checks


def _observed(model: KlaggAggregator) -> Verdict:
    observations = model.observations()
    counts = {"observations": len(observations), "aborted": int(model.aborted is not None)}
    return Verdict.of("klagg", counts, observations)


def _checked(
    scenario: Scenario, answers: Sequence[PullAnswer], emissions: Sequence[Emission]
) -> Verdict:
    checker = PullChecker()
    steps: list[Step] = []
    for emission in emissions:
        told = tell_batch(checker, emission.klines, emission.events)
        for at_ns, trigger, call, arguments in told:
            steps.append((at_ns, _order(trigger), call, arguments))
    for answer in answers:
        steps.append((answer.at_ns, _PULL, checker.on_answer, (answer,)))
    for scripted in scenario.commands:
        command = scripted.command()
        if isinstance(command, RemoveSymbol):
            at_ns = scenario.loop.processed_ns(command.at_ns)
            steps.append((at_ns, _AFTER_PULL, checker.on_removed, (command.symbol,)))
    _take(steps)
    return checker.verdict()


def _order(trigger: int) -> int:
    """Tell whether what is published comes before a pull at the same instant.

    What a command or the end of the feed publishes does not.
    """
    return _AFTER_PULL if trigger == Trigger.END else _BEFORE_PULL


def _take(steps: list[Step]) -> None:
    for _, _, call, arguments in sorted(steps, key=itemgetter(0, 1)):
        call(*arguments)


def _gateway(
    options: GatewayOptions, requested_ns: Sequence[int], answers: Sequence[PullAnswer]
) -> tuple[Verdict, Verdict]:
    """Hand the answers to the gateway, and the latest of its batches to the reader."""
    sender, receiver = channel(DeltaBatch(0, -1, ()))
    gateway, reader = Gateway(options, sender.send), DeltaReader()
    looks = _looks(options, answers)
    look_ns = next(looks, None)
    for asked_ns, answer in zip(requested_ns, answers, strict=False):
        while look_ns is not None and look_ns < answer.at_ns:
            if receiver.changed:
                reader.on_batch(look_ns, receiver.borrow_and_update())
            look_ns = next(looks, None)
        gateway.on_answer(asked_ns, answer.at_ns, answer.records)
    if receiver.changed and answers:
        reader.on_batch(answers[-1].at_ns, receiver.borrow_and_update())
    return gateway.verdict(), reader.verdict()


def _looks(options: GatewayOptions, answers: Sequence[PullAnswer]) -> Iterator[int]:
    """Yield the instants at which the reader looks for a new batch."""
    if not answers:
        return
    if options.read_period_ns is None:
        instants: Iterator[int] = (answer.at_ns for answer in answers)
    else:
        first_ns, last_ns = answers[0].at_ns, answers[-1].at_ns
        instants = iter(range(first_ns, last_ns + 1, options.read_period_ns))
    for at_ns in instants:
        if not any(at_ns in window for window in options.reader_stalls):
            yield at_ns


def _snapshots(
    options: SnapshotOptions, answers: Sequence[PullAnswer], emissions: Sequence[Emission]
) -> Verdict:
    """Store finals as they are published and snapshots when their delay is over."""
    writer = SnapshotWriter(options)
    steps: list[Step] = []
    for emission in emissions:
        klines = emission.klines
        for row, at_ns in enumerate(klines.at_ns.tolist()):
            rows = Rows(klines, row, row + 1)
            order = _order(int(klines.trigger[row]))
            steps.append((at_ns, order, writer.on_rows, (at_ns, rows)))
    for answer in answers:
        if answer.kind == "snapshot":
            at_ns = answer.at_ns + options.store_delay_ns
            steps.append((at_ns, _PULL, writer.on_snapshot, (at_ns, answer.records)))
    _take(steps)
    return writer.verdict()
