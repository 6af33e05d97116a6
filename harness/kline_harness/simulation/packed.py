"""Trades that wait for others of their time, each column in as few bytes as its values need."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import Instrument
from kline_harness.tape import Tape
from kline_harness.units import (
    NS_PER_MICROSECOND,
    NS_PER_MILLISECOND,
    NS_PER_SECOND,
    ExactArray,
    Int64Array,
    multiply,
    narrow,
)

_TIMES = ("event_time_ns", "arrival_ns")
_STEPS = (NS_PER_SECOND, NS_PER_MILLISECOND, NS_PER_MICROSECOND)
# Less than this is not worth pages of its own.
_PAGES_BYTES_MIN = 32 << 10
_SMALL = (np.uint8, np.uint16, np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class _Narrow:
    """A column as ``base + step * values``; `values` None where each is the base.

    A column of Python integers is its values.
    """

    base: int
    step: int
    values: NDArray[Any] | None

    @staticmethod
    def of(column: NDArray[Any], *, is_time: bool = False) -> _Narrow:
        if column.dtype == object:
            return _Narrow(0, 1, column)
        low, high = int(column.min()), int(column.max())
        if low == high:
            return _Narrow(low, 1, None)
        step = next((step for step in _STEPS if _divides(step, low, column)), 1) if is_time else 1
        most = (high - low) // step
        kind = next((kind for kind in _SMALL if most <= np.iinfo(kind).max), None)
        if kind is None:
            return _Narrow(0, 1, column)
        offsets = column.astype(np.int64) - low
        return _Narrow(low, step, (offsets // step if step > 1 else offsets).astype(kind))

    def wide(self, start: int, stop: int) -> NDArray[Any]:
        """Return the column's own values of some rows."""
        if self.values is None:
            return np.full(stop - start, self.base, dtype=np.int64)
        return _widened(self.values[start:stop], self.base, self.step)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Trades in order of arrival, of the instruments that they are from; at least one.

    A column that follows from others is not kept: arrival equal to the trade time, a quote
    quantity that is price times quantity, and of the last id only how far the first is.
    """

    instruments: tuple[Instrument, ...]
    rows: int
    columns: Mapping[str, _Narrow]

    @staticmethod
    def of(tape: Tape) -> Packed:
        """Pack a tape that has trades."""
        kept = {name: getattr(tape, name) for name in Tape.column_names()}
        if np.array_equal(tape.arrival_ns, tape.event_time_ns):
            del kept["arrival_ns"]
        if tape.quote.dtype != object:
            product = multiply(tape.price, tape.quantity)
            if product.dtype != object and np.array_equal(product, tape.quote):
                del kept["quote"]
        kept["last_id"] = tape.last_id - tape.first_id
        columns = {n: _Narrow.of(kept[n], is_time=n in _TIMES) for n in kept}
        return Packed(tape.instruments, len(tape), _in_pages(columns))

    @property
    def _arrivals(self) -> _Narrow:
        return self.columns.get("arrival_ns") or self.columns["event_time_ns"]

    @property
    def last_ns(self) -> int:
        """Return when the last trade arrives."""
        return int(self._arrivals.wide(self.rows - 1, self.rows)[0])

    def arrivals_ns(self, start: int, step: int) -> Int64Array:
        """Return when each `step`-th trade from `start` on arrives."""
        narrow = self._arrivals
        if narrow.values is None:
            return narrow.wide(0, len(range(start, self.rows, step)))
        return _widened(narrow.values[start::step], narrow.base, narrow.step)

    def before(self, instants_ns: Int64Array) -> Int64Array:
        """Return how many trades arrive before each of some instants."""
        narrow = self._arrivals
        if narrow.values is None:
            return np.where(instants_ns > narrow.base, self.rows, 0)
        if narrow.values.dtype == np.int64:
            return np.searchsorted(narrow.values, instants_ns)
        # In the column's own small numbers: else all of it would be made wide for each search.
        sought = -((narrow.base - instants_ns) // narrow.step)
        top = int(narrow.values[-1])
        found = np.searchsorted(narrow.values, np.clip(sought, 0, top).astype(narrow.values.dtype))
        return np.where(sought > top, self.rows, found)

    def tape(self) -> Tape:
        """Return the trades as they were."""
        return joined([(self, 0, self.rows)], self.instruments, {})


Part = tuple[Packed, int, int]


def joined(
    parts: Sequence[Part], instruments: tuple[Instrument, ...], places: Mapping[str, int]
) -> Tape:
    """Return rows `start` to `stop` of packed trades, one part after the other.

    `instruments` have the scales of each part's; `places` say where a symbol is among them, and
    are not needed where they are the part's own.
    """
    counts = np.array([stop - start for _, start, stop in parts], dtype=np.int64)
    columns: dict[str, Any] = {"symbol": _symbols(parts, counts, instruments, places)}
    for name in ("trade_id", "price", "quantity", "first_id", "last_id", "event_time_ns"):
        columns[name] = _column(parts, counts, name)
    columns["last_id"] = columns["last_id"] + columns["first_id"]
    columns["quote"] = _unless_derived(
        parts, "quote", narrow(multiply(columns["price"], columns["quantity"])), counts
    )
    columns["arrival_ns"] = _unless_derived(parts, "arrival_ns", columns["event_time_ns"], counts)
    columns["buyer_is_maker"] = _column(parts, counts, "buyer_is_maker").astype(np.bool_)
    columns["kind"] = _column(parts, counts, "kind").astype(np.int8)
    return Tape.build(instruments, columns)


def _symbols(
    parts: Sequence[Part],
    counts: Int64Array,
    instruments: tuple[Instrument, ...],
    places: Mapping[str, int],
) -> NDArray[np.int16]:
    alone = [packed.columns["symbol"].values is None for packed, _, _ in parts]
    if all(alone):
        codes = [
            _place(packed, packed.columns["symbol"].base, instruments, places)
            for packed, _, _ in parts
        ]
        return np.repeat(np.array(codes, dtype=np.int16), counts)
    found = []
    for packed, start, stop in parts:
        own = packed.columns["symbol"].wide(start, stop)
        codes = [_place(packed, c, instruments, places) for c in range(len(packed.instruments))]
        found.append(np.array(codes, dtype=np.int16)[own])
    return np.concatenate(found)


def _place(
    packed: Packed, code: int, instruments: tuple[Instrument, ...], places: Mapping[str, int]
) -> int:
    own = packed.instruments
    return code if own is instruments else places[own[code].symbol]


def _column(parts: Sequence[Part], counts: Int64Array, name: str) -> ExactArray:
    narrows = [packed.columns[name] for packed, _, _ in parts]
    bases = np.array([narrow.base for narrow in narrows])
    if all(narrow.values is None for narrow in narrows):
        return np.repeat(bases, counts)
    alike = {(n.step, n.values.dtype == object) for n in narrows if n.values is not None}
    step, is_exact = next(iter(alike))
    if len(alike) > 1 or is_exact:
        wide = (n.wide(start, stop) for n, (_, start, stop) in zip(narrows, parts, strict=True))
        return np.concatenate(list(wide))
    values = np.concatenate(
        [
            np.zeros(stop - start, dtype=np.uint8) if n.values is None else n.values[start:stop]
            for n, (_, start, stop) in zip(narrows, parts, strict=True)
        ]
    )
    base: Any = bases[0] if len(parts) == 1 else np.repeat(bases, counts)
    return _widened(values, base, step)


def _unless_derived(
    parts: Sequence[Part], name: str, derived: ExactArray, counts: Int64Array
) -> ExactArray:
    """Return a column, of which some parts keep no more than follows from the others."""
    kept = [name in packed.columns for packed, _, _ in parts]
    if not any(kept):
        return derived
    ends = np.cumsum(counts).tolist()
    return np.concatenate(
        [
            packed.columns[name].wide(start, stop) if own else derived[end - (stop - start) : end]
            for own, end, (packed, start, stop) in zip(kept, ends, parts, strict=True)
        ]
    )


def _widened(values: NDArray[Any], base: Any, step: int) -> NDArray[Any]:
    if values.dtype == object:
        # Python integers are kept as they are.
        return values
    wide = values.astype(np.int64)
    if step > 1:
        wide *= step
    wide += base
    return wide


def _in_pages(columns: Mapping[str, _Narrow]) -> Mapping[str, _Narrow]:
    """Return columns whose values lie in pages of their own.

    Trades wait long, while memory is taken and given back around them: among it they would leave
    holes that nothing fits into.
    """
    moved = {n: c.values for n, c in columns.items() if c.values is not None}
    moved = {n: values for n, values in moved.items() if values.dtype != object}
    size = sum(values.nbytes for values in moved.values())
    if size < _PAGES_BYTES_MIN:
        return columns
    pages = mmap.mmap(-1, size)
    kept, offset = dict(columns), 0
    # The widest first: each begins at a multiple of its width.
    for name, values in sorted(moved.items(), key=lambda item: -item[1].itemsize):
        place = np.frombuffer(pages, values.dtype, len(values), offset)
        place[:] = values
        kept[name] = replace(kept[name], values=place)
        offset += values.nbytes
    return kept


def _divides(step: int, low: int, column: NDArray[Any]) -> bool:
    return not np.any((column - low) % step)
