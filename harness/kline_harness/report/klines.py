"""The stored klines as columns per symbol and interval: what plots and the coverage map draw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kline_harness.errors import InputError
from kline_harness.interval import INTERVALS
from kline_harness.units import NS_PER_MICROSECOND, Int64Array

Floats = NDArray[np.float64]

_TEXT = ("symbol", "interval")
_PRICES = ("open", "high", "low", "close")
_TIMES = ("open_time", "close_time", "finalized_at")
_COLUMNS = [*_TEXT, *_TIMES, *_PRICES, "volume", "count", "trigger"]
_ORDER = {interval.text: code for code, interval in enumerate(INTERVALS)}


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The finals of one symbol and interval by open time.

    Prices and volume are floats: they place ink, nothing on the page is calculated from them.
    `ended` tells which were published only because the feed ended.
    """

    symbol: str
    interval: str
    open_time_ns: Int64Array
    close_time_ns: Int64Array
    finalized_at_ns: Int64Array
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    count: Int64Array
    ended: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.open_time_ns)

    def rows(self, chosen: NDArray[np.bool_]) -> Series:
        """Return the klines for which a mask is true."""
        columns = (field.name for field in fields(self) if field.name not in _TEXT)
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})


def no_klines(symbol: str, interval: str) -> Series:
    """Return a series of which nothing was stored."""
    times, values = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
    columns: dict[str, Any] = {field.name: values for field in fields(Series)}
    columns |= dict.fromkeys((*(f"{one}_ns" for one in _TIMES), "count"), times)
    columns |= {"symbol": symbol, "interval": interval, "ended": np.empty(0, dtype=np.bool_)}
    return Series(**columns)


def interval_order(interval: str) -> tuple[int, str]:
    """Return the sort key that puts shorter intervals first and unknown names last."""
    return _ORDER.get(interval, len(_ORDER)), interval


def read_klines(directory: Path) -> tuple[Series, ...]:
    """Read every part of the stored klines; symbols in order of name, shortest interval first.

    Raises InputError for a part that is not a table of klines.
    """
    pieces: list[dict[str, Any]] = []
    names: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for path in sorted(directory.glob("part-*.parquet")):
        pieces += (_columns(table, names) for table in _row_groups(path, _COLUMNS))
    if not pieces:
        return ()
    # One column at a time: all of them twice would be most of what a page takes.
    columns = {name: np.concatenate([piece.pop(name) for piece in pieces]) for name in [*pieces[0]]}
    return tuple(_split(columns, list(names[0]), list(names[1])))


def _columns(table: pa.Table, names: tuple[dict[str, int], dict[str, int]]) -> dict[str, Any]:
    """Return the columns of a row group; symbols and intervals are codes of all names so far."""
    columns: dict[str, Any] = {name: _floats(table[name]) for name in (*_PRICES, "volume")}
    columns |= {name: times_ns(table[name]) for name in _TIMES}
    columns["count"] = numbers(table["count"])
    triggers, found = text_codes(table["trigger"])
    columns["ended"] = triggers == (found.index("end") if "end" in found else -2)
    for name, known in zip(_TEXT, names, strict=True):
        codes, found = text_codes(table[name])
        places = [known.setdefault(text, len(known)) for text in found]
        columns[name] = np.array(places, dtype=np.int32)[codes]
    return columns


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file.

    Raises InputError when it cannot be read, or lacks one of the columns.
    """
    with _opened(path, columns or []) as file:
        return file.read(columns=columns)


def _row_groups(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    with _opened(path, columns) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)


@contextmanager
def _opened(path: Path, columns: list[str]) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            lacking = sorted(set(columns) - set(file.schema_arrow.names))
            if lacking:
                raise InputError(path, f"the columns {', '.join(lacking)}", "none of that name")
            yield file
    except (pa.ArrowException, OSError) as error:
        raise InputError(path, "a Parquet file", str(error).partition("\n")[0]) from error


def text_codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Return a text column as codes and the texts they stand for."""
    if len(column) == 0:
        return np.empty(0, dtype=np.int64), []
    plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    encoded = plain.combine_chunks().dictionary_encode()
    return _buffer(encoded.indices.cast(pa.int64()), -1), encoded.dictionary.to_pylist()


def times_ns(column: pa.ChunkedArray) -> Int64Array:
    """Return a column of zoned timestamps as epoch nanoseconds."""
    factor = {"us": NS_PER_MICROSECOND, "ns": 1, "ms": 10**6, "s": 10**9}[column.type.unit]
    return numbers(column.cast(pa.int64())) * np.int64(factor)


def numbers(column: pa.ChunkedArray) -> Int64Array:
    """Return a column of whole numbers, 0 where there is none."""
    if len(column) == 0:
        # Arrow makes one chunk of none with pandas, which takes longer than all the rest.
        return np.empty(0, dtype=np.int64)
    return _buffer(column.cast(pa.int64()).combine_chunks(), 0)


def _floats(column: pa.ChunkedArray) -> Floats:
    if len(column) == 0:
        return np.empty(0, dtype=np.float64)
    values = _buffer(pc.cast(column, pa.float64()).combine_chunks(), 0.0)
    return values.view(np.float64)


def _buffer(values: pa.Array, none: float) -> NDArray[Any]:
    """Return 64-bit values off their buffer (`to_numpy` would import pandas)."""
    filled = values.fill_null(none) if values.null_count else values
    start, stop = filled.offset, filled.offset + len(filled)
    return np.frombuffer(filled.buffers()[1] or b"", dtype=np.int64)[start:stop]


def _split(columns: dict[str, Any], symbols: list[str], intervals: list[str]) -> Iterator[Series]:
    """Cut the columns into series, each by open time."""
    keys = columns.pop("symbol").astype(np.int64) * len(intervals) + columns.pop("interval")
    order = np.lexsort((columns["open_time"], keys))
    found, starts = np.unique(keys[order], return_index=True)
    stops = np.append(starts[1:], len(order))
    for name in columns:
        columns[name] = columns[name][order]
    names = [(symbols[key // len(intervals)], intervals[key % len(intervals)]) for key in found]
    for place in sorted(range(len(names)), key=lambda at: (names[at][0], *_key(names[at][1]))):
        cut = {name: values[starts[place] : stops[place]] for name, values in columns.items()}
        for name in _TIMES:
            cut[f"{name}_ns"] = cut.pop(name)
        yield Series(*names[place], **cut)


def _key(interval: str) -> tuple[int, str]:
    return interval_order(interval)
