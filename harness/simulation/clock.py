"""The aggregator's clock: when it ticks and what time it tells."""

from __future__ import annotations

from dataclasses import dataclass

from harness.interfaces import Tick
from harness.units import NS_PER_MILLISECOND, NS_PER_MINUTE

_GRACE_FLOOR_NS = 100 * NS_PER_MILLISECOND


@dataclass(frozen=True, slots=True)
class ClockOptions:
    """How the clock ticks.

    A tick comes `grace_ns` after each multiple of `period_ns` and tells the instant at which it
    comes. Without a grace of its own the clock uses production's rule: the larger of 100 ms and
    twice the average one-way delay plus 100 ms.
    """

    period_ns: int = NS_PER_MINUTE
    grace_ns: int | None = None

    def grace_for(self, delay_ns: int) -> int:
        """Return the grace for an average one-way delay."""
        if self.grace_ns is not None:
            return self.grace_ns
        return max(_GRACE_FLOOR_NS, 2 * delay_ns + _GRACE_FLOOR_NS)


class Clock:
    """Hands out ticks in order of time."""

    def __init__(self, options: ClockOptions, start_ns: int, delay_ns: int) -> None:
        self.grace_ns = options.grace_for(delay_ns)
        self._period_ns = options.period_ns
        # The first boundary strictly after the start, as production waits for the next minute.
        self._boundary_ns = start_ns - start_ns % options.period_ns + options.period_ns

    def before(self, instant_ns: int) -> list[Tick]:
        """Return the ticks that come strictly before an instant and were not handed out yet."""
        return self._until(instant_ns - self.grace_ns - 1)

    def through(self, boundary_ns: int) -> list[Tick]:
        """Return the remaining ticks up to and with the one that belongs to a boundary."""
        return self._until(boundary_ns)

    def _until(self, boundary_ns: int) -> list[Tick]:
        ticks = []
        while self._boundary_ns <= boundary_ns:
            at_ns = self._boundary_ns + self.grace_ns
            ticks.append(Tick(at_ns, at_ns))
            self._boundary_ns += self._period_ns
        return ticks
