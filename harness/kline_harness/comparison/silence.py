"""Stretches of time in which no symbol of a feed traded."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kline_harness.tape import Tape
from kline_harness.units import NS_PER_MINUTE, Int64Array

SILENCE_MIN_NS = 3 * NS_PER_MINUTE


@dataclass(slots=True)
class Silences:
    """Finds, chunk by chunk, where the trade times of all symbols together stand still."""

    found: list[tuple[int, int]] = field(default_factory=list)
    _first_ns: int | None = None
    _reached_ns: int | None = None

    def add(self, tape: Tape) -> None:
        """Take the next chunk, trades of all symbols in the order of the feed."""
        times: Int64Array = tape.event_time_ns
        if len(times) == 0:
            return
        if self._reached_ns is not None:
            times = np.append(np.int64(self._reached_ns), times)
        else:
            self._first_ns = int(times.min())
        # A trade that comes out of order ends no silence.
        reached = np.maximum.accumulate(times)
        for row in np.flatnonzero(np.diff(reached) >= SILENCE_MIN_NS).tolist():
            self.found.append((int(reached[row]), int(reached[row + 1])))
        self._reached_ns = int(reached[-1])

    def within(self, claimed: tuple[int, int] | None) -> list[tuple[int, int]]:
        """Return what was found, and the silences at the edges of the time that was claimed."""
        if claimed is None or self._first_ns is None or self._reached_ns is None:
            return list(self.found)
        edges = ((claimed[0], self._first_ns), (self._reached_ns, claimed[1]))
        before, after = ([e] if e[1] - e[0] >= SILENCE_MIN_NS else [] for e in edges)
        return [*before, *self.found, *after]
