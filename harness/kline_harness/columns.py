"""Columnar tables: equal-length numpy columns that slice, gather and join as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from kline_harness.compiled.pick import picked
from kline_harness.units import BoolArray, ExactArray, mask, rescale, run_starts

T = TypeVar("T", bound="Columns")

# Every column not named here is int64 (or exact integers, where int64 is not enough).
_DTYPES: dict[str, type[np.generic]] = {
    "symbol": np.int16,
    "interval": np.int8,
    "trigger": np.int8,
    "life": np.int8,
    "kind": np.int8,
    "buyer_is_maker": np.bool_,
}

_COLUMN_NAMES: dict[Any, tuple[str, ...]] = {}
_LAZY: dict[Any, Any] = {}


@dataclass(frozen=True, slots=True)
class Instrument:
    """A symbol and the scales of its scaled integers.

    `quote_scale` is the scale of price times quantity: the sum of the two others, unless the
    source states quote quantities itself.
    """

    symbol: str
    price_scale: int
    quantity_scale: int
    quote_scale: int

    @staticmethod
    def of(symbol: str, price_scale: int, quantity_scale: int) -> Instrument:
        """Return an instrument whose quote quantity is price times quantity."""
        return Instrument(symbol, price_scale, quantity_scale, price_scale + quantity_scale)

    def scales(self) -> dict[str, int]:
        """Return the scale of each number of a trade, by its column."""
        numbers = ("price", "quantity", "quote")
        return dict(
            zip(numbers, (self.price_scale, self.quantity_scale, self.quote_scale), strict=True)
        )

    def finest(self, other: Instrument) -> Instrument:
        """Return the same symbol at scales that hold the numbers of both."""
        return Instrument(
            self.symbol,
            max(self.price_scale, other.price_scale),
            max(self.quantity_scale, other.quantity_scale),
            max(self.quote_scale, other.quote_scale),
        )


@dataclass(frozen=True, eq=False)
class Columns:
    """A table whose rows name their instrument by an index into `instruments`.

    Fields of a subclass that hold numpy arrays are columns, all of one length. Fields listed in
    `price_columns`, `quantity_columns` and `quote_columns` are scaled by the row's instrument.
    """

    instruments: tuple[Instrument, ...]
    symbol: NDArray[np.int16]

    @classmethod
    def price_columns(cls) -> tuple[str, ...]:
        """Name the columns scaled by the instrument's price scale."""
        return ()

    @classmethod
    def quantity_columns(cls) -> tuple[str, ...]:
        """Name the columns scaled by the instrument's quantity scale."""
        return ()

    @classmethod
    def quote_columns(cls) -> tuple[str, ...]:
        """Name the columns scaled by the instrument's quote scale."""
        return ()

    @classmethod
    def column_names(cls) -> tuple[str, ...]:
        """Name every column, in declaration order."""
        names = _COLUMN_NAMES.get(cls)
        if names is None:
            names = tuple(field.name for field in fields(cls) if field.name != "instruments")
            _COLUMN_NAMES[cls] = names
        return names

    @classmethod
    def build(cls, instruments: tuple[Instrument, ...], columns: Mapping[str, Any]) -> Self:
        """Build a table from its columns by name."""
        return cls(instruments, *(columns[name] for name in cls.column_names()))

    @classmethod
    def empty(cls, instruments: tuple[Instrument, ...] = ()) -> Self:
        """Return a table without rows."""
        names = cls.column_names()
        return cls.build(
            instruments, {n: np.empty(0, dtype=_DTYPES.get(n, np.int64)) for n in names}
        )

    def __len__(self) -> int:
        return len(self.symbol)

    def __getitem__(self, rows: slice) -> Self:
        if rows.indices(len(self)) == (0, len(self), 1):
            return self
        return self._map(lambda column: column[rows])

    def column_bytes(self) -> int:
        """Return how many bytes its columns take."""
        # In whatever order, they take the same.
        table = self.__dict__.get("_reordered", (self,))[0]
        return sum(getattr(table, name).nbytes for name in self.column_names())

    def with_columns(self, columns: Mapping[str, Any]) -> Self:
        """Return the same rows with some columns replaced."""
        kept = {name: getattr(self, name) for name in self.column_names()}
        return self.build(self.instruments, kept | dict(columns))

    def take(self, rows: NDArray[Any]) -> Self:
        """Return the rows of an index array or a boolean mask, which is gone over once."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        columns = [getattr(self, name) for name in self.column_names()]
        return type(self)(self.instruments, *picked(columns, chosen))

    def _map(self, change: Any) -> Self:
        return type(self)(
            self.instruments, *(change(getattr(self, name)) for name in self.column_names())
        )

    def symbol_text(self, row: int) -> str:
        """Return the symbol of one row."""
        return self.instruments[int(self.symbol[row])].symbol

    def of_symbol(self, symbol: str) -> BoolArray:
        """Mark the rows of a symbol."""
        codes = [code for code, one in enumerate(self.instruments) if one.symbol == symbol]
        chosen: BoolArray = self.symbol == (codes[0] if codes else -1)
        return chosen

    def symbols_text(self) -> str:
        """Return the symbols, by name up to three, by number beyond."""
        names = [instrument.symbol for instrument in self.instruments]
        return " ".join(names) if len(names) <= 3 else f"{len(names):,} symbols"

    def over(
        self, instruments: tuple[Instrument, ...], index: Mapping[str, int] | None = None
    ) -> Self:
        """Return the same rows against another instrument list with finer or equal scales.

        `index` gives the place of each symbol in the list, where it is known already.
        """
        if instruments == self.instruments:
            return self
        if index is None:
            index = places(instruments)
        # A row of no symbol has code -1, which finds the last entry here and stays what it is.
        codes = np.array([*(index[i.symbol] for i in self.instruments), -1], dtype=np.int16)
        moved = replace(self, instruments=instruments).with_columns({"symbol": codes[self.symbol]})
        scaled: dict[str, ExactArray] = {}
        for old in self.instruments:
            new = instruments[index[old.symbol]]
            shifts = (
                (self.price_columns(), new.price_scale - old.price_scale),
                (self.quantity_columns(), new.quantity_scale - old.quantity_scale),
                (self.quote_columns(), new.quote_scale - old.quote_scale),
            )
            for names, digits in shifts:
                if digits == 0:
                    continue
                mine = moved.symbol == index[old.symbol]
                for name in names:
                    column = scaled.get(name, getattr(moved, name))
                    finer = rescale(column[mine], digits)
                    if finer.dtype == object and column.dtype != object:
                        column = column.astype(object)
                    elif column is getattr(self, name):
                        column = column.copy()
                    column[mine] = finer
                    scaled[name] = column
        return moved.with_columns(scaled)


def places(instruments: Iterable[Instrument]) -> dict[str, int]:
    """Return the place of each symbol in a list of instruments."""
    return {instrument.symbol: place for place, instrument in enumerate(instruments)}


def join_instruments(tables: Iterable[Columns]) -> tuple[Instrument, ...]:
    """Return one instrument per symbol of all tables, at the finest scales, in order seen."""
    return finest_of(table.instruments for table in tables)


def finest_of(lists: Iterable[tuple[Instrument, ...]]) -> tuple[Instrument, ...]:
    """Return one instrument per symbol of all lists, at the finest scales, in order seen."""
    joined: dict[str, Instrument] = {}
    previous: tuple[Instrument, ...] | None = None
    for instruments in lists:
        if instruments == previous:
            continue
        previous = instruments
        for instrument in instruments:
            known = joined.get(instrument.symbol)
            joined[instrument.symbol] = instrument.finest(known) if known else instrument
    return tuple(joined.values())


def same_rows(left: T, right: T) -> bool:
    """Tell whether two tables hold the same rows in one order; symbols are held by name."""
    if len(left) != len(right):
        return False
    both = join_instruments([left, right])
    one, other = left.over(both), right.over(both)
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in one.column_names())


def unequal_rows(one: T, other: T, names: Iterable[str]) -> BoolArray:
    """Mark the rows in which two tables of one length differ in some of the columns named.

    The tables have one list of instruments.
    """
    unequal: BoolArray = np.zeros(len(one), dtype=np.bool_)
    for name in names:
        unequal |= mask(getattr(one, name) != getattr(other, name))
    return unequal


def concat(tables: list[T]) -> T:
    """Join tables of one kind row after row; scales are unified exactly."""
    if len(tables) == 1:
        return tables[0]
    instruments, aligned = tables[0].instruments, tables
    if any(table.instruments != instruments for table in tables):
        instruments = join_instruments(tables)
        index = places(instruments)
        aligned = [table.over(instruments, index) for table in tables]
    first = aligned[0]
    return first.build(
        instruments,
        {
            name: np.concatenate([getattr(table, name) for table in aligned])
            for name in first.column_names()
        },
    )


@dataclass(frozen=True, slots=True, eq=False)
class Grouped(Generic[T]):
    """The rows of a table sorted by symbol, and else in their order.

    `rows` are their places in the table, `starts` where each symbol begins, `codes` which it is.
    """

    table: T
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    codes: list[int]

    def sizes(self) -> NDArray[np.int64]:
        """Return how many rows each symbol has."""
        return np.diff(self.starts, append=len(self.table))

    def parts(self) -> Iterator[tuple[int, T]]:
        """Yield the code and the rows of each symbol."""
        stops = self.starts + self.sizes()
        bounds = zip(self.codes, self.starts.tolist(), stops.tolist(), strict=True)
        for code, start, stop in bounds:
            yield code, self.table[start:stop]


def grouped(table: T) -> Grouped[T]:
    """Return the rows sorted by symbol: once for all who ask it of one table."""
    known: Grouped[T] | None = table.__dict__.get("_grouped")
    if known is None:
        rows, ordered = np.arange(len(table), dtype=np.int64), table
        starts = rows[:1]
        if len(table) and table.symbol.min() != table.symbol.max():
            if len(table.instruments) > 1:
                rows = np.argsort(table.symbol, kind="stable")
                ordered = table.take(rows)
            starts = run_starts(ordered.symbol)
        known = Grouped(ordered, rows, starts, ordered.symbol[starts].tolist())
        if ordered is not table:
            table.__dict__["_grouped"] = known
    return known


def reordered(table: T, rows: NDArray[np.int64], places_of: NDArray[np.int64]) -> T:
    """Return all rows of a table in another order; a column is gathered when it is asked for.

    `places_of` says where each row comes in it. Where the table is sorted by symbol, `grouped`
    finds it as it is.
    """
    lazy: T = object.__new__(_lazy(type(table)))
    lazy.__dict__.update(instruments=table.instruments, _reordered=(table, rows))
    if bool(np.all(table.symbol[1:] >= table.symbol[:-1])):
        codes = table.symbol[starts := run_starts(table.symbol)].tolist()
        lazy.__dict__["_grouped"] = Grouped(table, places_of, starts, codes)
    return lazy


def _lazy(kind: type[T]) -> type[T]:
    """Return the kind of table whose columns are gathered from another's when asked for."""
    known: type[T] | None = _LAZY.get(kind)
    if known is not None:
        return known

    def gathered_column(self: T, name: str) -> Any:
        lazy = self.__dict__.get("_reordered")
        if lazy is None or name not in self.column_names():
            raise AttributeError(name)
        self.__dict__[name] = column = picked([getattr(lazy[0], name)], lazy[1])[0]
        return column

    def pickled(self: T) -> tuple[type[T], tuple[Any, ...]]:
        # Another process gets the columns: this kind is made here, and has no name there.
        return kind, tuple(getattr(self, field.name) for field in fields(kind))

    members = {"__getattr__": gathered_column, "__reduce__": pickled}
    _LAZY[kind] = made = type(kind.__name__, (kind,), members)
    return made


def by_symbol(table: T) -> Iterator[tuple[int, T]]:
    """Yield the code and the rows of each symbol that has any, in order of codes."""
    symbols = grouped(table)
    if len(symbols.codes) == 1:
        yield symbols.codes[0], table
    else:
        yield from symbols.parts()


def gathered(tables: Iterable[T], rows: int) -> Iterator[T]:
    """Join neighbouring tables until they have at least that many rows: fewer, longer columns."""
    waiting: list[T] = []
    for table in tables:
        waiting.append(table)
        del table
        if sum(map(len, waiting)) >= rows:
            # Nothing is held of what is handed on: there may be many of such iterators.
            waiting = [concat(waiting)]
            yield waiting.pop()
    if waiting:
        waiting = [concat(waiting)]
        yield waiting.pop()


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """A run of rows of a table, cut without touching the columns: what channels carry."""

    base: T
    start: int
    stop: int

    @staticmethod
    def all(table: T) -> Rows[T]:
        """Return every row of a table."""
        return Rows(table, 0, len(table))

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, rows: slice) -> Rows[T]:
        start, stop, _ = rows.indices(len(self))
        return Rows(self.base, self.start + start, self.start + max(start, stop))

    def table(self) -> T:
        """Cut the run out of its table."""
        return self.base[self.start : self.stop]


def gather(pieces: list[Rows[T]]) -> T:
    """Join runs of rows into one table; neighbouring runs of one table are cut once."""
    return concat([piece.table() for piece in neighbours_joined(pieces)])


def neighbours_joined(pieces: list[Rows[T]]) -> Iterator[Rows[T]]:
    """Yield runs of rows (at least one), those that go on in one table as one."""
    current = pieces[0]
    for piece in pieces[1:]:
        if piece.base is current.base and piece.start == current.stop:
            current = Rows(current.base, current.start, piece.stop)
        else:
            yield current
            current = piece
    yield current
