"""What consumers, ledger and lifecycle were at earlier times of a run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from kline_harness.units import NS_PER_MINUTE

# As many as the strip of virtual time has bins, and twice that before every second one goes.
_FEWEST = 240


class Moments:
    """States of a run by virtual time; however long it lasts, no more than 480 are kept."""

    def __init__(self) -> None:
        self._apart_ns = NS_PER_MINUTE
        self._times: list[int] = []
        self._states: list[Any] = []

    def spread(self, span_ns: int) -> None:
        """Let states stand so far apart that a run of this length, ns, keeps about 240."""
        self._apart_ns = max(NS_PER_MINUTE, span_ns // _FEWEST)

    def keep(self, now_ns: int, state: Callable[[], Any]) -> None:
        """Keep the state at `now_ns`, unless the last one that was kept is too near."""
        if self._times and now_ns - self._times[-1] < self._apart_ns:
            return
        self._times.append(now_ns)
        self._states.append(state())
        if len(self._times) > 2 * _FEWEST:
            del self._times[1::2], self._states[1::2]
            self._apart_ns *= 2

    def at(self, at_ns: int) -> tuple[int, Any] | None:
        """Return the last state at or before a time, else the first one, after when it was."""
        place = max(0, bisect_right(self._times, at_ns) - 1)
        return (self._times[place], self._states[place]) if self._times else None
