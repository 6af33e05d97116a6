"""Between columns of Arrow tables and numpy, by their buffers.

Arrow's own conversion imports pandas, which costs more than most tables here take to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.units import BoolArray, ExactArray, Int64Array

_EXACT = Context(prec=80)


def int64_of(column: pa.ChunkedArray) -> Int64Array:
    """Return a column of int64, or of timestamps as their integers; a null is -1."""
    whole = column.combine_chunks()
    values: Int64Array = _values(whole, np.int64)
    if whole.null_count:
        values = np.where(_stated(whole), values, np.int64(-1))
    return values


def texts_of(column: pa.ChunkedArray) -> tuple[list[str], Int64Array]:
    """Return a dictionary-encoded column as its texts and each row's index into them."""
    whole = column.combine_chunks()
    texts: list[str] = whole.dictionary.to_pylist()
    return texts, _values(whole.indices, np.int32).astype(np.int64)


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
    words = decimal_words(column)
    # Halves of the low words, so that their sums fit.
    lower, upper = words["low"] & np.uint64(2**32 - 1), words["low"] >> np.uint64(32)
    unscaled = (int(words["high"].sum()) << 64) + (int(upper.sum()) << 32) + int(lower.sum())
    return _EXACT.scaleb(Decimal(unscaled), -column.type.scale)


def decimal_words(column: pa.ChunkedArray | pa.Array) -> NDArray[Any]:
    """Return the 128-bit words of a column of decimal128, `low` unsigned and `high` signed.

    Those of a missing value are whatever stands there.
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    words: NDArray[Any] = _values(whole, np.dtype([("low", "<u8"), ("high", "<i8")]))
    return words


def words_of(values: Iterable[int]) -> NDArray[np.uint64]:
    """Return integers as 128-bit two's complement, two words each, the low one first."""
    data = b"".join([value.to_bytes(16, "little", signed=True) for value in values])
    return np.frombuffer(data, dtype=np.uint64).reshape(-1, 2)


def decimals_of(words: NDArray[np.uint64], kind: pa.DataType) -> pa.Array:
    """Return such words as a column of decimal128."""
    return pa.Array.from_buffers(kind, len(words), [None, pa.py_buffer(words)])


def unscaled(column: pa.ChunkedArray | pa.Array) -> ExactArray:
    """Return the integers behind a column of decimal128 without nulls.

    They are Python's where int64 is not enough: it is where each high word only repeats the low
    one's sign.
    """
    words = decimal_words(column)
    low, high = words["low"].astype(np.int64), words["high"]
    if np.array_equal(low >> np.int64(63), high):
        return low
    wide: ExactArray = high.astype(object) * 2**64 + words["low"].astype(object)
    return wide


def narrowed(column: pa.ChunkedArray | pa.Array) -> tuple[ExactArray, int]:
    """Return the integers behind a column of decimal128 without nulls, and their scale.

    Where int64 is not enough for the type's scale but is for a smaller one that loses nothing, it
    is that one.
    """
    scale = int(column.type.scale)
    words = decimal_words(column)
    low, high = words["low"].astype(np.int64), words["high"]
    if np.array_equal(low >> np.int64(63), high):
        return low, scale
    negative = high < 0
    limbs = _limbs(words, negative)
    for digits in (9, 9, 3, 3, 3, 1, 1):
        if digits <= scale and not _fits(limbs):
            quotient, rest = _divided(limbs, 10**digits)
            if not rest.any():
                limbs, scale = quotient, scale - digits
    if not _fits(limbs):
        return unscaled(column), int(column.type.scale)
    amounts = ((limbs[2] << np.uint64(32)) | limbs[3]).astype(np.int64)
    return np.where(negative, -amounts, amounts), scale


def _limbs(words: NDArray[Any], negative: BoolArray) -> list[NDArray[np.uint64]]:
    """Return the amounts as four limbs of 32 bits, the highest first."""
    low, high = words["low"].copy(), words["high"].astype(np.uint64)
    if negative.any():
        # Two's complement: invert, add one, carry into the high word.
        low[negative] = ~low[negative] + np.uint64(1)
        high[negative] = ~high[negative] + (low[negative] == 0)
    half, mask = np.uint64(32), np.uint64(2**32 - 1)
    return [high >> half, high & mask, low >> half, low & mask]


def _fits(limbs: list[NDArray[np.uint64]]) -> bool:
    return not (limbs[0].any() or limbs[1].any() or (limbs[2] >> np.uint64(31)).any())


def _divided(
    limbs: list[NDArray[np.uint64]], divisor: int
) -> tuple[list[NDArray[np.uint64]], NDArray[np.uint64]]:
    """Divide by a number below 2**32, limb by limb as one does on paper."""
    rest = np.zeros_like(limbs[0])
    quotient = []
    for limb in limbs:
        whole = (rest << np.uint64(32)) | limb
        digit = whole // np.uint64(divisor)
        quotient.append(digit)
        rest = whole - digit * np.uint64(divisor)
    return quotient, rest


def take_rows(table: pa.Table, rows: NDArray[Any]) -> pa.Table:
    """Return some rows of a table, by their numbers; rows that follow each other are no copy."""
    first = int(rows[0]) if len(rows) else 0
    if np.array_equal(rows, np.arange(first, first + len(rows))):
        return table.slice(first, len(rows))
    return table.take(array_of(rows, pa.int64()))


def array_of(values: NDArray[Any], kind: pa.DataType, stated: BoolArray | None = None) -> pa.Array:
    """Return a column of numpy's as Arrow's: booleans and int32 as such, any other on 64 bits.

    Where `stated` is given and false, the value is null.
    """
    # By their bits: Arrow's cast is in a module that costs more to import than most replays.
    bits = None
    if stated is not None and not stated.all():
        bits = pa.py_buffer(np.packbits(stated, bitorder="little"))
    if kind == pa.bool_():
        column = np.packbits(values, bitorder="little")
    else:
        column = np.ascontiguousarray(values, dtype=np.int32 if kind == pa.int32() else np.int64)
    return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(column)])


def dictionary_text(
    codes: NDArray[Any], values: Sequence[str], stated: BoolArray | None = None
) -> pa.Array:
    """Return a dictionary-encoded text column; `codes` are places in `values`.

    Where `stated` is given and false, the value is null.
    Arrow's Parquet writer counts a dictionary's bytes with every repeat but writes each value
    once, and what it did not write into goes to the file as it was: so values that repeat are
    made one here.
    """
    distinct = list(dict.fromkeys(values))
    if len(distinct) < len(values):
        place = {value: code for code, value in enumerate(distinct)}
        codes = np.array([place[value] for value in values], dtype=np.int32)[codes]
    encoded = [value.encode("utf-8", "replace") for value in distinct]
    offsets = np.cumsum([0, *(len(value) for value in encoded)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    dictionary = pa.Array.from_buffers(pa.string(), len(distinct), buffers)
    return pa.DictionaryArray.from_arrays(array_of(codes, pa.int32(), stated), dictionary)


def _stated(array: pa.Array) -> BoolArray:
    """Tell which values are not null."""
    bits = np.frombuffer(array.buffers()[0], dtype=np.uint8)
    whole = np.unpackbits(bits, count=array.offset + len(array), bitorder="little")
    stated: BoolArray = whole[array.offset :].astype(np.bool_)
    return stated


def _values(array: pa.Array, kind: Any) -> Any:
    if len(array) == 0:
        return np.empty(0, dtype=kind)
    values = np.frombuffer(array.buffers()[1], dtype=kind)
    return values[array.offset : array.offset + len(array)]
