"""The aggregator's clock: when it ticks and what time it tells."""

from __future__ import annotations

from dataclasses import dataclass

from kline_harness.interfaces import Tick
from kline_harness.units import NS_PER_MILLISECOND, NS_PER_MINUTE, Window

_GRACE_FLOOR_NS = 100 * NS_PER_MILLISECOND


@dataclass(frozen=True, slots=True)
class ClockOptions:
    """How the clock ticks.

    A tick comes `grace_ns` after each multiple of `period_ns` and tells the instant at which it
    comes. Without a grace of its own it is the larger of 100 ms and
    twice the average one-way delay (`delay_ns`, else that of the recordings) plus 100 ms.

    With a `sync_delay_ns` the synchronised time runs late by that much: the tick comes later and
    still tells the same time. A tick that would come in one of the windows `missed` never does.
    """

    period_ns: int = NS_PER_MINUTE
    grace_ns: int | None = None
    delay_ns: int | None = None
    sync_delay_ns: int = 0
    missed: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        if self.period_ns < NS_PER_MILLISECOND:
            raise ValueError(f"expected a period of at least 1ms, found {self.period_ns}ns")

    def grace_for(self, delay_ns: int) -> int:
        """Return the grace for an average one-way delay as measured."""
        if self.grace_ns is not None:
            return self.grace_ns
        assumed_ns = delay_ns if self.delay_ns is None else self.delay_ns
        return max(_GRACE_FLOOR_NS, 2 * assumed_ns + _GRACE_FLOOR_NS)


class Clock:
    """Hands out ticks in order of time."""

    def __init__(self, options: ClockOptions, start_ns: int, delay_ns: int) -> None:
        self.grace_ns = options.grace_for(delay_ns)
        self.missed = 0
        self._options = options
        self._late_ns = self.grace_ns + options.sync_delay_ns
        # The first boundary strictly after the start.
        self._boundary_ns = start_ns - start_ns % options.period_ns + options.period_ns

    @property
    def next_ns(self) -> int:
        """Return the instant at which the next tick comes."""
        return self._boundary_ns + self._late_ns

    def before(self, instant_ns: int) -> list[Tick]:
        """Return the ticks that come strictly before an instant and were not handed out yet."""
        return self._until(instant_ns - self._late_ns - 1)

    def through(self, boundary_ns: int) -> list[Tick]:
        """Return the remaining ticks up to and with the one that belongs to a boundary."""
        return self._until(boundary_ns)

    def _until(self, boundary_ns: int) -> list[Tick]:
        ticks = []
        while self._boundary_ns <= boundary_ns:
            at_ns = self._boundary_ns + self._late_ns
            if any(at_ns in window for window in self._options.missed):
                self.missed += 1
            else:
                ticks.append(Tick(at_ns, self._boundary_ns + self.grace_ns))
            self._boundary_ns += self._options.period_ns
        return ticks
