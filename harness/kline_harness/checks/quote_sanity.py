"""The rule of quote volumes over tables of klines, symbol by symbol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import numpy as np

from kline_harness.kline import KlineBatch
from kline_harness.quote_rule import Amounts, QuoteRules, is_ruled_by_name
from kline_harness.units import BoolArray, Int64Array

AMOUNTS = ("volume", "quote_volume")
TAKER = ("taker_buy_volume", "taker_buy_quote_volume")


def quote_outside_of_prices(
    klines: KlineBatch,
    fields: Iterable[str],
    size: Decimal | None = None,
    rules: QuoteRules | None = None,
) -> BoolArray:
    """Find where a quote volume is not within volume x [low, high]; see `outside_of_prices`.

    `rules` are those of more klines than these, where they are of many.
    """
    found = np.zeros(len(klines), dtype=np.bool_)
    for symbol, rows, mine in _alike(klines, fields, size):
        found[rows] = (rules or _rules(symbol, mine, size)).outside(symbol, mine)
    return found


def rules_of(
    pieces: Iterable[KlineBatch], fields: Iterable[str], size: Decimal | None = None
) -> QuoteRules:
    """Return what the quote volumes of many klines are held to."""
    rules, fields = QuoteRules(size), tuple(fields)
    for klines in pieces:
        for symbol, _, mine in _alike(klines, fields, size):
            rules.add(symbol, mine)
    return rules


def quote_rounds_to_nothing(klines: KlineBatch, size: Decimal | None = None) -> BoolArray:
    """Find klines with trades whose quote volume is below the smallest that can be stated."""
    found = np.zeros(len(klines), dtype=np.bool_)
    for symbol, rows, mine in _alike(klines, (*AMOUNTS, "count"), size):
        found[rows] = QuoteRules(size).rounds_to_nothing(symbol, mine)
    return found


def symbols_of_no_rule(
    klines: KlineBatch, fields: Iterable[str], size: Decimal | None = None
) -> list[str]:
    """Return the symbols of contracts whose size was not given: their quotes are not checked."""
    rows = _alike(klines, fields, size)
    found = [_rules(symbol, mine, size).unknown() for symbol, _, mine in rows]
    return [symbol for symbols in found for symbol in symbols]


def _rules(symbol: str, klines: Amounts, size: Decimal | None) -> QuoteRules:
    rules = QuoteRules(size)
    rules.add(symbol, klines)
    return rules


def _alike(
    klines: KlineBatch, fields: Iterable[str], size: Decimal | None
) -> Iterator[tuple[str, Int64Array, Amounts]]:
    """Yield the klines of symbols that the rule does not tell apart, and the name of one of them.

    A step for each symbol would be the price of many; scales are few.
    """
    known = set(fields)
    if not set(AMOUNTS) <= known:
        return
    groups: dict[tuple[object, ...], int] = {}
    codes, group_of = list[int](), list[int]()
    for code, one in enumerate(klines.instruments):
        own = one.symbol if is_ruled_by_name(one.symbol, size) else None
        key = (own, one.price_scale, one.quantity_scale, one.quote_scale)
        if key not in groups:
            groups[key] = len(codes)
            codes.append(code)
        group_of.append(groups[key])
    of_row = np.array(group_of, dtype=np.int64)[klines.symbol]
    for group, code in enumerate(codes):
        rows = np.flatnonzero(of_row == group)
        if len(rows):
            mine = klines if len(rows) == len(klines) else klines.take(rows)
            yield klines.instruments[code].symbol, rows, _amounts(mine, code, known)


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
