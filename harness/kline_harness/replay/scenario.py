"""The options of a run: with the input files they decide it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any

from kline_harness.aggregators.loader import PROCESS, NamedFactory
from kline_harness.aggregators.names import EXACT
from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.archives import ColumnMap
from kline_harness.errors import UsageError
from kline_harness.faults.fault import Fault
from kline_harness.faults.wire import WireFault
from kline_harness.interfaces import Aggregator, Command, Subject
from kline_harness.interval import CODE, DEFAULT_INTERVALS, Interval
from kline_harness.replay.decode import decode, encode
from kline_harness.simulation.channels import BROADCAST, ChannelOptions
from kline_harness.simulation.clock import ClockOptions
from kline_harness.simulation.feed import SILENCE_MAX
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.simulation.signals import LoopOptions, ScriptedCommand, SignalOptions
from kline_harness.simulation.simulation import Fidelity
from kline_harness.simulation.trade_filter import FilterOptions, Outage
from kline_harness.storage.parquet_writer import WriterOptions

# The harness's own listeners.
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
    * `listeners` are by name of the consumer: the harness's, the subject's or the caller's.
    * `subject` has the keys and tables that are the aggregator's own; None: their defaults.
    """

    intervals: tuple[Interval, ...] = DEFAULT_INTERVALS
    aggregator: str = EXACT
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
    process: ProcessOptions = field(default_factory=ProcessOptions)
    channels: ChannelOptions = field(default_factory=ChannelOptions)
    writer: WriterOptions = field(default_factory=WriterOptions)
    listeners: dict[str, ListenerOptions] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    subject: Subject | None = field(default=None, metadata={"in_file": False})

    def __post_init__(self) -> None:
        if not self.intervals:
            raise UsageError("intervals: expected at least one, found none")
        if self.commands and self.subject is None and self.aggregator == EXACT:
            raise UsageError("commands: the exact aggregator takes none, expected another one")

    def own(self) -> Subject:
        """Return what belongs to the aggregator beside itself: nothing where it declares nothing.

        Raises UsageError for an unknown name, and for a subject that needs more of the scenario.
        """
        if self.subject is not None:
            return self.subject
        kind = None if self.aggregator == EXACT else NamedFactory.named(self.aggregator).subject
        if kind is None:
            return Subject()
        made = decode(kind, {}, f"aggregator {self.aggregator}")
        assert isinstance(made, Subject)
        return made

    def design(self) -> Callable[..., Any] | None:
        """Return what makes the channel of finals, None where it is a broadcast.

        Raises UsageError for a design that neither the harness nor the subject has.
        """
        name = self.channels.design
        if name == BROADCAST:
            return None
        designs = self.own().channel_designs()
        if name not in designs:
            known = ", ".join((BROADCAST, *designs))
            raise UsageError(
                f"channels.design: expected one of {known} beside the aggregator "
                f"{self.aggregator}, found {name!r}"
            )
        return designs[name]

    def make_aggregator(self, symbols: Sequence[str] = ()) -> Aggregator:
        """Build the aggregator that the scenario names; `symbols` are those of the trade files.

        Raises UsageError for an unknown name, and where it cannot be made.
        """
        if self.subject is not None:
            return NamedFactory.given(self.subject).build(self.intervals, symbols)
        named = NamedFactory.named(self.aggregator)
        if self.aggregator.startswith(PROCESS):
            own = {"market": self.market or "unknown", "options": self.process}
            named = NamedFactory(named.name, partial(named.factory, **own))
        return named.build(self.intervals, symbols)

    def check(self) -> None:
        """Refuse, before anything is read, what cannot be run.

        That is an aggregator or a channel that does not exist, and faults of a wire, which a
        replay has not.

        Raises UsageError.
        """
        for fault in self.faults:
            if isinstance(fault, WireFault):
                raise UsageError(f"{fault.KIND} is a fault of the wire: expected the verb serve")
        if self.subject is None:
            NamedFactory.named(self.aggregator)
        self.design()

    def with_intervals(self, intervals: Iterable[Interval]) -> Scenario:
        """Return the scenario with further intervals."""
        # The order given is kept: an aggregator may look at its intervals in that order.
        further = sorted({*intervals} - {*self.intervals}, key=CODE.__getitem__)
        return replace(self, intervals=(*self.intervals, *further))

    def listener(self, consumer: str) -> ListenerOptions:
        """Return how a consumer behaves in time."""
        return self.listeners.get(consumer, ListenerOptions())

    def signal_options(self) -> SignalOptions:
        """Return what reaches the aggregator beside trades."""
        return SignalOptions(self.clock, self.loop, self.commands, self.own().pulls())

    def given_commands(self) -> list[Command]:
        """Return the commands, each at the instant at which it was given."""
        return [scripted.command() for scripted in self.commands]

    def filter_options(self) -> FilterOptions:
        """Return which trades do not reach the aggregator."""
        return FilterOptions(self.outages, self.shutdown_ns)

    def to_dict(self) -> dict[str, Any]:
        """Return every option as plain data for JSON."""
        names = [one.name for one in fields(self) if one.name != "subject"]
        plain = {name: encode(getattr(self, name)) for name in names}
        # What a command states stands beside its own keys, as in a file.
        plain["commands"] = [
            {**own, **(stated or {})} for own, stated in map(_parted, plain["commands"])
        ]
        own: dict[str, Any] = encode(self.own())
        return plain | own

    def changed(self) -> dict[str, Any]:
        """Return the options that are not the defaults, as plain data for JSON.

        The fidelity changes nothing of a result, and is left out.
        """
        found = _changed(self.to_dict(), Scenario().to_dict() | _defaults(type(self.own())))
        return {name: value for name, value in found.items() if name != "fidelity"}


def _parted(command: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    return {name: one for name, one in command.items() if name != "stated"}, command["stated"]


def _defaults(kind: type[Subject]) -> dict[str, Any]:
    """Return what a scenario holds of a subject when its file says nothing."""
    plain = {}
    for one in fields(kind):
        if one.default_factory is not MISSING:
            plain[one.name] = encode(one.default_factory())
        elif one.default is not MISSING:
            plain[one.name] = encode(one.default)
    return plain


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
