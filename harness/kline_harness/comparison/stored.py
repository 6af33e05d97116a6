"""Our finals as they are stored, by series."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import int64_of, take_rows, texts_of
from kline_harness.background import Begun
from kline_harness.comparison.series_rows import (
    CHUNK_ROWS,
    RowsInMemory,
    SeriesRows,
    ascending,
)
from kline_harness.compiled.memory import trim
from kline_harness.interval import INTERVALS
from kline_harness.kline import SCHEMA
from kline_harness.units import NS_PER_MICROSECOND, BoolArray, Int64Array, inverse

_NO_ROWS = np.empty(0, dtype=np.int32)
# So many rows of short series are read together: every series has some in every piece. Of very
# many rows it is a share, so that all of them are read a few times, however many there are.
_TOGETHER_ROWS = 262_144
_PASSES = 16


# Reads some rows that follow each other; only some columns if named.
Reader: TypeAlias = Callable[[Sequence[str] | None], pa.Table]


def in_memory(table: pa.Table) -> Reader:
    """Return what reads a table that is held."""
    whole = table.combine_chunks() if table.num_rows else table
    return lambda names: whole if names is None else whole.select(list(names))


class Stored:
    """Our finals by series: row numbers of the table, sorted by open time.

    Columns are read as they are asked for: the whole table of a month of seconds takes 500 MB.
    """

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers
        self._table: pa.Table | None = None
        self._integers: dict[str, Int64Array] = {}
        self._is_quiet: BoolArray | None = None
        # Whether there is one series, in order of time.
        self._in_order = False
        self.rows: dict[tuple[str, str], NDArray[np.int32]] = {}
        numbers = _SeriesNumbers()
        parts = [numbers.of(table) for table in self.pieces_ahead(("symbol", "interval"))]
        # Where the rows of each reader begin, and how many there are.
        self.starts: Int64Array = np.cumsum([0, *map(len, parts)])
        self._rows = int(self.starts[-1])
        if self._rows == 0:
            return
        if len(numbers.keys) == 1:
            self._take_one(*numbers.keys)
        else:
            self._take_many(numbers.keys, parts)

    def _take_one(self, key: tuple[str, str]) -> None:
        order = ascending(self._whole("open_time"))
        self._in_order = order is None
        self.rows[key] = np.arange(len(self), dtype=np.int32)
        if order is not None:
            self.rows[key] = order.astype(np.int32)

    def _take_many(
        self, series_keys: Sequence[tuple[str, str]], parts: list[NDArray[np.int32]]
    ) -> None:
        # Narrow keys and early frees: a month of seconds has millions of rows.
        series = np.concatenate(parts)
        parts.clear()
        # Small numbers are sorted by radix, ten times as fast.
        keys = series.astype(np.uint16) if len(series_keys) <= 1 << 16 else series
        order = np.argsort(keys, kind="stable").astype(np.int32)
        starts = np.cumsum([0, *np.bincount(series)[:-1].tolist()]).tolist()
        stops = [*starts[1:], len(series)]
        del series
        opens = self._whole("open_time")
        for key, start, stop in zip(series_keys, starts, stops, strict=True):
            rows = order[start:stop]
            # Published in order, as a rule.
            if (by_time := ascending(opens[rows])) is not None:
                rows = rows[by_time]
            self.rows[key] = rows

    @staticmethod
    def of(table: pa.Table) -> Stored:
        """Index a table of finals."""
        return Stored([in_memory(table)])

    def __len__(self) -> int:
        """Count the finals."""
        return self._rows

    def series_numbers(self) -> NDArray[np.int32]:
        """Return of each final, in the order of publication, which of `rows` it is of."""
        numbers = np.empty(len(self), dtype=np.int32)
        for number, rows in enumerate(self.rows.values()):
            numbers[rows] = number
        return numbers

    def pieces(self, names: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield all finals in the order of publication, some at a time; only some columns if named.

        At least one table.
        """
        for number in range(len(self._readers)):
            yield self.piece(number, names)
        if not self._readers:
            yield SCHEMA.empty_table().select(SCHEMA.names if names is None else list(names))

    def pieces_ahead(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the same, some columns only, read by two threads in turn."""
        if len(self._readers) < 2:
            yield from self.pieces(names)
            return
        numbers = range(len(self._readers))
        turns = ((self.piece(number, names) for number in numbers[turn::2]) for turn in range(2))
        begun = [Begun(turn, early=1) for turn in turns]
        try:
            threads = [iter(one) for one in begun]
            yield from (next(threads[number % 2]) for number in numbers)
        finally:
            for one in begun:
                one.close()

    def piece(self, number: int, names: Sequence[str] | None) -> pa.Table:
        """Return the finals of one reader."""
        table = self._readers[number](names)
        if table.num_rows > CHUNK_ROWS:
            trim()
        return table

    @property
    def table(self) -> pa.Table:
        """The whole table, in the order of publication; kept once it was asked for."""
        if self._table is None:
            table = pa.concat_tables(list(self.pieces(None))).unify_dictionaries()
            self._table = table.combine_chunks() if table.num_rows else table
        return self._table

    def rows_of(self, symbol: str, interval: str) -> StoredRows:
        """Return one series' finals by open time; none when there is no such series."""
        return StoredRows(self, self.rows.get((symbol, interval), _NO_ROWS))

    def in_turn(
        self, keys: Sequence[tuple[str, str]], names: Sequence[str]
    ) -> Iterator[SeriesRows]:
        """Yield the finals of series one after the other, each by open time; of columns named."""
        together: list[NDArray[np.int32]] = []
        most, held = max(_TOGETHER_ROWS, len(self) // _PASSES), 0
        for key in keys:
            rows = self.rows.get(key, _NO_ROWS)
            if together and held + len(rows) > most:
                yield from self._together(together, names)
                together, held = [], 0
            together.append(rows)
            held += len(rows)
        yield from self._together(together, names)

    def _together(
        self, series: Sequence[NDArray[np.int32]], names: Sequence[str]
    ) -> Iterator[SeriesRows]:
        """Yield some series, read in one pass over the pieces; a long one as it is needed."""
        every = StoredRows(self, np.concatenate([_NO_ROWS, *series]))
        if len(series) == 1 and len(every) > _TOGETHER_ROWS:
            yield every
            return
        table, start = every.take(np.arange(len(every)), names).combine_chunks(), 0
        for rows in series:
            yield RowsInMemory(table.slice(start, len(rows)))
            start += len(rows)

    def series(self, symbol: str, interval: str, names: Sequence[str] | None = None) -> pa.Table:
        """Return one series' finals by open time, all at once; only some columns if named."""
        mine = self.rows_of(symbol, interval)
        return mine.take(np.arange(len(mine)), names).combine_chunks()

    def quiet_opens_ns(self, symbol: str, interval: str) -> Int64Array:
        """Return the open times of one series' klines without trades, in order."""
        if self._is_quiet is None:
            self._is_quiet = self._whole("count") == 0
        rows = self.rows.get((symbol, interval), _NO_ROWS)
        rows = rows[self._is_quiet[rows]]
        opens = self.integers_of(rows, "open_time")
        opens *= NS_PER_MICROSECOND
        return opens

    def _whole(self, name: str) -> Int64Array:
        """Return a column of integers or times in the order of publication."""
        out, start = np.empty(len(self), dtype=np.int64), 0
        for piece in self.pieces_ahead((name,)):
            out[start : start + piece.num_rows] = int64_of(piece[name])
            start += piece.num_rows
        return out

    def integers(self, symbol: str, interval: str, name: str) -> Int64Array:
        """Return a column of integers or times of one series, by open time; times in us."""
        return self.integers_of(self.rows.get((symbol, interval), _NO_ROWS), name)

    def integers_of(self, rows: NDArray[np.int32], name: str) -> Int64Array:
        """Return a column of integers or times of some rows; times in us."""
        values = self._integers.get(name)
        if values is None:
            values = self._whole(name)
            if self._in_order and len(rows) == len(self):
                return values
            if len(self.rows) > 1:
                # Every series asks for it.
                self._integers[name] = values
        chosen: Int64Array = values[rows]
        return chosen


class StoredRows:
    """One series of the stored finals, read as its rows are asked for."""

    def __init__(self, stored: Stored, rows: NDArray[np.int32]) -> None:
        self._stored = stored
        self._rows = rows
        self._last: tuple[tuple[str, ...] | None, int, pa.Table] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def opens_ns(self) -> Int64Array:
        """Return every open time."""
        opens = self._stored.integers_of(self._rows, "open_time")
        opens *= NS_PER_MICROSECOND
        return opens

    def take(self, rows: NDArray[Any], names: Sequence[str] | None = None) -> pa.Table:
        """Return some rows in the order given; only some columns if named."""
        wanted = self._rows[rows].astype(np.int64)
        order = ascending(wanted)
        if order is not None:
            wanted = wanted[order]
        found = pa.concat_tables(self._parts(wanted, names)).unify_dictionaries()
        return found if order is None else take_rows(found, inverse(order))

    def _parts(self, wanted: Int64Array, names: Sequence[str] | None) -> Iterator[pa.Table]:
        starts = self._stored.starts
        cuts = np.searchsorted(wanted, starts)
        for number in np.flatnonzero(np.diff(cuts)).tolist():
            mine = wanted[cuts[number] : cuts[number + 1]] - starts[number]
            yield take_rows(self._piece(number, names), mine)
        if len(wanted) == 0:
            yield next(self._stored.pieces(names)).slice(0, 0)

    def _piece(self, number: int, names: Sequence[str] | None) -> pa.Table:
        """Return some of the stored finals; the last ones read are kept."""
        named = None if names is None else tuple(names)
        if self._last is None or self._last[:2] != (named, number):
            self._last = None
            self._last = (named, number, self._stored.piece(number, named))
        return self._last[2]


class _SeriesNumbers:
    """The numbers of series, in the order in which tables show them.

    What a table costs beyond its rows grows with its symbols, not with its series: of many
    symbols every table has nearly all series.
    """

    def __init__(self) -> None:
        self.keys: list[tuple[str, str]] = []
        # Places of symbols and intervals, and the number of each pair of them, -1 without any.
        self._symbols: dict[str, int] = {}
        self._intervals: dict[str, int] = {}
        self._of_pair: NDArray[np.int32] = np.empty(0, dtype=np.int32)

    def of(self, table: pa.Table) -> NDArray[np.int32]:
        """Return the number of each row's series; new series get the next ones."""
        symbols, intervals = self._symbols, self._intervals
        pairs = _places(table["symbol"], symbols) * len(INTERVALS)
        pairs += _places(table["interval"], intervals)
        more = len(symbols) * len(INTERVALS) - len(self._of_pair)
        self._of_pair = np.append(self._of_pair, np.full(more, -1, dtype=np.int32))
        numbers: NDArray[np.int32] = self._of_pair[pairs]
        new = np.flatnonzero(numbers < 0)
        if len(new) == 0:
            return numbers
        # The first row of each pair is the last that is put there.
        rows = np.full(len(self._of_pair), len(pairs))
        rows[pairs[new[::-1]]] = new[::-1]
        found = np.flatnonzero(rows < len(pairs))
        found = found[np.argsort(rows[found])]
        self._of_pair[found] = np.arange(len(self.keys), len(self.keys) + len(found))
        names, texts = list(symbols), list(intervals)
        for pair in found.tolist():
            symbol, interval = divmod(pair, len(INTERVALS))
            self.keys.append((names[symbol], texts[interval]))
        again: NDArray[np.int32] = self._of_pair[pairs]
        return again


def _places(column: pa.ChunkedArray, known: dict[str, int]) -> Int64Array:
    """Return the place of each row's text among those known, which grow by new ones."""
    texts, own = texts_of(column)
    places = np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int64)
    found: Int64Array = places[own]
    return found
