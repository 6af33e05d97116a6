"""Events that must be answered by a later event of their series, and ticks that answer all."""

from __future__ import annotations

import numpy as np

from kline_harness.checks.life_events import Events, Ticks
from kline_harness.checks.series import NONE
from kline_harness.units import BoolArray, Int64Array


class NextInSeries:
    """Finds, for some events, the next event of their series that answers it."""

    def __init__(self) -> None:
        self._waiting = Events.empty()

    def add(self, events: Events, asking: BoolArray, wanted: BoolArray) -> tuple[Events, Events]:
        """Take a block sorted by series; return events and their answers, row by row."""
        rows, size = np.arange(len(events)), len(events)
        answers = np.where(wanted, rows, size)
        later = np.append(np.minimum.accumulate(answers[::-1])[::-1][1:], size)
        asked = np.flatnonzero(asking)
        answer = later[asked]
        found = answer < size
        found[found] = events.key[answer[found]] == events.key[asked[found]]
        candidates = np.flatnonzero(wanted)
        place = np.searchsorted(events.key[candidates], self._waiting.key)
        hit = place < len(candidates)
        hit[hit] = events.key[candidates[place[hit]]] == self._waiting.key[hit]
        pairs = (
            self._waiting.take(hit).join(events.take(asked[found])),
            events.take(np.concatenate([candidates[place[hit]], answer[found]])),
        )
        self._waiting = self._waiting.take(~hit).join(events.take(asked[~found]))
        return pairs

    def drain(self) -> Events:
        """Return the events that nothing answered, and forget them."""
        waiting, self._waiting = self._waiting, Events.empty()
        return waiting


class TickLog:
    """All ticks processed so far; they are few."""

    def __init__(self) -> None:
        self._ticks = Ticks.empty()
        self._highest_ns: Int64Array = np.empty(0, dtype=np.int64)
        self._waiting = Events.empty()

    def __len__(self) -> int:
        return len(self._ticks)

    def add(self, ticks: Ticks) -> None:
        """Take the ticks of a block."""
        if len(ticks):
            self._ticks = self._ticks.join(ticks)
            self._highest_ns = np.maximum.accumulate(self._ticks.time_ns)

    def causes(self, events: Events) -> tuple[Events, Int64Array]:
        """Return events caused by ticks, with the time told by the tick that caused each.

        A tick's own event follows what it caused. Events whose tick has not come yet wait.
        """
        events = self._waiting.join(events)
        place = np.searchsorted(self._ticks.position, events.position)
        known = place < len(self._ticks)
        self._waiting = events.take(~known)
        return events.take(known), self._ticks.time_ns[place[known]]

    def drain(self) -> Events:
        """Return the events whose tick never came, and forget them."""
        waiting, self._waiting = self._waiting, Events.empty()
        return waiting

    def first_due(self, since: Int64Array, until: Int64Array, close_ns: Int64Array) -> Int64Array:
        """Return the first tick between two positions that tells a time not before `close_ns`.

        As the tick's index, -1 where there is none.
        """
        start = np.searchsorted(self._ticks.position, since)
        stop = np.searchsorted(self._ticks.position, until)
        first = np.maximum(start, np.searchsorted(self._highest_ns, close_ns))
        due = np.where(first < stop, first, NONE)
        if np.any(self._highest_ns != self._ticks.time_ns):
            # A clock that jumped back: the highest time so far is not the time of each tick.
            for row in np.flatnonzero(due != NONE).tolist():
                times = self._ticks.time_ns[first[row] : stop[row]] >= close_ns[row]
                due[row] = first[row] + int(np.argmax(times)) if times.any() else NONE
        return due

    def at_ns(self, tick: int) -> int:
        """Return when a tick was processed."""
        return int(self._ticks.at_ns[tick])
