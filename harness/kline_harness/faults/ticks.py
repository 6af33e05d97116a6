"""Faults of the clock: ticks that are missing, repeated, held up, or tell another time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from kline_harness.faults.draw import Draw
from kline_harness.faults.fault import Fault
from kline_harness.faults.record import FaultRecord
from kline_harness.interfaces import FeedSlice, Signal, Tick
from kline_harness.simulation.feed import with_signals
from kline_harness.simulation.signals import processing_order
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_DAY, NS_PER_SECOND

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TickFault(Fault):
    """A fault of the clock in [from_ns, until_ns), by the instants at which ticks come.

    Where a `rate` is below 1, each tick is struck with that probability; `number` as in
    `TradeFault`.
    """

    from_ns: int | None = None
    until_ns: int | None = None
    rate: float = field(default=1.0, metadata={"most": 1})
    number: int | None = None

    def strikes(self, tick: Tick, draw: Draw) -> bool:
        """Tell whether a tick lies in the window and is drawn."""
        if self.from_ns is not None and tick.at_ns < self.from_ns:
            return False
        if self.until_ns is not None and tick.at_ns >= self.until_ns:
            return False
        at_ns = np.array([tick.at_ns], dtype=np.int64)
        return self.rate >= 1 or bool(draw.chosen("", at_ns, self.rate)[0])

    def strike(self, tick: Tick) -> list[Tick]:
        """Return what comes in a struck tick's place."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class TicksMissed(TickFault):
    """Ticks that never come."""

    KIND: ClassVar[str] = "ticks_missed"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("clock.tick_missing",)

    def strike(self, tick: Tick) -> list[Tick]:
        """Return nothing."""
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class TicksRepeated(TickFault):
    """Ticks that come twice."""

    KIND: ClassVar[str] = "ticks_repeated"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("clock.tick_repeated",)

    def strike(self, tick: Tick) -> list[Tick]:
        """Return the tick twice."""
        return [tick, tick]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJump(TickFault):
    """A clock that is `by_ns` ahead, or behind with `backwards`, for a time."""

    KIND: ClassVar[str] = "clock_jump"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("clock.tick_tells_other_time",)

    by_ns: int = field(default=NS_PER_SECOND, metadata={"most": 31 * NS_PER_DAY})
    backwards: bool = False

    def strike(self, tick: Tick) -> list[Tick]:
        """Shift the time that is told."""
        return [Tick(tick.at_ns, tick.time_ns + (-self.by_ns if self.backwards else self.by_ns))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDrift(TickFault):
    """A clock that gains `ppm` microseconds a second from `from_ns` on, or loses them."""

    KIND: ClassVar[str] = "clock_drift"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("clock.tick_tells_other_time",)

    ppm: int = field(default=1_000, metadata={"most": _MILLION})
    backwards: bool = False

    def __post_init__(self) -> None:
        if self.from_ns is None:
            raise ValueError("expected the instant 'from' at which the drift begins")

    def strike(self, tick: Tick) -> list[Tick]:
        """Shift the time that is told by what has been gained so far."""
        assert self.from_ns is not None
        gained = (tick.at_ns - self.from_ns) * self.ppm // _MILLION
        return [Tick(tick.at_ns, tick.time_ns + (-gained if self.backwards else gained))]


@dataclass(frozen=True, slots=True, kw_only=True)
class TicksCoalesced(TickFault):
    """A loop that does not look at its clock in a window: it gets the latest tick at its end."""

    KIND: ClassVar[str] = "ticks_coalesced"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("clock.tick_missing", "clock.tick_late")

    def __post_init__(self) -> None:
        if self.until_ns is None:
            raise ValueError("expected the instant 'until' at which the window ends")

    def strike(self, tick: Tick) -> list[Tick]:
        """Hold the tick up until the end of the window."""
        assert self.until_ns is not None
        return [Tick(self.until_ns, tick.time_ns)]


@dataclass(slots=True)
class FaultyTicks:
    """A feed whose ticks have been struck; how the feed is sliced changes nothing.

    From `down_ns` on the loop is shut down, and no tick comes. `end_ns` is the instant of the last
    tick that came, known after the last slice.
    """

    feed: Iterable[FeedSlice]
    faults: list[tuple[TickFault, Draw, FaultRecord]]
    down_ns: int | None = None
    end_ns: int = 0
    _held: list[Tick] = field(default_factory=list)

    def __iter__(self) -> Iterator[FeedSlice]:
        for piece in self.feed:
            others: list[Signal] = [s for s in piece.signals if not isinstance(s, Tick)]
            ticks = [s for s in piece.signals if isinstance(s, Tick)]
            if len(piece.trades):
                limit_ns = int(piece.trades.arrival_ns[-1])
            else:
                limit_ns = max((s.at_ns for s in piece.signals), default=0) + 1
            came = self._released(ticks, limit_ns)
            yield with_signals(piece.trades, sorted([*others, *came], key=processing_order))
        if self._held:
            rest = sorted(self._released([], None), key=processing_order)
            yield with_signals(Tape.empty(), rest)

    def _released(self, ticks: list[Tick], limit_ns: int | None) -> list[Tick]:
        """Strike ticks and return those, with the ones held before, that come before a limit."""
        coming = self._held + [struck for tick in ticks for struck in self._struck(tick)]
        latest: dict[int, Tick] = {}
        came: list[Tick] = []
        self._held = []
        for tick in sorted(coming, key=lambda tick: tick.at_ns):
            if self.down_ns is not None and tick.at_ns >= self.down_ns:
                continue
            if limit_ns is not None and tick.at_ns >= limit_ns:
                self._held.append(tick)
            elif tick.at_ns in self._ends() and tick.at_ns in latest:
                came[came.index(latest[tick.at_ns])] = latest[tick.at_ns] = tick
            else:
                latest[tick.at_ns] = tick
                came.append(tick)
        self.end_ns = max([self.end_ns, *(tick.at_ns for tick in came)])
        return came

    def _ends(self) -> set[int]:
        """Return the instants at which only the latest of several ticks is left."""
        return {
            fault.until_ns
            for fault, _, _ in self.faults
            if isinstance(fault, TicksCoalesced) and fault.until_ns is not None
        }

    def _struck(self, tick: Tick) -> list[Tick]:
        ticks = [tick]
        for fault, draw, record in self.faults:
            if fault.strikes(tick, draw):
                record.add_tick(tick.at_ns)
                ticks = [struck for one in ticks for struck in fault.strike(one)]
        return ticks
