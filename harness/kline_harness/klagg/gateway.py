"""The consumer of deltas: pulled on a period, handed on as batches of which a reader sees the last.

Source of the rules: docs/klagg.md, "The gateway".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kline_harness.units import NS_PER_MILLISECOND, Window
from kline_harness.verdict import Finding, Verdict

NOT_CHECKED = ("what the reader does with a batch",)


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """How deltas are pulled and read.

    An answer that takes longer than `pull_timeout_ns` is lost: the aggregator has forgotten the
    changes by then. The reader looks every `read_period_ns` (None: after every batch) except
    during its stalls, and sees only the latest batch.
    """

    pull_period_ns: int = 500 * NS_PER_MILLISECOND
    pull_timeout_ns: int = 200 * NS_PER_MILLISECOND
    read_period_ns: int | None = None
    reader_stalls: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        if self.pull_period_ns < NS_PER_MILLISECOND:
            raise ValueError(
                f"expected a pull_period of at least 1ms, found {self.pull_period_ns}ns"
            )
        if not 0 < self.pull_timeout_ns < self.pull_period_ns:
            raise ValueError("expected a pull_timeout above zero and below pull_period")
        if self.read_period_ns is not None and self.read_period_ns <= 0:
            raise ValueError("expected a read_period above zero")


@dataclass(frozen=True, slots=True)
class DeltaBatch:
    """A non-empty answer as it is handed on; `batch_id` counts from 0 without a gap."""

    at_ns: int
    batch_id: int
    records: Sequence[Any]


@dataclass(slots=True)
class Gateway:
    """Turns answers into batches, and counts what was lost on the way."""

    options: GatewayOptions
    publish: Callable[[DeltaBatch], None]
    name: str = "gateway"
    answers: int = 0
    batches: int = 0
    empty: int = 0
    timeouts: int = 0
    records_lost: int = 0
    _findings: list[Finding] = field(default_factory=list)

    def on_answer(self, requested_ns: int, at_ns: int, records: Sequence[Any]) -> None:
        """Take the answer to a pull; it is lost when the pull has timed out."""
        self.answers += 1
        if at_ns - requested_ns > self.options.pull_timeout_ns:
            self.timeouts += 1
            self.records_lost += len(records)
            if records:
                evidence = {"records": len(records), "requested_at_ns": requested_ns}
                finding = Finding(self.name, "deltas_lost", at_ns=at_ns, evidence=evidence)
                self._findings.append(finding)
            return
        if not records:
            self.empty += 1
            return
        batch = DeltaBatch(at_ns, self.batches, records)
        self.batches += 1
        self.publish(batch)

    def verdict(self) -> Verdict:
        """Return what of the aggregator's changes never became a batch."""
        names = ("answers", "batches", "empty", "timeouts", "records_lost")
        counts = {name: getattr(self, name) for name in names}
        return Verdict.of(self.name, counts, self._findings, NOT_CHECKED)


@dataclass(slots=True)
class DeltaReader:
    """Reads batches and notices, by their ids, those it never saw."""

    name: str = "gateway_reader"
    seen: int = 0
    missed: int = 0
    _next_id: int = 0
    _findings: list[Finding] = field(default_factory=list)

    def on_batch(self, now_ns: int, batch: DeltaBatch) -> None:
        """Read the latest batch."""
        missed = batch.batch_id - self._next_id
        if missed:
            self.missed += missed
            evidence = {"missed": missed, "first_batch_id": self._next_id}
            self._findings.append(
                Finding(self.name, "batches_missed", at_ns=now_ns, evidence=evidence)
            )
        self.seen += 1
        self._next_id = batch.batch_id + 1

    def verdict(self) -> Verdict:
        """Return which batches were overwritten before they were read."""
        counts = {"seen": self.seen, "missed": self.missed}
        return Verdict.of(self.name, counts, self._findings, ("what is in a batch",))
