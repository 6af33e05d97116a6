"""Rules that one kline must keep on its own, as columns: true where the rule is broken."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

import numpy as np

from kline_harness.checks.quote_sanity import quote_outside_of_prices, quote_rounds_to_nothing
from kline_harness.kline import FIELDS, PRICE_FIELDS, QUANTITY_FIELDS, QUOTE_FIELDS, KlineBatch
from kline_harness.units import BoolArray, format_exact, mask


def ohlc_order(klines: KlineBatch) -> BoolArray:
    """Find where high is not the highest, or low not the lowest, of the four prices."""
    above = (klines.high < klines.open) | (klines.high < klines.close)
    below = (klines.low > klines.open) | (klines.low > klines.close)
    return mask(above | below | (klines.high < klines.low))


def non_positive_price(klines: KlineBatch) -> BoolArray:
    """Find where a price is zero or less."""
    prices = (klines.open, klines.high, klines.low, klines.close)
    return mask(np.logical_or.reduce([price <= 0 for price in prices]))


def negative_volume(klines: KlineBatch) -> BoolArray:
    """Find where a volume, a quote volume, a taker part of them, or the count is below zero."""
    amounts = (
        *(klines.volume, klines.quote_volume, klines.count),
        *(klines.taker_buy_volume, klines.taker_buy_quote_volume),
    )
    return mask(np.logical_or.reduce([amount < 0 for amount in amounts]))


def taker_exceeds_total(klines: KlineBatch) -> BoolArray:
    """Find where takers bought more than was traded, in base or quote units."""
    base = klines.taker_buy_volume > klines.volume
    return mask(base | (klines.taker_buy_quote_volume > klines.quote_volume))


def count_volume_mismatch(klines: KlineBatch, size: Decimal | None = None) -> BoolArray:
    """Find where only some of count, volume and quote volume are zero.

    A quote that is less than the smallest one that can be stated is 0 by right.
    """
    quiet = klines.count == 0
    unlike = mask(quiet != (klines.quote_volume == 0)) & ~quote_rounds_to_nothing(klines, size)
    return mask((quiet != (klines.volume == 0)) | unlike)


def quote_volume_outside(klines: KlineBatch, size: Decimal | None = None) -> BoolArray:
    """Find where a quote volume, or the takers' part, is not within volume x [low, high].

    A kline that breaks a simpler rule is reported for that.
    """
    wrong = quote_outside_of_prices(klines, FIELDS, size)
    if wrong.any():
        simpler = (ohlc_order, negative_volume, taker_exceeds_total)
        broken = [*(rule(klines) for rule in simpler), count_volume_mismatch(klines, size)]
        wrong &= ~np.logical_or.reduce(broken)
    return wrong


def quiet_not_level(klines: KlineBatch) -> BoolArray:
    """Find where nothing traded and yet the four prices differ."""
    level = (klines.open == klines.high) & (klines.high == klines.low)
    return mask((klines.count == 0) & ~mask(level & (klines.low == klines.close)))


def rules(size: Decimal | None) -> dict[str, Callable[[KlineBatch], BoolArray]]:
    """Return every rule by its name; `size` is what a contract is worth, if it was given."""
    return {
        "ohlc_order": ohlc_order,
        "non_positive_price": non_positive_price,
        "negative_volume": negative_volume,
        "taker_exceeds_total": taker_exceeds_total,
        "count_volume_mismatch": partial(count_volume_mismatch, size=size),
        "quote_outside_of_prices": partial(quote_volume_outside, size=size),
    }


# What to show of a kline that breaks a rule.
RULE_FIELDS = {
    "ohlc_order": PRICE_FIELDS,
    "non_positive_price": PRICE_FIELDS,
    "negative_volume": ("count", *QUANTITY_FIELDS, *QUOTE_FIELDS),
    "taker_exceeds_total": (*QUANTITY_FIELDS, *QUOTE_FIELDS),
    "count_volume_mismatch": ("count", "volume", "quote_volume"),
    "quote_outside_of_prices": ("high", "low", *QUANTITY_FIELDS, *QUOTE_FIELDS),
    "quiet_not_flat": PRICE_FIELDS,
}


def field_text(klines: KlineBatch, row: int, name: str) -> str:
    """Write one field of one kline as exact decimal text."""
    value = int(getattr(klines, name)[row])
    instrument = klines.instruments[int(klines.symbol[row])]
    if name in klines.price_columns():
        return format_exact(value, instrument.price_scale)
    if name in klines.quantity_columns():
        return format_exact(value, instrument.quantity_scale)
    if name in klines.quote_columns():
        return format_exact(value, instrument.quote_scale)
    return str(value)
