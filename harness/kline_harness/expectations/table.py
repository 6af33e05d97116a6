"""The stored table in the order in which it was stored: whole columns, or pieces of all of them.

A month of seconds has millions of rows: nobody here holds more than a few columns of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kline_harness.arrow import unscaled
from kline_harness.interval import INTERVALS, Interval
from kline_harness.units import ExactArray, Int64Array, magnitude, trailing_zeros

PIECE_ROWS = 65_536
# What is decoded at once, in all columns.
_BATCH_ROWS = 8_192
PRICES = ("open", "high", "low", "close")
QUANTITIES = ("volume", "taker_buy_volume")
QUOTES = ("quote_volume", "taker_buy_quote_volume")
# Null where a kline is of trades without ids.
IDS = ("first_trade_id", "last_trade_id")
_NO_ID = -1
_STORED_SCALE = 18
# Scales to try for a column that has fewer decimals than it is stored with.
_SCALES = (4, 8, 12, _STORED_SCALE)
_NS_PER_US = 1_000
_INT32_MAX = 2**31 - 1
_CODES = {interval.text: code for code, interval in enumerate(INTERVALS)}
# Codes of a symbol and the text of an interval together.
Series: TypeAlias = NDArray[np.int32]
# Numbers of rows, in the order in which they were stored.
Rows: TypeAlias = NDArray[np.int32]
_KEYS = ("symbol", "interval", "trigger", "open_time")


class StoredTable:
    """The rows of a dataset's parts.

    `open_ns` are the open times and `series` the pairs of symbol and interval of all rows, as
    codes: `symbols[symbol_of(code)]` and `intervals[text_of(code)]`. `interval_of` are codes of
    INTERVALS, in which an unknown interval, a rule of its own, stands for the first.
    """

    def __init__(self, parts: Iterable[Path]) -> None:
        self._parts = list(parts)
        self._names = pq.read_schema(self._parts[0]).names
        self.rows = sum(pq.read_metadata(path).num_rows for path in self._parts)
        self.symbols: list[str] = []
        self.intervals: list[str] = []
        triggers: list[str] = []
        symbol = np.empty(self.rows, dtype=np.int32)
        interval = np.empty(self.rows, dtype=np.int8)
        self.at_end = np.empty(self.rows, dtype=np.bool_)
        self.open_ns = np.empty(self.rows, dtype=np.int64)
        for start, table in self.pieces(_KEYS):
            here = slice(start, start + table.num_rows)
            symbol[here] = _codes(table["symbol"], self.symbols)
            interval[here] = _codes(table["interval"], self.intervals)
            marks = _codes(table["trigger"], triggers)
            self.at_end[here] = np.array([name == "end" for name in triggers])[marks]
            self.open_ns[here] = integers(table["open_time"]) * _NS_PER_US
        symbol *= len(self.intervals) or 1
        symbol += interval
        self.series: Series = symbol
        known = [_CODES.get(text, 0) for text in self.intervals]
        self._known = np.array(known, dtype=np.int8)
        groups = (PRICES, QUANTITIES, QUOTES)
        self._scales = {group: self._scale(group) for group in groups if self.rows}

    def symbol_of(self, series: Series) -> Series:
        """Return the codes of the symbols of some series."""
        return series // np.int32(len(self.intervals))

    def text_of(self, series: Series) -> Series:
        """Return the codes of the intervals' texts of some series."""
        return series % np.int32(len(self.intervals))

    def interval_of(self, series: Series) -> NDArray[np.int8]:
        """Return the intervals of some series as codes of INTERVALS."""
        return self._known[self.text_of(series)]

    def times(self, of: Callable[[Interval, Int64Array], Int64Array], rows: Rows) -> Int64Array:
        """Return a time of some rows' intervals, such as `Interval.close_times_ns`."""
        opens, codes = self.open_ns[rows], self.interval_of(self.series[rows])
        out = np.empty(len(rows), dtype=np.int64)
        for code in np.unique(codes).tolist():
            mine = codes == code
            out[mine] = of(INTERVALS[code], opens[mine])
        return out

    def pieces(self, names: Iterable[str] = ()) -> Iterator[tuple[int, pa.Table]]:
        """Yield columns, without names all, in pieces of so many rows, each with its first row."""
        start, held, rows = 0, list[pa.RecordBatch](), 0
        columns = list(names) or self._names
        for path in self._parts:
            with pq.ParquetFile(path) as file:
                # Threads would decode further columns at once.
                for batch in file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
                    if rows and rows + batch.num_rows > PIECE_ROWS:
                        yield start, _joined(held)
                        start, held, rows = start + rows, [], 0
                    held.append(batch)
                    rows += batch.num_rows
        if rows:
            yield start, _joined(held)

    def column(self, name: str) -> ExactArray:
        """Return a whole column: counts and ids as integers, decimals at the scale of `scale`.

        Small numbers are int32: who adds them up widens them.
        """
        parts = [_small(self.exact(table[name], name)) for _, table in self.pieces((name,))]
        return np.concatenate(parts)

    def exact(self, column: pa.ChunkedArray, name: str) -> ExactArray:
        """Return a column of a piece as integers, decimals at the scale of `scale`."""
        if not pa.types.is_decimal(column.type):
            return integers(column, _NO_ID if name in IDS else 0)
        return _unscaled(column.cast(pa.decimal128(38, self.scale(name))))

    @property
    def decimals(self) -> set[str]:
        """The columns that are decimals."""
        return {name for group in self._scales for name in group}

    def scale(self, name: str) -> int:
        """Return how many decimals a column and those of its kind have, in all rows."""
        return next(scale for group, scale in self._scales.items() if name in group)

    def _scale(self, names: tuple[str, ...]) -> int:
        """Return the smallest scale that holds every number of some columns."""
        scale = 0
        for _, table in self.pieces(names):
            scale = max(scale, *(_scale_of(table[name], scale) for name in names))
        return scale


def _small(values: ExactArray) -> ExactArray:
    small = values.dtype != object and magnitude(values) <= _INT32_MAX
    return values.astype(np.int32) if small else values


def _joined(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.concat_tables([pa.Table.from_batches([batch]) for batch in batches])


def _scale_of(column: pa.ChunkedArray, least: int) -> int:
    """Return the smallest scale, not below `least`, that holds a column."""
    for scale in (least, *(one for one in _SCALES if one > least)):
        try:
            values = _unscaled(column.cast(pa.decimal128(38, scale)))
        except pa.ArrowInvalid:
            continue
        return scale - trailing_zeros(values, scale - least)
    raise AssertionError("the stored scale holds every stored number")


def _codes(column: pa.ChunkedArray, names: list[str]) -> NDArray[np.int64]:
    """Return a text column as codes into `names`, which grows; a missing text is empty."""
    texts = column.cast(pa.string()).fill_null("") if column.null_count else column
    if not pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_encode()
    whole = _whole(texts.unify_dictionaries())
    for name in whole.dictionary.to_pylist():
        if name not in names:
            names.append(name)
    places = [names.index(name) for name in whole.dictionary.to_pylist()]
    codes: NDArray[np.int64] = np.array(places, dtype=np.int64)[whole.indices.to_numpy()]
    return codes


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def integers(column: pa.ChunkedArray, missing: int = 0) -> Int64Array:
    """Return a column of integers or timestamps; `missing` where there is none."""
    whole = _whole(column.cast(pa.int64()))
    values: Int64Array = (whole.fill_null(missing) if whole.null_count else whole).to_numpy()
    return values


def _unscaled(column: pa.ChunkedArray) -> ExactArray:
    """Return the integers behind a decimal column; a missing one is 0."""
    return unscaled(column.fill_null(0) if column.null_count else column)
