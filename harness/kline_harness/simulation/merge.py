"""Sources in order of arrival merged into one, a piece of about a slice at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np

from kline_harness.columns import Instrument, finest_of, places, reordered
from kline_harness.simulation.packed import Packed, PackedChunks, stable_order
from kline_harness.tape import Tape
from kline_harness.units import INT64_MAX, Int64Array

# Large enough to be columnar, small enough that a slice's temporaries stay in tens of MB.
SLICE_ROWS = 1 << 17
# Rows of each source, per piece, that are looked at to find where a piece ends.
_SAMPLES = 16
# How many sources are announced ahead of the one that is read.
_AHEAD = 6
# What may go is looked for in every source: once for so many sources' new chunks.
_LOOKS = 16


def _unannounced(source: int) -> None:
    """Nobody reads ahead."""


def merged(
    sources: Sequence[Iterator[Tape]],
    slice_rows: int = SLICE_ROWS,
    soon: Callable[[int], None] = _unannounced,
) -> Iterator[Tape]:
    """Merge sources, each in order of arrival, into one; equal arrivals keep the sources' order.

    How the sources are cut into chunks does not matter. `soon` is told the numbers of sources
    that are about to be read, so that it can be done ahead.
    """
    if len(sources) == 1:
        yield from sources[0]
        return
    waiting = _Waiting(slice_rows, len(sources))
    ends: list[tuple[int, int]] = []

    def read(source: int) -> None:
        more = next(sources[source], None)
        if more is not None:
            heappush(ends, (waiting.add(source, more), source))

    for source in range(len(sources)):
        for following in range(source + 1, min(source + 1 + _AHEAD, len(sources))):
            soon(following)
        read(source)
    heapify(ends)
    looked = chunks = 0
    while ends:
        # What may still come of a live source arrives at its last arrival or later.
        safe_ns = ends[0][0]
        # Many small files end one after the other: pieces should not be as many. Only where
        # enough rows wait at all is it asked how many of each source may go.
        if waiting.rows >= slice_rows // 2 and chunks >= looked:
            looked = chunks + len(sources) // _LOOKS
            if waiting.rows_before(safe_ns) >= slice_rows // 2:
                yield from waiting.ready(safe_ns)
        while ends and ends[0][0] == safe_ns:
            _, source = heappop(ends)
            chunks += 1
            for _, following in ends[:_AHEAD]:
                soon(following)
            read(source)
    yield from waiting.ready(INT64_MAX)


@dataclass(slots=True, eq=False)
class _Part:
    """A chunk that waits, and the row it goes on at; `fits` are instruments that it is known to."""

    packed: Packed
    start: int = 0
    fits: tuple[Instrument, ...] | None = None


class _Waiting:
    """What was read of each source and not yet handed on; `rows` are those of all sources."""

    def __init__(self, slice_rows: int, sources: int) -> None:
        self.rows = 0
        self._parts: list[list[_Part]] = [[] for _ in range(sources)]
        self._slice_rows = slice_rows
        # Those of all sources that were handed on, in that order, and their places.
        self._instruments: tuple[Instrument, ...] = ()
        self._places: dict[str, int] = {}

    def add(self, source: int, more: Tape) -> int:
        """Take the next chunk of a source; return when the last of it arrives."""
        packed = Packed.of(more)
        self._parts[source].append(_Part(packed))
        self.rows += packed.rows
        return packed.last_ns

    def rows_before(self, instant_ns: int) -> int:
        """Return how many rows that wait arrive before an instant."""
        _, chunks, starts = self._all()
        found = chunks.before(np.array([instant_ns], dtype=np.int64))[:, 0]
        return int((found - starts).clip(0).sum())

    def ready(self, until_ns: int) -> Iterator[Tape]:
        """Yield what arrives before an instant, in pieces of about a slice."""
        parts, chunks, starts = self._all()
        ends = self._piece_ends(chunks, starts, until_ns)
        # Of each chunk, how many of its rows come before the end of each piece.
        stops = np.maximum(chunks.before(ends), starts[:, None])
        sources = np.repeat(np.arange(len(self._parts)), [len(mine) for mine in self._parts])
        self._parts = [[] for _ in self._parts]
        for piece in range(len(ends)):
            stop = stops[:, piece]
            chosen = np.flatnonzero(stop > starts)
            if not len(chosen):
                continue
            self._align(chunks, parts, chosen.tolist())
            given = (chosen, starts[chosen], stop[chosen], self._instruments, self._places)
            whole = chunks.tape(*given)
            starts = stop
            for place in chosen[stop[chosen] == chunks.rows[chosen]].tolist():
                chunks.let_go(place)
                del parts[place].packed
            self.rows -= len(whole)
            if sources[chosen[0]] != sources[chosen[-1]]:
                whole = reordered(whole, *stable_order(whole.arrival_ns))
            held, whole = [whole], Tape.empty()
            yield held.pop()
        for place in np.flatnonzero(starts < chunks.rows).tolist():
            parts[place].start = int(starts[place])
            self._parts[sources[place]].append(parts[place])

    def _all(self) -> tuple[list[_Part], PackedChunks, Int64Array]:
        """Return the parts of one source after the other, their chunks, and where they go on."""
        every = [one for mine in self._parts for one in mine]
        starts = np.array([one.start for one in every], dtype=np.int64)
        return every, PackedChunks([one.packed for one in every]), starts

    def _piece_ends(self, chunks: PackedChunks, starts: Int64Array, until_ns: int) -> Int64Array:
        """Return the instants before which pieces of about three quarters of a slice arrive."""
        until = np.array([until_ns], dtype=np.int64)
        rows = int((chunks.before(until)[:, 0] - starts).clip(0).sum())
        if rows <= self._slice_rows:
            return until
        step = max(1, self._slice_rows // (_SAMPLES * len(self._parts)))
        seen = chunks.arrivals_ns(starts, step)
        # Most of what waits comes later: only what does not is put in order.
        seen = np.sort(seen[seen < until_ns])
        pieces = -(-rows * 4 // (self._slice_rows * 3))
        inner = seen[np.arange(1, pieces) * len(seen) // pieces]
        return np.append(np.unique(inner), until_ns)

    def _align(self, chunks: PackedChunks, parts: list[_Part], chosen: list[int]) -> None:
        """Bring chunks to common instruments: those of the ones before, and what is new in these.

        Whoever did fit is not asked again until there are others.
        """
        others = [place for place in chosen if parts[place].fits is not self._instruments]
        if not others:
            return
        own = (parts[place].packed.instruments for place in others)
        together = finest_of([self._instruments, *own])
        if together != self._instruments:
            self._instruments, self._places = together, places(together)
            others = chosen
        for place in others:
            part = parts[place]
            if not self._fits(part.packed):
                tape = part.packed.tape().over(self._instruments, self._places)
                part.packed = Packed.of(tape)
                chunks.replace(place, part.packed)
            part.fits = self._instruments

    def _fits(self, packed: Packed) -> bool:
        """Tell whether packed trades have the scales that their symbols have in common."""
        own = packed.instruments
        return all(self._instruments[self._places[one.symbol]] == one for one in own)
