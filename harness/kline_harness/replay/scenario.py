"""Everything that decides a run, beside its input files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any

from kline_harness.aggregators.loader import PROCESS, NamedFactory
from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.archives import ColumnMap
from kline_harness.errors import UsageError
from kline_harness.faults.fault import Fault
from kline_harness.interfaces import Aggregator
from kline_harness.interval import CODE, DEFAULT_INTERVALS, Interval
from kline_harness.klagg.gateway import GatewayOptions
from kline_harness.klagg.options import KlaggOptions
from kline_harness.klagg.snapshot_writer import SnapshotOptions
from kline_harness.replay.decode import encode
from kline_harness.simulation.clock import ClockOptions
from kline_harness.simulation.delivery import DeliveryOptions, Outage
from kline_harness.simulation.designs import ChannelOptions
from kline_harness.simulation.feed import SILENCE_MAX
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.simulation.signals import LoopOptions, ScriptedCommand, SignalOptions
from kline_harness.simulation.simulation import Fidelity
from kline_harness.storage.parquet_writer import WriterOptions

# Who can listen; `listeners` names them.
CONSUMERS = ("writer", "completeness", "lifecycle")


class Audit(Enum):
    """Who listens: writer, completeness auditor and lifecycle checker, or the writer alone."""

    FULL = "full"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Scenario:
    """The options of a run; with the same inputs and version it gives the same bytes.

    * `contract_size`: quantities are contracts worth so many USD each, settled in the base asset.
    * `columns` says what the columns of Parquet and Arrow files of trades mean.
    * `expectations`: with a full audit, what is stored is also held to the suite of expectations.
    * `until_ns`: the clock runs on to this instant after the last trade; by default as far as
      the files' names claim to cover.
    * `silence_max`: a silence of more ticks and klines of one symbol, all intervals together, is
      refused: it takes time and memory, and most often a trade's time is wrong.
    * `shutdown_ns`: the aggregator is shut down at this instant, what comes later is not seen.
    * `clock_offset_ns`: how far the clock of the recordings' receiver is ahead of the exchange's;
      by default the smallest arrival minus trade time.
    * `faults` are injected, drawn from the seed.
    * `process` is about an aggregator that is a program of its own.
    * `gateway` and `snapshots` pull deltas and full snapshots from the aggregator.
    """

    intervals: tuple[Interval, ...] = DEFAULT_INTERVALS
    aggregator: str = "exact"
    symbol: str | None = None
    market: str | None = None
    contract_size: Decimal | None = None
    columns: ColumnMap | None = None
    seed: int = 0
    audit: Audit = Audit.FULL
    expectations: bool = True
    fidelity: Fidelity = Fidelity.BATCH
    until_ns: int | None = None
    silence_max: int = field(default=SILENCE_MAX, metadata={"least": 1})
    shutdown_ns: int | None = None
    clock_offset_ns: int | None = field(default=None, metadata={"least": -(1 << 62)})
    clock: ClockOptions = field(default_factory=ClockOptions)
    loop: LoopOptions = field(default_factory=LoopOptions)
    outages: tuple[Outage, ...] = ()
    commands: tuple[ScriptedCommand, ...] = ()
    klagg: KlaggOptions = field(default_factory=KlaggOptions)
    process: ProcessOptions = field(default_factory=ProcessOptions)
    gateway: GatewayOptions | None = None
    snapshots: SnapshotOptions | None = None
    channels: ChannelOptions = field(default_factory=ChannelOptions)
    writer: WriterOptions = field(default_factory=WriterOptions)
    listeners: dict[str, ListenerOptions] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if not self.intervals:
            raise UsageError("intervals: expected at least one, found none")
        for name in (*self.listeners, self.channels.sole_consumer):
            if name not in CONSUMERS:
                raise UsageError(
                    f"unknown consumer {name!r}: expected one of {', '.join(CONSUMERS)}"
                )
        asked = {
            "commands": self.commands,
            "gateway": self.gateway,
            "snapshots": self.snapshots,
        }
        for name, given in asked.items():
            if given and self.aggregator == "exact":
                raise UsageError(f"{name}: the exact aggregator takes none, expected klagg")

    def make_aggregator(self, symbols: Sequence[str] = ()) -> Aggregator:
        """Build the aggregator that the scenario names; `symbols` are those of the trade files.

        Raises UsageError for an unknown name, and where it cannot be made.
        """
        if self.aggregator == "klagg":
            return self.klagg.make(self.intervals, symbols)
        named = NamedFactory.named(self.aggregator)
        if self.aggregator.startswith(PROCESS):
            own = {"market": self.market or "unknown", "options": self.process}
            named = NamedFactory(named.name, partial(named.factory, **own))
        return named.build(self.intervals, symbols)

    def check(self) -> None:
        """Refuse, before anything is read, an aggregator that does not exist.

        Raises UsageError.
        """
        NamedFactory.named(self.aggregator)

    def with_intervals(self, intervals: Iterable[Interval]) -> Scenario:
        """Return the scenario with further intervals."""
        # The order given is kept: klagg looks at its periods in that order.
        further = sorted({*intervals} - {*self.intervals}, key=CODE.__getitem__)
        return replace(self, intervals=(*self.intervals, *further))

    def listener(self, consumer: str) -> ListenerOptions:
        """Return how a consumer behaves in time."""
        return self.listeners.get(consumer, ListenerOptions())

    def signal_options(self) -> SignalOptions:
        """Return what reaches the aggregator beside trades."""
        pull_period_ns = None if self.gateway is None else self.gateway.pull_period_ns
        snapshots = self.snapshots is not None
        return SignalOptions(self.clock, self.loop, self.commands, pull_period_ns, snapshots)

    def delivery_options(self) -> DeliveryOptions:
        """Return which trades do not reach the aggregator."""
        return DeliveryOptions(self.outages, self.shutdown_ns)

    def to_dict(self) -> dict[str, Any]:
        """Return every option as plain data for JSON."""
        return {one.name: encode(getattr(self, one.name)) for one in fields(self)}

    def changed(self) -> dict[str, Any]:
        """Return the options that are not the defaults, as plain data for JSON."""
        return _changed(self.to_dict(), Scenario().to_dict())


def _changed(now: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in now.items():
        before = default.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := _changed(value, before):
                found[name] = inner
        elif value != before:
            found[name] = value
    return found
