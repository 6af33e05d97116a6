"""Scaled integers as Arrow decimals of one type: exact, or refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import decimals_of, words_of
from kline_harness.columns import Columns
from kline_harness.compiled.groups import product_words
from kline_harness.errors import OutputError
from kline_harness.units import BoolArray, ExactArray, Int64Array, format_exact

DECIMAL_DIGITS = 38
DECIMAL_SCALE = 18
DECIMAL = pa.decimal128(DECIMAL_DIGITS, DECIMAL_SCALE)
_LOW_WORD = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)


def decimal_columns(table: Columns) -> dict[str, pa.Array]:
    """Return the prices, quantities and quote quantities of a table as `DECIMAL`, by name.

    Raises OutputError for a number that does not fit: nothing is ever rounded.
    """
    columns: dict[str, pa.Array] = {}
    for names, scales in _scales(table):
        factors = None
        if not _is_too_fine(scales):
            of_scale = np.array([10 ** (DECIMAL_SCALE - scale) for scale in scales], np.uint64)
            factors = of_scale[table.symbol]
        for name in names:
            columns[name] = _decimal(table, name, scales, factors)
    return columns


def fits_decimal(table: Columns) -> BoolArray:
    """Tell which rows have only numbers that `decimal_columns` takes."""
    fits: BoolArray = np.ones(len(table), dtype=np.bool_)
    for names, scales in _scales(table):
        for name in names:
            values: ExactArray = getattr(table, name)
            # int64 at no finer a scale always fits.
            if values.dtype == object or _is_too_fine(scales):
                fits &= _fits(values, _digits(table, scales))
    return fits


def _is_too_fine(scales: list[int]) -> bool:
    """Tell whether numbers can have digits below the stored scale."""
    return max(scales, default=0) > DECIMAL_SCALE


def _decimal(
    table: Columns, name: str, scales: list[int], factors: NDArray[np.uint64] | None
) -> pa.Array:
    """Return a column at the stored scale; without `factors`, some numbers are finer than it."""
    values: ExactArray = getattr(table, name)
    if values.dtype == object or factors is None:
        words = _wide_words(table, name, values, _digits(table, scales))
    else:
        words = scale_to_words(values, factors)
    return decimals_of(words, DECIMAL)


def scale_to_words(values: Int64Array, factors: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Multiply int64 by factors up to 10**18, exactly, into 128-bit two's complement words.

    The product is below 10**38, so it always fits.
    """
    words = product_words(values, factors)
    return _schoolbook(values, factors) if words is None else words


def _schoolbook(values: Int64Array, factors: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Multiply 32-bit halves: numpy has no 128-bit integer."""
    negative = values < 0
    amounts = values.astype(np.uint64)
    np.negative(amounts, out=amounts, where=negative)
    low, high = amounts & _LOW_WORD, amounts >> _WORD
    factor_low, factor_high = factors & _LOW_WORD, factors >> _WORD
    low_low, low_high = low * factor_low, low * factor_high
    high_low, high_high = high * factor_low, high * factor_high
    middle = (low_low >> _WORD) + (low_high & _LOW_WORD) + (high_low & _LOW_WORD)
    words = np.empty((len(values), 2), dtype=np.uint64)
    words[:, 0] = (low_low & _LOW_WORD) | (middle << _WORD)
    words[:, 1] = high_high + (low_high >> _WORD) + (high_low >> _WORD) + (middle >> _WORD)
    if negative.any():
        # Two's complement of 128 bits: invert, add one, carry into the high word.
        below = ~words[negative] + np.array([1, 0], dtype=np.uint64)
        below[:, 1] += below[:, 0] == 0
        words[negative] = below
    return words


def _wide_words(
    table: Columns, name: str, values: ExactArray, digits: Int64Array
) -> NDArray[np.uint64]:
    """Scale number by number with Python integers: slow, and right for any size and scale."""
    limit = 10**DECIMAL_DIGITS
    stored = []
    for row, (value, shift) in enumerate(zip(values.tolist(), digits.tolist(), strict=True)):
        scaled, rest = _scaled(value, shift)
        if rest or not -limit < scaled < limit:
            text = format_exact(value, DECIMAL_SCALE - shift)
            raise OutputError(
                f"{table.symbol_text(row)}: {name} {text} does not fit "
                f"decimal128({DECIMAL_DIGITS}, {DECIMAL_SCALE}) of the stored table"
            )
        stored.append(scaled)
    return words_of(stored)


def _fits(values: ExactArray, digits: Int64Array) -> BoolArray:
    limit = 10**DECIMAL_DIGITS
    pairs = zip(values.tolist(), digits.tolist(), strict=True)
    scaled = (_scaled(value, shift) for value, shift in pairs)
    fits = [rest == 0 and -limit < whole < limit for whole, rest in scaled]
    return np.array(fits, dtype=np.bool_)


def _scaled(value: int, shift: int) -> tuple[int, int]:
    """Return a number at the stored scale, and what of it lies below that scale."""
    return (value * 10**shift, 0) if shift >= 0 else divmod(value, 10**-shift)


def _digits(table: Columns, scales: list[int]) -> Int64Array:
    """Return how many digits each row's numbers lack to the stored scale."""
    digits = np.array([DECIMAL_SCALE - scale for scale in scales] or [0], dtype=np.int64)
    rows: Int64Array = digits[table.symbol]
    return rows


def _scales(table: Columns) -> list[tuple[tuple[str, ...], list[int]]]:
    """Return each group of columns that share a scale, with that scale per instrument."""
    instruments = table.instruments
    return [
        (table.price_columns(), [i.price_scale for i in instruments]),
        (table.quantity_columns(), [i.quantity_scale for i in instruments]),
        (table.quote_columns(), [i.quote_scale for i in instruments]),
    ]
