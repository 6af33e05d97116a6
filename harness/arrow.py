"""Columns of Arrow tables as numpy, read off their buffers.

Arrow's own conversion imports pandas, which costs more than most tables here take to read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from harness.units import BoolArray, Int64Array


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


def mask_of(column: pa.ChunkedArray) -> BoolArray:
    """Return a column of booleans, without nulls."""
    whole = column.combine_chunks()
    if len(whole) == 0:
        return np.empty(0, dtype=np.bool_)
    bits = np.unpackbits(np.frombuffer(whole.buffers()[1], dtype=np.uint8), bitorder="little")
    return bits[whole.offset : whole.offset + len(whole)].astype(np.bool_)


def take_rows(table: pa.Table, rows: NDArray[Any]) -> pa.Table:
    """Return some rows of a table, by their numbers."""
    numbers = np.ascontiguousarray(rows, dtype=np.int64)
    return table.take(
        pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
    )


def _values(array: pa.Array, kind: Any) -> Any:
    if len(array) == 0:
        return np.empty(0, dtype=kind)
    values = np.frombuffer(array.buffers()[1], dtype=kind)
    return values[array.offset : array.offset + len(array)]
