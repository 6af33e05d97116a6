"""Every fault there is, and how a list of them is put to work in a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from kline_harness.faults.consumers import (
    ConsumerFault,
    CrashedConsumer,
    LateConsumer,
    SlowConsumer,
    StalledConsumer,
)
from kline_harness.faults.disk import DiskFault, DiskFull, KillDuringWrite, WriteError
from kline_harness.faults.draw import Draw
from kline_harness.faults.fault import Fault
from kline_harness.faults.record import FaultRecord
from kline_harness.faults.stream import faulty
from kline_harness.faults.ticks import (
    ClockDrift,
    ClockJump,
    FaultyTicks,
    TickFault,
    TicksCoalesced,
    TicksMissed,
    TicksRepeated,
)
from kline_harness.faults.trades import (
    DelayTrades,
    Disconnect,
    DropTrades,
    DuplicateTrades,
    ReorderTrades,
    SentinelRows,
    ShutdownMidBurst,
    TradeFault,
    WrongTime,
    ZeroQuantity,
)
from kline_harness.faults.wire import WIRE_KINDS
from kline_harness.interfaces import FeedSlice
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.tape import Tape
from kline_harness.units import Window

KINDS: tuple[type[Fault], ...] = (
    DropTrades,
    DuplicateTrades,
    ReorderTrades,
    DelayTrades,
    WrongTime,
    SentinelRows,
    ZeroQuantity,
    Disconnect,
    ShutdownMidBurst,
    TicksMissed,
    TicksRepeated,
    ClockJump,
    ClockDrift,
    TicksCoalesced,
    SlowConsumer,
    StalledConsumer,
    LateConsumer,
    CrashedConsumer,
    DiskFull,
    WriteError,
    KillDuringWrite,
    *WIRE_KINDS,
)
CATALOGUE: dict[str, type[Fault]] = {kind.KIND: kind for kind in KINDS}


@dataclass(slots=True)
class Injection:
    """The faults of one run at work: each with its draws and its record."""

    faults: Sequence[Fault]
    seed: int = 0
    records: list[FaultRecord] = field(default_factory=list)
    _ticks: FaultyTicks | None = None

    def __post_init__(self) -> None:
        self.records = [FaultRecord(fault.KIND) for fault in self.faults]

    def trades(self, tapes: Iterable[Tape]) -> Iterator[Tape]:
        """Put the faults of trades into a stream of tapes."""
        # A shutdown comes last: what others hold up arrives after it, and so never does.
        faults = sorted(
            self._drawn(TradeFault), key=lambda drawn: isinstance(drawn[0], ShutdownMidBurst)
        )
        return faulty(tapes, faults) if faults else iter(tapes)

    def ticks(self, feed: Iterable[FeedSlice]) -> Iterable[FeedSlice]:
        """Put the faults of the clock into a feed."""
        faults = self._drawn(TickFault)
        down_ns = self._shutdown_ns()
        if not faults and down_ns is None:
            return feed
        self._ticks = FaultyTicks(feed, faults, down_ns)
        return self._ticks

    def end_ns(self, end_ns: int) -> int:
        """Return when the feed ends, with ticks that were held up."""
        held_up_ns = end_ns if self._ticks is None else max(end_ns, self._ticks.end_ns)
        down_ns = self._shutdown_ns()
        return held_up_ns if down_ns is None else min(held_up_ns, down_ns)

    def listener(self, consumer: str, options: ListenerOptions) -> ListenerOptions:
        """Return how a consumer behaves with the faults that strike it."""
        for fault, record in zip(self.faults, self.records, strict=True):
            if isinstance(fault, ConsumerFault) and fault.consumer == consumer:
                options = fault.options(options)
                record.steps = [f"{consumer}: {fault.KIND}"]
                record.from_ns, record.to_ns = fault.window()
        return options

    def down(self, consumer: str) -> Window | None:
        """Return when a consumer is down after a crash."""
        for fault in self.faults:
            if isinstance(fault, CrashedConsumer) and fault.consumer == consumer:
                return Window(fault.at_ns, fault.restart_ns)
        return None

    def disk(self) -> list[tuple[DiskFault, FaultRecord]]:
        """Return the faults of the disk."""
        pairs = zip(self.faults, self.records, strict=True)
        return [(fault, record) for fault, record in pairs if isinstance(fault, DiskFault)]

    def _shutdown_ns(self) -> int | None:
        instants = [fault.at_ns for fault in self.faults if isinstance(fault, ShutdownMidBurst)]
        return min(instants, default=None)

    def _drawn(self, kind: type[Any]) -> list[tuple[Any, Draw, FaultRecord]]:
        found = []
        for place, (fault, record) in enumerate(zip(self.faults, self.records, strict=True)):
            if isinstance(fault, kind):
                number = place if fault.number is None else fault.number
                found.append((fault, Draw(self.seed, number), record))
        return found


def to_table(fault: Fault) -> dict[str, Any]:
    """Return a fault as a table of a scenario file: its kind, and what is not the default."""
    given = asdict(fault)
    plain = {
        one.name: given[one.name]
        for one in fields(fault)
        if given[one.name] != one.default and given[one.name] is not None
    }
    return {"kind": fault.KIND} | {
        name.removesuffix("_ns"): list(value) if isinstance(value, tuple) else value
        for name, value in plain.items()
    }
