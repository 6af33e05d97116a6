"""What quote volumes can be, given volumes and the prices that they were traded at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from kline_harness.kline import KlineBatch
from kline_harness.units import BoolArray, ExactArray, multiply, rescale

# Contracts worth a fixed amount of USD, settled in the base asset: BTCUSD_PERP, BTCUSD_240927.
_INVERSE = re.compile(r"[A-Z0-9]+USD_(PERP|[0-9]{6})")
# Other exchanges name a spot market and such contracts alike: BTCUSD can be either.
_EITHER = re.compile(r"[A-Z0-9]+USD")
# USD that a contract can be worth.
_CONTRACTS = (1, 10, 100, 1000)
AMOUNTS = ("volume", "quote_volume")
TAKER = ("taker_buy_volume", "taker_buy_quote_volume")


def quote_outside_of_prices(klines: KlineBatch, fields: Iterable[str]) -> BoolArray:
    """Find where a quote volume is not within volume x [low, high].

    The takers' part is held to the same, and so is what is left without it. Contracts that are
    worth a fixed amount of USD are held to volume x amount / [high, low]. Where quotes have fewer
    digits than the product, each of `count` trades may have been rounded by one unit; without a
    count nothing is said of those.

    Source: a quote volume is the sum of price x quantity over the kline's trades.
    """
    found = np.zeros(len(klines), dtype=np.bool_)
    known = set(fields)
    if not set(AMOUNTS) <= known:
        return found
    for code, instrument in enumerate(klines.instruments):
        rows = np.flatnonzero(klines.symbol == code)
        if len(rows) == 0:
            continue
        mine = klines.take(rows)
        is_inverse = _INVERSE.fullmatch(instrument.symbol) is not None
        product = instrument.price_scale + instrument.quantity_scale
        rounded = is_inverse or instrument.quote_scale < product
        if rounded and "count" not in known:
            continue
        slack = mine.count if rounded else np.zeros(len(rows), dtype=np.int64)
        for volume, quote in _parts(mine, known):
            wrong = (_inverse if is_inverse else _linear)(mine, volume, quote, slack)
            if wrong.any() and _EITHER.fullmatch(instrument.symbol) is not None:
                wrong &= _inverse(mine, volume, quote, mine.count)
            found[rows] |= wrong
    return found


def quote_rounds_to_nothing(klines: KlineBatch) -> BoolArray:
    """Find where something was traded, for less than the smallest quote that can be stated."""
    found = np.zeros(len(klines), dtype=np.bool_)
    for code, instrument in enumerate(klines.instruments):
        rows = np.flatnonzero(klines.symbol == code)
        digits = instrument.price_scale + instrument.quantity_scale - instrument.quote_scale
        is_inverse = _INVERSE.fullmatch(instrument.symbol) is not None
        if len(rows) == 0 or (digits <= 0 and not is_inverse):
            continue
        mine = klines.take(rows)
        if is_inverse:
            found[rows] = _mask((mine.quote_volume == 0) & (mine.volume > 0))
            continue
        least = multiply(mine.volume, mine.low)
        found[rows] = _mask((mine.quote_volume == 0) & (mine.volume > 0) & (least < 10**digits))
    return found


def _parts(klines: KlineBatch, known: set[str]) -> Iterator[tuple[ExactArray, ExactArray]]:
    yield klines.volume, klines.quote_volume
    if set(TAKER) <= known:
        yield klines.taker_buy_volume, klines.taker_buy_quote_volume
        yield (
            klines.volume - klines.taker_buy_volume,
            klines.quote_volume - klines.taker_buy_quote_volume,
        )


def _linear(
    klines: KlineBatch, volume: ExactArray, quote: ExactArray, slack: ExactArray
) -> BoolArray:
    """Compare at the finer of both scales: quote against volume x price."""
    (instrument,) = {klines.instruments[int(code)] for code in np.unique(klines.symbol)}
    product = instrument.price_scale + instrument.quantity_scale
    finest = max(product, instrument.quote_scale)
    stated = rescale(quote, finest - instrument.quote_scale)
    room = rescale(slack, finest - instrument.quote_scale)
    least = rescale(multiply(volume, klines.low), finest - product)
    most = rescale(multiply(volume, klines.high), finest - product)
    return _mask((stated + room < least) | (stated - room > most))


def _inverse(
    klines: KlineBatch, volume: ExactArray, quote: ExactArray, slack: ExactArray
) -> BoolArray:
    """Compare quote x price against volume x what a contract is worth, whichever that is."""
    (instrument,) = {klines.instruments[int(code)] for code in np.unique(klines.symbol)}
    product = instrument.price_scale + instrument.quote_scale
    finest = max(product, instrument.quantity_scale)
    wrong = np.ones(len(klines), dtype=np.bool_)
    most = rescale(multiply(quote + slack, klines.high), finest - product)
    least = rescale(multiply(np.maximum(quote - slack, 0), klines.low), finest - product)
    for size in _CONTRACTS:
        worth = rescale(volume, finest - instrument.quantity_scale)
        worth = multiply(worth, np.full(len(klines), size, dtype=np.int64))
        wrong &= _mask((most < worth) | (least > worth))
    return wrong


def _mask(values: object) -> BoolArray:
    return np.asarray(values, dtype=np.bool_)
