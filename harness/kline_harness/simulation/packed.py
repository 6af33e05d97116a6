"""Trades that wait for others of their time, each column in as few bytes as its values need."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import Instrument, places
from kline_harness.compiled import library
from kline_harness.compiled import packed as loops
from kline_harness.tape import Tape
from kline_harness.units import (
    NS_PER_MICROSECOND,
    NS_PER_MILLISECOND,
    NS_PER_SECOND,
    Int64Array,
    inverse,
    multiply,
    narrow,
)

_NAMES = Tape.column_names()
_TIMES = ("event_time_ns", "arrival_ns")
_STEPS = (NS_PER_SECOND, NS_PER_MILLISECOND, NS_PER_MICROSECOND)
# Less than this is not worth pages of its own.
_PAGES_BYTES_MIN = 32 << 10
# Pages of this process alone, there at once: those that could be shared take twice the time. Not
# every system has both.
_FLAGS = ("MAP_PRIVATE", "MAP_ANONYMOUS", "MAP_POPULATE")
_OWN_PAGES: dict[str, Any] = (
    {"flags": sum(getattr(mmap, name, 0) for name in _FLAGS)} if hasattr(mmap, _FLAGS[0]) else {}
)
# What is in a layout's row for each column, and widths of those that have no bytes: one that
# follows from others, and one of Python's integers.
_OFFSET, _WIDTH, _BASE, _STEP = range(4)
_FOLLOWS, _EXACT = -1, -2


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Trades in order of arrival, of the instruments that they are from; at least one.

    A column is ``base + step * value``: `layout` has offset, width, base and step of each, and
    `values` the bytes. Of width 0 each is the base. A column that follows from others is not kept:
    arrival equal to the trade time, a quote quantity that is price times quantity, and of the last
    id only how far the first is. A column of Python's integers is in `exact`.
    """

    instruments: tuple[Instrument, ...]
    rows: int
    layout: Int64Array
    values: NDArray[np.uint8]
    exact: Mapping[str, NDArray[Any]]
    # Where `values` are, which takes longer to ask for than a look at it takes.
    address: int

    @staticmethod
    def of(tape: Tape) -> Packed:
        """Pack a tape that has trades."""
        columns = [np.ascontiguousarray(getattr(tape, name)) for name in _NAMES]
        exact = {n: c for n, c in zip(_NAMES, columns, strict=True) if c.dtype == object}
        layout = loops.measure(columns)
        is_compiled = layout is not None
        if layout is None:
            columns, layout = _measured(columns)
        values = _placed(layout, len(tape))
        if is_compiled:
            loops.pack(columns, layout, values)
        address = values.ctypes.data
        packed = Packed(tape.instruments, len(tape), layout, values, exact, address)
        if not is_compiled:
            packed._fill(columns)
        return packed

    @property
    def last_ns(self) -> int:
        """Return when the last trade arrives."""
        return int(self.wide(self.arrivals, self.rows - 1, self.rows)[0])

    @property
    def arrivals(self) -> str:
        """Return the name of the column that says when each trade arrives."""
        follows = self.layout[_NAMES.index("arrival_ns"), _WIDTH] == _FOLLOWS
        return "event_time_ns" if follows else "arrival_ns"

    def tape(self) -> Tape:
        """Return the trades as they were."""
        start, stop = np.zeros(1, dtype=np.int64), np.array([self.rows], dtype=np.int64)
        mine = places(self.instruments)
        return PackedChunks([self]).tape(start, start, stop, self.instruments, mine)

    def _fill(self, columns: Sequence[NDArray[Any]]) -> None:
        for column, (_, width, base, step), name in zip(columns, self.layout, _NAMES, strict=True):
            if width > 0:
                self._own(name)[:] = (column - base) // step

    def _own(self, name: str) -> NDArray[Any]:
        """Return the numbers that are kept of a column."""
        offset, width = self.layout[_NAMES.index(name), :2].tolist()
        kind = f"u{width}" if width < 8 else "i8"
        return self.values[offset : offset + width * self.rows].view(kind)

    def wide(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Return some rows of a column as they were, of the last id how far the first is."""
        _, width, base, step = self.layout[_NAMES.index(name)].tolist()
        if width == _EXACT:
            return self.exact[name][start:stop]
        if width == _FOLLOWS:
            if name in _TIMES:
                return self.wide("event_time_ns", start, stop)
            price, quantity = (self.wide(n, start, stop) for n in ("price", "quantity"))
            return narrow(multiply(price, quantity))
        if width == 0:
            return np.full(stop - start, base, dtype=np.int64)
        found: Int64Array = self._own(name)[start:stop].astype(np.int64) * step + base
        return found


def _measured(columns: Sequence[NDArray[Any]]) -> tuple[list[NDArray[Any]], Int64Array]:
    """Return what is kept of each column, and the layout without offsets."""
    kept = dict(zip(_NAMES, columns, strict=True))
    follows = set()
    if np.array_equal(kept["arrival_ns"], kept["event_time_ns"]):
        follows.add("arrival_ns")
    if kept["quote"].dtype != object:
        product = multiply(kept["price"], kept["quantity"])
        if product.dtype != object and np.array_equal(product, kept["quote"]):
            follows.add("quote")
    kept["last_id"] = kept["last_id"] - kept["first_id"]
    rows = [(0, _FOLLOWS, 0, 1) if n in follows else (0, *_cell(n, kept[n])) for n in _NAMES]
    return list(kept.values()), np.array(rows, dtype=np.int64)


def _cell(name: str, column: NDArray[Any]) -> tuple[int, int, int]:
    """Return the width, base and step of a column."""
    if column.dtype == object:
        return _EXACT, 0, 1
    low, high = int(column.min()), int(column.max())
    if low == high:
        return 0, low, 1
    steps = _STEPS if name in _TIMES else ()
    step = next((step for step in steps if not np.any((column - low) % step)), 1)
    most = (high - low) // step
    width = next((width for width in (1, 2, 4) if most < 1 << 8 * width), 8)
    return (width, low, step) if width < 8 else (8, 0, 1)


def _placed(layout: Int64Array, rows: int) -> NDArray[np.uint8]:
    """Say in a layout where each column begins; return the bytes for all of them.

    They lie in pages of their own: trades wait long, while memory is taken and given back around
    them, and among it they would leave holes that nothing fits into.
    """
    widths = layout[:, _WIDTH].clip(0)
    # The widest first: each begins at a multiple of its width.
    order = np.argsort(-widths, kind="stable")
    sizes = widths[order] * rows
    layout[order, _OFFSET] = np.cumsum(sizes) - sizes
    size = int(sizes.sum())
    if size < _PAGES_BYTES_MIN:
        return np.empty(size, dtype=np.uint8)
    return np.frombuffer(mmap.mmap(-1, size, **_OWN_PAGES), dtype=np.uint8)


class PackedChunks:
    """Some packed trades, looked at together; one of them can be replaced or let go."""

    def __init__(self, chunks: Sequence[Packed]) -> None:
        self._chunks: list[Packed | None] = list(chunks)
        layouts = [np.empty((0, 4), dtype=np.int64), *(one.layout for one in chunks)]
        self._layouts = np.concatenate(layouts).reshape(-1, len(_NAMES), 4)
        self._has_exact = any(one.exact for one in chunks)
        self._addresses = np.array([one.address for one in chunks], dtype=np.int64)
        self.rows = np.array([one.rows for one in chunks], dtype=np.int64)

    def __getitem__(self, place: int) -> Packed:
        chunk = self._chunks[place]
        assert chunk is not None
        return chunk

    def replace(self, place: int, chunk: Packed) -> None:
        """Take a chunk with as many rows in place of another."""
        self._chunks[place] = chunk
        self._layouts[place] = chunk.layout
        self._addresses[place] = chunk.address
        self._has_exact = self._has_exact or bool(chunk.exact)

    def let_go(self, place: int) -> None:
        """Keep nothing of a chunk, of which nothing will be asked again."""
        self._chunks[place] = None

    @property
    def _loops(self) -> loops.Packs | None:
        """Where they are, for the compiled loops; None where there are none, or not for them."""
        if library.LIBRARY is None or self._has_exact:
            return None
        return loops.Packs(self._addresses, self._layouts, self.rows)

    def before(self, instants_ns: Int64Array) -> Int64Array:
        """Return how many trades of each chunk arrive before each of some instants."""
        compiled = self._loops
        if compiled is not None:
            return compiled.before(instants_ns)
        every = (self[place] for place in range(len(self.rows)))
        arrivals = (one.wide(one.arrivals, 0, one.rows) for one in every)
        found = [np.searchsorted(times, instants_ns) for times in arrivals]
        return np.array(found, dtype=np.int64).reshape(-1, len(instants_ns))

    def arrivals_ns(self, starts: Int64Array, step: int) -> Int64Array:
        """Return when each `step`-th trade of each chunk arrives, from its start on."""
        compiled = self._loops
        if compiled is not None:
            return compiled.arrivals_ns(starts, step)
        every = ((self[place], start) for place, start in enumerate(starts.tolist()))
        return np.concatenate(
            [one.wide(one.arrivals, start, one.rows)[::step] for one, start in every]
        )

    def tape(
        self,
        chosen: Int64Array,
        starts: Int64Array,
        stops: Int64Array,
        instruments: tuple[Instrument, ...],
        places: Mapping[str, int],
    ) -> Tape:
        """Return the rows `starts` to `stops` of the chunks `chosen`, one after the other.

        `instruments` have the scales of each chunk's, and are where `places` say.
        """
        columns: dict[str, NDArray[Any]] = {"symbol": self._symbols(chosen, starts, stops, places)}
        compiled = self._loops
        if compiled is not None:
            kinds = {name: getattr(Tape.empty(), name).dtype for name in _NAMES[1:]}
            rows = len(columns["symbol"])
            columns |= {name: np.empty(rows, kind) for name, kind in kinds.items()}
            compiled.widen(chosen, starts, stops, [columns[name] for name in _NAMES])
            return Tape.build(instruments, columns)
        for name in _NAMES[1:]:
            parts = zip(chosen.tolist(), starts.tolist(), stops.tolist(), strict=True)
            wide = [self[place].wide(name, start, stop) for place, start, stop in parts]
            columns[name] = np.concatenate(wide)
        columns["last_id"] = columns["last_id"] + columns["first_id"]
        columns["buyer_is_maker"] = columns["buyer_is_maker"].astype(np.bool_)
        columns["kind"] = columns["kind"].astype(np.int8)
        return Tape.build(instruments, columns)

    def _symbols(
        self, chosen: Int64Array, starts: Int64Array, stops: Int64Array, places: Mapping[str, int]
    ) -> NDArray[np.int16]:
        """Return the code of each row's symbol among all, as `tape` has it."""
        codes = [[places[one.symbol] for one in self[place].instruments] for place in chosen]
        cells = self._layouts[chosen, 0]
        if not cells[:, _WIDTH].any():
            alone = [mine[base] for mine, base in zip(codes, cells[:, _BASE], strict=True)]
            return np.repeat(np.array(alone, dtype=np.int16), stops - starts)
        parts = zip(chosen.tolist(), starts.tolist(), stops.tolist(), strict=True)
        own = [self[place].wide("symbol", start, stop) for place, start, stop in parts]
        found = [np.array(mine, np.int16)[one] for mine, one in zip(codes, own, strict=True)]
        return np.concatenate(found)


def stable_order(keys: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the rows in order of their keys, equal ones as they stand, and each row's place."""
    found = loops.stable_order(keys)
    if found is not None:
        return found
    rows = np.argsort(keys, kind="stable")
    return rows, inverse(rows)
