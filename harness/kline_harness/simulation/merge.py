"""Sources in order of arrival merged into one, a piece of about a slice at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush

import numpy as np

from kline_harness.columns import Instrument, concat, join_instruments, places
from kline_harness.tape import Tape
from kline_harness.units import INT64_MAX, Int64Array

# Large enough to be columnar, small enough that a slice's temporaries stay in tens of MB.
SLICE_ROWS = 1 << 18
# Rows of each source, per piece, that are looked at to find where a piece ends.
_SAMPLES = 16


def merged(sources: Sequence[Iterator[Tape]], slice_rows: int = SLICE_ROWS) -> Iterator[Tape]:
    """Merge sources, each in order of arrival, into one; equal arrivals keep the sources' order.

    How the sources are cut into chunks does not matter.
    """
    if len(sources) == 1:
        yield from sources[0]
        return
    waiting = _Waiting(slice_rows, [next(source, None) for source in sources])
    ends = [(int(t.arrival_ns[-1]), k) for k, t in enumerate(waiting.tapes) if t is not None]
    heapify(ends)
    while ends:
        # What may still come of a live source arrives at its last arrival or later.
        safe_ns = ends[0][0]
        # Many small files end one after the other: pieces should not be as many. Only where
        # enough rows wait at all is it asked how many of each source may go.
        if waiting.rows >= slice_rows // 2 and waiting.rows_before(safe_ns) >= slice_rows // 2:
            yield from waiting.ready(safe_ns)
        while ends and ends[0][0] == safe_ns:
            _, k = heappop(ends)
            more = next(sources[k], None)
            if more is not None:
                waiting.add(k, more)
                heappush(ends, (int(more.arrival_ns[-1]), k))
    yield from waiting.ready(INT64_MAX)


class _Waiting:
    """What was read of each source and not yet handed on: a tape, and the row it goes on at.

    `rows` are those of all sources that wait.
    """

    def __init__(self, slice_rows: int, tapes: list[Tape | None]) -> None:
        self.tapes = tapes
        self.rows = sum(len(tape) for tape in tapes if tape is not None)
        self._slice_rows = slice_rows
        self._starts = [0] * len(tapes)
        # Those of all sources that were handed on, in that order, and their places.
        self._instruments: tuple[Instrument, ...] = ()
        self._places: dict[str, int] = {}

    def add(self, source: int, more: Tape) -> None:
        """Take the next chunk of a source."""
        held = self.tapes[source]
        assert held is not None
        self.tapes[source] = concat([held[self._starts[source] :], more])
        self._starts[source] = 0
        self.rows += len(more)

    def rows_before(self, instant_ns: int) -> int:
        """Return how many rows that wait arrive before an instant."""
        return sum(
            int(np.searchsorted(tape.arrival_ns, instant_ns)) - start
            for tape, start in zip(self.tapes, self._starts, strict=True)
            if tape is not None
        )

    def ready(self, until_ns: int) -> Iterator[Tape]:
        """Yield what arrives before an instant, in pieces of about a slice."""
        ends = self._piece_ends(until_ns)
        stops = [
            None if tape is None else np.searchsorted(tape.arrival_ns, ends).tolist()
            for tape in self.tapes
        ]
        for piece in range(len(ends)):
            taken = [
                (k, stop[piece])
                for k, stop in enumerate(stops)
                if stop is not None and stop[piece] > self._starts[k]
            ]
            if taken:
                yield self._take(taken)

    def _piece_ends(self, until_ns: int) -> Int64Array:
        """Return the instants before which pieces of about three quarters of a slice arrive."""
        rows = self.rows_before(until_ns)
        if rows <= self._slice_rows:
            return np.array([until_ns], dtype=np.int64)
        step = max(1, self._slice_rows // (_SAMPLES * len(self.tapes)))
        seen = np.sort(
            np.concatenate(
                [
                    tape.arrival_ns[start::step]
                    for tape, start in zip(self.tapes, self._starts, strict=True)
                    if tape is not None
                ]
            )
        )
        seen = seen[: np.searchsorted(seen, until_ns)]
        pieces = -(-rows * 4 // (self._slice_rows * 3))
        inner = seen[np.arange(1, pieces) * len(seen) // pieces]
        return np.append(np.unique(inner), until_ns)

    def _take(self, taken: list[tuple[int, int]]) -> Tape:
        """Take rows up to some of each source, in order of arrival."""
        self._align([k for k, _ in taken])
        parts = []
        for k, stop in taken:
            tape = self.tapes[k]
            assert tape is not None
            parts.append(tape[self._starts[k] : stop])
            self._starts[k] = stop
        joined = concat(parts)
        self.rows -= len(joined)
        if len(parts) == 1:
            return joined
        return joined.take(np.argsort(joined.arrival_ns, kind="stable"))

    def _align(self, sources: list[int]) -> None:
        """Bring sources to common instruments: once, as long as none knows others."""
        tapes = [tape for k in sources if (tape := self.tapes[k]) is not None]
        if any(tape.instruments is not self._instruments for tape in tapes):
            joined = join_instruments([Tape.empty(self._instruments), *tapes])
            if joined != self._instruments:
                self._instruments, self._places = joined, places(joined)
        for k, tape in zip(sources, tapes, strict=True):
            if tape.instruments is not self._instruments:
                moved = tape.over(self._instruments, self._places)
                # Equal ones are made the same, which is seen at once the next time.
                self.tapes[k] = replace(moved, instruments=self._instruments)
