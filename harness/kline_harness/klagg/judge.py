"""What was pulled from klagg, and what became of it: gateway, snapshots, their check."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from operator import itemgetter
from typing import Any, TypeAlias

from kline_harness.checks.check_list import Question
from kline_harness.columns import Rows
from kline_harness.interfaces import Check, FeedSlice, Pull, RemoveSymbol, SubjectWatch
from kline_harness.klagg.aggregator import KlaggAggregator
from kline_harness.klagg.gateway import DeltaBatch, DeltaReader, Gateway, GatewayOptions
from kline_harness.klagg.pulls import PullChecker, batch_steps
from kline_harness.klagg.records import PullAnswer
from kline_harness.klagg.snapshot_writer import SnapshotOptions, SnapshotWriter
from kline_harness.kline import Emission, Trigger
from kline_harness.verdict import Verdict

# (instant, order within it, what to call, arguments)
Step: TypeAlias = tuple[int, int, Callable[..., None], tuple[Any, ...]]
_BEFORE_PULL, _PULL, _AFTER_PULL = 0, 1, 2

_NOT_OBSERVED = (
    "what a service does that this model of it does not: docs/defects.md says what is outside",
)


class KlaggWatch(SubjectWatch):
    """Keeps what was published and asked for, and judges the answers to the pulls by it."""

    def __init__(
        self,
        model: KlaggAggregator,
        gateway: GatewayOptions | None,
        snapshots: SnapshotOptions | None,
    ) -> None:
        self._model, self._gateway, self._snapshots = model, gateway, snapshots
        self._emissions: list[Emission] = []
        self._asked_ns: list[int] = []
        self._removed: list[RemoveSymbol] = []

    def on_slice(self, feed: FeedSlice) -> None:
        """Keep when deltas were asked for, and which symbols were removed when."""
        for signal in feed.signals:
            if isinstance(signal, Pull) and not signal.full:
                self._asked_ns.append(signal.at_ns if signal.asked_ns is None else signal.asked_ns)
            elif isinstance(signal, RemoveSymbol):
                self._removed.append(signal)

    def on_emission(self, emission: Emission) -> None:
        """Keep what was published, where pulls are held to it."""
        if self._gateway is not None or self._snapshots is not None:
            self._emissions.append(emission)

    def checks(self) -> Sequence[Check]:
        """Return the checks of the model: what it observed, and of everything that was pulled."""
        checks: list[Check] = [Question("klagg", "the model's own account", self._observed)]
        if self._gateway is not None or self._snapshots is not None:
            checks.append(Question("pulls", "what was pulled and published", self._pulls))
        if self._gateway is not None:
            both = cache(partial(self._delivered, self._gateway))
            needs = "the answers to its pulls"
            checks.append(Question("gateway", needs, lambda: both()[0]))
            checks.append(Question("gateway_reader", "the gateway's batches", lambda: both()[1]))
        if self._snapshots is not None:
            stored = partial(self._stored, self._snapshots)
            checks.append(Question("snapshot_writer", "snapshots and finals", stored))
        return checks

    def _observed(self) -> Verdict:
        observations = self._model.observations()
        counts = {"observations": len(observations)}
        counts["aborted"] = int(self._model.aborted is not None)
        return Verdict.of("klagg", counts, observations, _NOT_OBSERVED)

    def _pulls(self) -> Verdict:
        checker = PullChecker()
        steps: list[Step] = []
        for emission in self._emissions:
            for at_ns, trigger, call, arguments in batch_steps(
                checker, emission.klines, emission.events
            ):
                steps.append((at_ns, _order(trigger), call, arguments))
        for answer in self._model.pulls:
            steps.append((answer.at_ns, _PULL, checker.on_answer, (answer,)))
        for command in self._removed:
            steps.append((command.at_ns, _AFTER_PULL, checker.on_removed, (command.symbol,)))
        _take(steps)
        return checker.verdict()

    def _delivered(self, options: GatewayOptions) -> tuple[Verdict, Verdict]:
        """Hand the answers to the gateway, and the latest of its batches to the reader."""
        answers = [answer for answer in self._model.pulls if answer.kind == "deltas"]
        # Batches go through a watch channel: the latest is kept, until it was looked at.
        unseen: deque[DeltaBatch] = deque(maxlen=1)
        gateway, reader = Gateway(options, unseen.append), DeltaReader()
        looks = _looks(options, answers)
        look_ns = next(looks, None)
        for asked_ns, answer in zip(self._asked_ns, answers, strict=False):
            while look_ns is not None and look_ns < answer.at_ns:
                if unseen:
                    reader.on_batch(look_ns, unseen.popleft())
                look_ns = next(looks, None)
            gateway.on_answer(asked_ns, answer.at_ns, answer.records)
        if unseen:
            reader.on_batch(answers[-1].at_ns, unseen.popleft())
        return gateway.verdict(), reader.verdict()

    def _stored(self, options: SnapshotOptions) -> Verdict:
        """Store finals as they are published and snapshots when their delay is over."""
        writer = SnapshotWriter(options)
        steps: list[Step] = []
        for emission in self._emissions:
            klines = emission.klines
            for row, at_ns in enumerate(klines.at_ns.tolist()):
                rows = Rows(klines, row, row + 1)
                order = _order(int(klines.trigger[row]))
                steps.append((at_ns, order, writer.on_rows, (at_ns, rows)))
        for answer in self._model.pulls:
            if answer.kind == "snapshot":
                at_ns = answer.at_ns + options.store_delay_ns
                steps.append((at_ns, _PULL, writer.on_snapshot, (at_ns, answer.records)))
        _take(steps)
        return writer.verdict()


def _order(trigger: int) -> int:
    """Tell whether what is published comes before a pull at the same instant.

    What a command or the end of the feed publishes does not.
    """
    return _AFTER_PULL if trigger == Trigger.END else _BEFORE_PULL


def _take(steps: list[Step]) -> None:
    for _, _, call, arguments in sorted(steps, key=itemgetter(0, 1)):
        call(*arguments)


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
