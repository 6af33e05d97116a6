"""The rule of quote volumes over tables of klines, symbol by symbol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import numpy as np

from kline_harness.kline import KlineBatch
from kline_harness.quote_rule import (
    Amounts,
    Settlement,
    outside_of_prices,
    rounds_to_nothing,
    settlement,
)
from kline_harness.units import BoolArray, Int64Array

AMOUNTS = ("volume", "quote_volume")
TAKER = ("taker_buy_volume", "taker_buy_quote_volume")


def quote_outside_of_prices(
    klines: KlineBatch, fields: Iterable[str], size: Decimal | None = None
) -> BoolArray:
    """Find where a quote volume is not within volume x [low, high]; see `outside_of_prices`."""
    found = np.zeros(len(klines), dtype=np.bool_)
    for symbol, rows, mine in _by_symbol(klines, fields):
        found[rows] = outside_of_prices(symbol, mine, size)
    return found


def quote_rounds_to_nothing(klines: KlineBatch, size: Decimal | None = None) -> BoolArray:
    """Find where something was traded, for less than the smallest quotes that can be stated."""
    found = np.zeros(len(klines), dtype=np.bool_)
    for symbol, rows, mine in _by_symbol(klines, (*AMOUNTS, "count")):
        found[rows] = rounds_to_nothing(symbol, mine, size)
    return found


def symbols_of_no_rule(
    klines: KlineBatch, fields: Iterable[str], size: Decimal | None = None
) -> list[str]:
    """Return the symbols of contracts whose size nobody gave: their quotes are not checked."""
    return [
        symbol
        for symbol, _, mine in _by_symbol(klines, fields)
        if settlement(symbol, mine, size) is Settlement.UNKNOWN
    ]


def _by_symbol(
    klines: KlineBatch, fields: Iterable[str]
) -> Iterator[tuple[str, Int64Array, Amounts]]:
    known = set(fields)
    if not set(AMOUNTS) <= known:
        return
    for code, instrument in enumerate(klines.instruments):
        rows = np.flatnonzero(klines.symbol == code)
        if len(rows):
            mine = klines if len(rows) == len(klines) else klines.take(rows)
            yield instrument.symbol, rows, _amounts(mine, code, known)


def _amounts(klines: KlineBatch, code: int, known: set[str]) -> Amounts:
    instrument = klines.instruments[code]
    taker = (klines.taker_buy_volume, klines.taker_buy_quote_volume)
    return Amounts(
        klines.low,
        klines.high,
        klines.volume,
        klines.quote_volume,
        taker if set(TAKER) <= known else None,
        klines.count if "count" in known else None,
        instrument.price_scale,
        instrument.quantity_scale,
        instrument.quote_scale,
    )
