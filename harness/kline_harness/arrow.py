"""Between columns of Arrow tables and numpy, by their buffers.

Arrow's own conversion imports pandas, which costs more than most tables here take to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.units import BoolArray, Int64Array

_EXACT = Context(prec=80)


def int64_of(column: pa.ChunkedArray) -> Int64Array:
    """Return a column of int64, or of timestamps as their integers, without nulls."""
    values: Int64Array = _values(column.combine_chunks(), np.int64)
    return values


def texts_of(column: pa.ChunkedArray) -> tuple[list[str], Int64Array]:
    """Return a dictionary-encoded column as its texts and each row's index into them."""
    whole = column.combine_chunks()
    dictionary = whole.dictionary
    return [dictionary[k].as_py() for k in range(len(dictionary))], _values(
        whole.indices, np.int32
    ).astype(np.int64)


def unequal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> BoolArray:
    """Tell in which rows two columns of one fixed-width type, without nulls, differ."""
    kind = np.dtype((np.void, left.type.bit_width // 8))
    ours, theirs = (_values(column.combine_chunks(), kind) for column in (left, right))
    differing: BoolArray = ours != theirs
    return differing


def total_of(column: pa.ChunkedArray) -> Decimal:
    """Add up a column of decimal128 without nulls, exactly.

    Arrow's own sum is in a module that costs more to import than most replays take.
    """
    words = _values(column.combine_chunks(), np.dtype([("low", "<u8"), ("high", "<i8")]))
    # Halves of the low words, so that their sums fit.
    lower, upper = words["low"] & np.uint64(2**32 - 1), words["low"] >> np.uint64(32)
    unscaled = (int(words["high"].sum()) << 64) + (int(upper.sum()) << 32) + int(lower.sum())
    return _EXACT.scaleb(Decimal(unscaled), -column.type.scale)


def take_rows(table: pa.Table, rows: NDArray[Any]) -> pa.Table:
    """Return some rows of a table, by their numbers."""
    return table.take(array_of(rows, pa.int64()))


def array_of(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Return a column of numpy's as Arrow's: int32 as such, any other type on 64 bits."""
    column = np.ascontiguousarray(values, dtype=np.int32 if kind == pa.int32() else np.int64)
    return pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(column)])


def dictionary_text(codes: NDArray[Any], values: Sequence[str]) -> pa.Array:
    """Return a dictionary-encoded text column; `codes` are places in `values`.

    Arrow's Parquet writer counts a dictionary's bytes with every repeat but writes each value
    once, and what it did not write into goes to the file as it was: so values that repeat are
    made one here.
    """
    distinct = list(dict.fromkeys(values))
    if len(distinct) < len(values):
        place = {value: code for code, value in enumerate(distinct)}
        codes = np.array([place[value] for value in values], dtype=np.int32)[codes]
    encoded = [value.encode() for value in distinct]
    offsets = np.cumsum([0, *(len(value) for value in encoded)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    dictionary = pa.Array.from_buffers(pa.string(), len(distinct), buffers)
    return pa.DictionaryArray.from_arrays(array_of(codes, pa.int32()), dictionary)


def _values(array: pa.Array, kind: Any) -> Any:
    if len(array) == 0:
        return np.empty(0, dtype=kind)
    values = np.frombuffer(array.buffers()[1], dtype=kind)
    return values[array.offset : array.offset + len(array)]
