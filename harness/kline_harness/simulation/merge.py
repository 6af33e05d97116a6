"""Sources in order of arrival merged into one, a piece of about a slice at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush

import numpy as np

from kline_harness.columns import Instrument, join_instruments, places, reordered
from kline_harness.simulation.packed import Packed, Part, joined
from kline_harness.tape import Tape
from kline_harness.units import INT64_MAX, Int64Array

# Large enough to be columnar, small enough that a slice's temporaries stay in tens of MB.
SLICE_ROWS = 1 << 17
# Rows of each source, per piece, that are looked at to find where a piece ends.
_SAMPLES = 16
# How many sources are announced ahead of the one that is read.
_AHEAD = 3
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


class _Waiting:
    """What was read of each source and not yet handed on: chunks, and the row the first goes on at.

    `rows` are those of all sources that wait.
    """

    def __init__(self, slice_rows: int, sources: int) -> None:
        self.rows = 0
        self._chunks: list[deque[Packed]] = [deque() for _ in range(sources)]
        self._starts = [0] * sources
        self._slice_rows = slice_rows
        # Those of all sources that were handed on, in that order, and their places.
        self._instruments: tuple[Instrument, ...] = ()
        self._places: dict[str, int] = {}

    def add(self, source: int, more: Tape) -> int:
        """Take the next chunk of a source; return when the last of it arrives."""
        packed = Packed.of(more)
        self._chunks[source].append(packed)
        self.rows += packed.rows
        return packed.last_ns

    def rows_before(self, instant_ns: int) -> int:
        """Return how many rows that wait arrive before an instant."""
        sought = np.array([instant_ns])
        found = sum(int(one.before(sought)[0]) for mine in self._chunks for one in mine)
        return found - sum(self._starts)

    def ready(self, until_ns: int) -> Iterator[Tape]:
        """Yield what arrives before an instant, in pieces of about a slice."""
        ends = self._piece_ends(until_ns)
        # Of each chunk, how many of its rows come before the end of each piece.
        stops = [[one.before(ends).tolist() for one in mine] for mine in self._chunks]
        for piece in range(len(ends)):
            taken: list[tuple[int, list[Part]]] = []
            for source, mine in enumerate(stops):
                parts = self._parts(source, [stop[piece] for stop in mine])
                del mine[: len(mine) - len(self._chunks[source])]
                if parts:
                    taken.append((source, parts))
            if taken:
                yield self._take(taken)

    def _parts(self, source: int, stops: list[int]) -> list[Part]:
        """Take rows of a source: of each of its chunks up to one of `stops`."""
        held, parts = self._chunks[source], list[Part]()
        for stop in stops:
            chunk, start = held[0], self._starts[source]
            if stop > start:
                parts.append((chunk, start, stop))
                self._starts[source] = stop
                self.rows -= stop - start
            if stop < chunk.rows:
                break
            held.popleft()
            self._starts[source] = 0
        return parts

    def _piece_ends(self, until_ns: int) -> Int64Array:
        """Return the instants before which pieces of about three quarters of a slice arrive."""
        rows = self.rows_before(until_ns)
        if rows <= self._slice_rows:
            return np.array([until_ns], dtype=np.int64)
        step = max(1, self._slice_rows // (_SAMPLES * len(self._chunks)))
        seen = np.sort(
            np.concatenate(
                [
                    chunk.arrivals_ns(self._starts[source] if place == 0 else 0, step)
                    for source, mine in enumerate(self._chunks)
                    for place, chunk in enumerate(mine)
                ]
            )
        )
        seen = seen[: np.searchsorted(seen, until_ns)]
        pieces = -(-rows * 4 // (self._slice_rows * 3))
        inner = seen[np.arange(1, pieces) * len(seen) // pieces]
        return np.append(np.unique(inner), until_ns)

    def _take(self, taken: list[tuple[int, list[Part]]]) -> Tape:
        """Return rows of some sources, in order of arrival."""
        parts = self._aligned([part for _, mine in taken for part in mine])
        whole = joined(parts, self._instruments, self._places)
        if len(taken) == 1:
            return whole
        return reordered(whole, np.argsort(whole.arrival_ns, kind="stable"))

    def _aligned(self, parts: list[Part]) -> list[Part]:
        """Bring rows to common instruments: those of the parts before, and what is new in these."""
        known = self._instruments, self._places
        if all(_fits(part[0], *known) for part in parts):
            return parts
        tapes = [Tape.empty(packed.instruments) for packed, _, _ in parts]
        self._instruments = join_instruments([Tape.empty(self._instruments), *tapes])
        self._places = places(self._instruments)
        known = self._instruments, self._places
        return [part if _fits(part[0], *known) else self._rescaled(*part) for part in parts]

    def _rescaled(self, packed: Packed, start: int, stop: int) -> Part:
        tape = joined([(packed, start, stop)], packed.instruments, {})
        return Packed.of(tape.over(self._instruments, self._places)), 0, stop - start


def _fits(packed: Packed, instruments: tuple[Instrument, ...], known: dict[str, int]) -> bool:
    """Tell whether packed trades have the scales that their symbols have in common."""
    places_of = (known.get(one.symbol, -1) for one in packed.instruments)
    return all(
        place >= 0 and instruments[place] == one
        for place, one in zip(places_of, packed.instruments, strict=True)
    )
