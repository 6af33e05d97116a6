"""Everything that decides a run, beside its input files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from harness.aggregators.exact import ExactAggregator
from harness.consumers.parquet_writer import WriterOptions
from harness.errors import UsageError
from harness.interfaces import Aggregator
from harness.interval import CODE, DEFAULT_INTERVALS, Interval
from harness.simulation.clock import ClockOptions
from harness.simulation.listener import ListenerOptions
from harness.simulation.simulation import ChannelOptions, Fidelity


class Audit(Enum):
    """Who listens: writer, completeness auditor and lifecycle checker, or the writer alone."""

    FULL = "full"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Scenario:
    """The options of a run; with the same inputs and version it gives the same bytes."""

    intervals: tuple[Interval, ...] = DEFAULT_INTERVALS
    aggregator: str = "exact"
    symbol: str | None = None
    market: str | None = None
    seed: int = 0
    audit: Audit = Audit.FULL
    fidelity: Fidelity = Fidelity.BATCH
    clock: ClockOptions = field(default_factory=ClockOptions)
    channels: ChannelOptions = field(default_factory=ChannelOptions)
    writer: WriterOptions = field(default_factory=WriterOptions)
    listeners: dict[str, ListenerOptions] = field(default_factory=dict)

    def make_aggregator(self) -> Aggregator:
        """Build the aggregator that the scenario names.

        Raises UsageError for an unknown name.
        """
        if self.aggregator == "exact":
            return ExactAggregator(self.intervals)
        raise UsageError(f"unknown aggregator {self.aggregator!r}: expected exact")

    def with_intervals(self, intervals: Iterable[Interval]) -> Scenario:
        """Return the scenario with further intervals."""
        joined = sorted({*self.intervals, *intervals}, key=CODE.__getitem__)
        return replace(self, intervals=tuple(joined))

    def listener(self, consumer: str) -> ListenerOptions:
        """Return how a consumer behaves in time."""
        return self.listeners.get(consumer, ListenerOptions())

    def to_dict(self) -> dict[str, Any]:
        """Return every option as plain data for JSON."""
        return {
            "intervals": [interval.text for interval in self.intervals],
            "aggregator": self.aggregator,
            "symbol": self.symbol,
            "market": self.market,
            "seed": self.seed,
            "audit": self.audit.value,
            "fidelity": self.fidelity.value,
            "clock": asdict(self.clock),
            "channels": asdict(self.channels),
            "writer": asdict(self.writer),
            "listeners": {name: asdict(o) for name, o in sorted(self.listeners.items())},
        }
