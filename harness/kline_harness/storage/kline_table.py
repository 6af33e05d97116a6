"""Final klines as an Arrow table: one schema for all symbols, exact."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import array_of, dictionary_text
from kline_harness.columns import Instrument
from kline_harness.errors import OutputError
from kline_harness.interval import INTERVALS
from kline_harness.kline import KlineBatch, Trigger
from kline_harness.units import NS_PER_MICROSECOND, BoolArray, ExactArray, Int64Array, format_exact

DECIMAL_DIGITS = 38
DECIMAL_SCALE = 18
_DECIMAL = pa.decimal128(DECIMAL_DIGITS, DECIMAL_SCALE)
_TEXT = pa.dictionary(pa.int32(), pa.string())
_MICROSECONDS = pa.timestamp("us", tz="UTC")
_NANOSECONDS = pa.timestamp("ns", tz="UTC")
_LOW_WORD = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)

DECIMAL_COLUMNS = (
    *("open", "high", "low", "close", "volume", "quote_volume"),
    *("taker_buy_volume", "taker_buy_quote_volume"),
)
SCHEMA: pa.Schema = pa.schema(
    [
        ("symbol", _TEXT),
        ("interval", _TEXT),
        ("open_time", _MICROSECONDS),
        ("close_time", _MICROSECONDS),
        *((name, _DECIMAL) for name in DECIMAL_COLUMNS),
        ("count", pa.int64()),
        ("first_trade_id", pa.int64()),
        ("last_trade_id", pa.int64()),
        ("finalized_at", _NANOSECONDS),
        ("trigger", _TEXT),
    ]
)


def to_arrow(batch: KlineBatch) -> pa.Table:
    """Return the klines as a table of `SCHEMA`, in their order.

    `close_time` is exclusive: the open time of the next kline. Arrays are made from buffers,
    because `pyarrow.array` would import pandas.

    Raises OutputError where a number does not fit decimal128(38, 18) or a time is finer than a
    microsecond: nothing is ever rounded.
    """
    names = [instrument.symbol for instrument in batch.instruments]
    columns = {
        "symbol": dictionary_text(batch.symbol, names),
        "interval": dictionary_text(batch.interval, [interval.text for interval in INTERVALS]),
        "open_time": _microseconds(batch, "open time", batch.open_time_ns),
        "close_time": _microseconds(batch, "close time", batch.close_time_ns()),
        "count": array_of(batch.count, pa.int64()),
        "first_trade_id": array_of(batch.first_trade_id, pa.int64()),
        "last_trade_id": array_of(batch.last_trade_id, pa.int64()),
        "finalized_at": array_of(batch.at_ns, _NANOSECONDS),
        "trigger": dictionary_text(batch.trigger, [trigger.name.lower() for trigger in Trigger]),
    }
    for names_of_scale, scales in _scales(batch):
        for name in names_of_scale:
            columns[name] = _decimal(batch, name, scales)
    return pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def storable(batch: KlineBatch) -> BoolArray:
    """Tell which klines `to_arrow` takes: it stores every number exactly or not at all."""
    fits: BoolArray = (batch.open_time_ns % NS_PER_MICROSECOND == 0) & (
        batch.close_time_ns() % NS_PER_MICROSECOND == 0
    )
    for names, scales in _scales(batch):
        digits = _digits(batch, scales)
        for name in names:
            fits &= _fits(getattr(batch, name), digits)
    return fits


def _fits(values: ExactArray, digits: Int64Array) -> BoolArray:
    if values.dtype != object and (len(digits) == 0 or digits.min() >= 0):
        return np.ones(len(values), dtype=np.bool_)
    limit = 10**DECIMAL_DIGITS
    pairs = zip(values.tolist(), digits.tolist(), strict=True)
    scaled = (_scaled(value, shift) for value, shift in pairs)
    fits = [rest == 0 and -limit < whole < limit for whole, rest in scaled]
    return np.array(fits, dtype=np.bool_)


def _scaled(value: int, shift: int) -> tuple[int, int]:
    """Return a number at the stored scale, and what of it lies below that scale."""
    return (value * 10**shift, 0) if shift >= 0 else divmod(value, 10**-shift)


def _digits(batch: KlineBatch, scales: list[int]) -> Int64Array:
    """Return how many digits each row's numbers lack to the stored scale."""
    digits = np.array([DECIMAL_SCALE - scale for scale in scales] or [0], dtype=np.int64)
    rows: Int64Array = digits[batch.symbol]
    return rows


def _scales(batch: KlineBatch) -> list[tuple[tuple[str, ...], list[int]]]:
    """Return each group of columns that share a scale, with that scale per instrument."""
    instruments: tuple[Instrument, ...] = batch.instruments
    return [
        (batch.price_columns(), [i.price_scale for i in instruments]),
        (batch.quantity_columns(), [i.quantity_scale for i in instruments]),
        (batch.quote_columns(), [i.quote_scale for i in instruments]),
    ]


def _microseconds(batch: KlineBatch, what: str, times_ns: Int64Array) -> pa.Array:
    whole, rest = np.divmod(times_ns, NS_PER_MICROSECOND)
    if rest.any():
        row = int(np.flatnonzero(rest)[0])
        raise OutputError(
            f"{batch.symbol_text(row)}: the {what} {int(times_ns[row])} ns is finer than the "
            "microseconds of the stored table"
        )
    return array_of(whole, _MICROSECONDS)


def _decimal(batch: KlineBatch, name: str, scales: list[int]) -> pa.Array:
    values: ExactArray = getattr(batch, name)
    digits = _digits(batch, scales)
    if values.dtype == object or (len(digits) and digits.min() < 0):
        words = _wide_words(batch, name, values, digits)
    else:
        words = scale_to_words(values, np.uint64(10) ** digits.astype(np.uint64))
    return pa.Array.from_buffers(_DECIMAL, len(values), [None, pa.py_buffer(words)])


def scale_to_words(values: Int64Array, factors: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Multiply int64 by factors up to 10**18, exactly, into 128-bit two's complement words.

    Schoolbook multiplication of 32-bit halves: numpy has no 128-bit integer. The product is
    below 10**38, so it always fits.
    """
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
    batch: KlineBatch, name: str, values: ExactArray, digits: Int64Array
) -> NDArray[np.uint64]:
    """Scale number by number with Python integers: slow, and right for any size and scale."""
    limit = 10**DECIMAL_DIGITS
    out = bytearray()
    for row, (value, shift) in enumerate(zip(values.tolist(), digits.tolist(), strict=True)):
        scaled, rest = _scaled(value, shift)
        if rest or not -limit < scaled < limit:
            text = format_exact(value, DECIMAL_SCALE - shift)
            raise OutputError(
                f"{batch.symbol_text(row)}: {name} {text} does not fit "
                f"decimal128({DECIMAL_DIGITS}, {DECIMAL_SCALE}) of the stored table"
            )
        out += scaled.to_bytes(16, "little", signed=True)
    return np.frombuffer(bytes(out), dtype=np.uint64)
