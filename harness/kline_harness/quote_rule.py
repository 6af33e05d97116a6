"""What quote volumes can be, given volumes and the prices that they were traded at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np

from kline_harness.contracts import size_of
from kline_harness.units import (
    BoolArray,
    ExactArray,
    Int64Array,
    mask,
    multiply,
    narrow,
    parse_exact,
    rescale,
)

# Other exchanges name a spot market and such contracts alike: BTCUSD can be either.
_EITHER = re.compile(r"[A-Z0-9]+USD")
# Exchanges state quotes of single trades to so many decimals; what sums have beyond is not exact.
_TRADE_DECIMALS = 8
# A number of so many digits is the text of a binary float: its last digits are not exact.
_FLOAT_DIGITS = 16
_FLOAT_ERROR = 100


def no_quote_rule(symbol: str) -> str:
    """Say that the quote volumes of a symbol were not checked, and why."""
    return f"quote volumes of {symbol}: contracts of a size that was not given"


@dataclass(frozen=True, slots=True)
class Amounts:
    """The prices and amounts of one symbol's klines, as integers with their scales.

    `price_scale`, `quantity_scale` and `quote_scale` are also how fine the numbers of the source
    are; `taker` are the takers' volume and quote volume, where they are stated, as is `count`.
    """

    low: ExactArray
    high: ExactArray
    volume: ExactArray
    quote: ExactArray
    taker: tuple[ExactArray, ExactArray] | None
    count: Int64Array | None
    price_scale: int
    quantity_scale: int
    quote_scale: int

    def take(self, rows: Int64Array) -> Amounts:
        """Return some of the klines."""
        taker = None if self.taker is None else (self.taker[0][rows], self.taker[1][rows])
        count = None if self.count is None else self.count[rows]
        columns = (self.low[rows], self.high[rows], self.volume[rows], self.quote[rows])
        scales = (self.price_scale, self.quantity_scale, self.quote_scale)
        return Amounts(*columns, taker, count, *scales)

    def parts(self) -> Iterator[tuple[ExactArray, ExactArray]]:
        """Yield volume and quote volume: all, the takers', and what is left without these."""
        yield self.volume, self.quote
        if self.taker is not None:
            yield self.taker
            yield self.volume - self.taker[0], self.quote - self.taker[1]


# Asked of every symbol for each block of klines.
@lru_cache(1 << 14)
def is_ruled_by_name(symbol: str, given: Decimal | None) -> bool:
    """Tell whether a symbol's name, and not only its numbers' scales, decides on the rule."""
    return size_of(symbol, given) is not None or _EITHER.fullmatch(symbol) is not None


class QuoteRules:
    """What the quote volumes of symbols are held to, once all of their klines were seen.

    A name such as BTCUSD is of a spot market or of contracts: it is of contracts, of a size that
    nobody gave, where no kline's quote volume is volume x price, and one size would do for all. So
    are contracts such as BTCUSD_PERP where no kline is of the size that the documents say.
    """

    def __init__(self, size: Decimal | None = None) -> None:
        self._size = size
        self._as_named: set[str] = set()
        self._sizes: dict[str, tuple[Fraction, Fraction]] = {}

    def add(self, symbol: str, klines: Amounts) -> None:
        """Look at further klines of a symbol."""
        if self._size is not None or symbol in self._as_named:
            return
        named = size_of(symbol, None)
        if named is None and _EITHER.fullmatch(symbol) is None:
            return
        traded = np.flatnonzero(mask(klines.volume > 0))
        some, nothing = klines.take(traded), np.zeros(len(traded), dtype=np.int64)
        for slack in (nothing, _slack(some, named)):
            if not _wrong(some, some.volume, some.quote, slack, named).all():
                self._as_named.add(symbol)
                return
        if len(traded):
            low, high = _sizes(some)
            before = self._sizes.get(symbol, (low, high))
            self._sizes[symbol] = max(low, before[0]), min(high, before[1])

    def unknown(self) -> list[str]:
        """Return the symbols of contracts whose size nobody gave: their quotes are not checked."""
        one_size = (symbol for symbol, (low, high) in self._sizes.items() if low <= high)
        return sorted(symbol for symbol in one_size if symbol not in self._as_named)

    def outside(self, symbol: str, klines: Amounts) -> BoolArray:
        """Find where a quote volume is not within its prices; see `outside_of_prices`."""
        found = outside_of_prices(klines, size_of(symbol, self._size))
        return found & (symbol not in self.unknown()) if found.any() else found

    def rounds_to_nothing(self, symbol: str, klines: Amounts) -> BoolArray:
        """Find where something was traded, for less than the smallest quotes that can be stated."""
        return _rounds_to_nothing(klines, size_of(symbol, self._size))


def _sizes(klines: Amounts) -> tuple[Fraction, Fraction]:
    """Return what quote x price / volume can be in every kline: low is above high for nothing."""
    slack = _slack(klines, Decimal(1))
    least = multiply(np.maximum(klines.quote - slack, 0), klines.low).tolist()
    most = multiply(klines.quote + slack, klines.high).tolist()
    volumes = klines.volume.tolist()
    low = max(map(Fraction, least, volumes))
    return low, min(map(Fraction, most, volumes))


def outside_of_prices(klines: Amounts, size: Decimal | None = None) -> BoolArray:
    """Find where a quote volume is not within volume x [low, high].

    The takers' part is held to the same, and so is what is left without it. Contracts of a `size`
    are held to volume x size / [high, low]. What each of `count` trades may have been rounded by,
    and the row's own number, is allowed; where trades may have been and there is no count, nothing
    is said.

    Source: a quote volume is the sum of price x quantity over the kline's trades.
    """
    found = np.zeros(len(klines.volume), dtype=np.bool_)
    if klines.count is None and _trades_rounded(klines, size):
        return found
    nothing = np.zeros(len(found), dtype=np.int64)
    for place, (volume, quote) in enumerate(klines.parts()):
        # Few rows are beyond their prices at all: only those are looked at closely.
        rows = np.flatnonzero(_wrong(klines, volume, quote, nothing, size))
        if len(rows):
            some = klines.take(rows)
            parts = list(some.parts())[place]
            found[rows] |= _wrong(some, *parts, _slack(some, size), size)
    return found


def _rounds_to_nothing(klines: Amounts, size: Decimal | None) -> BoolArray:
    traded = mask((klines.quote == 0) & (klines.volume > 0))
    if not traded.any() or size is not None:
        return traded
    finest = min(_TRADE_DECIMALS, klines.quote_scale)
    digits = klines.price_scale + klines.quantity_scale - finest
    if digits <= 0:
        return np.zeros(len(traded), dtype=np.bool_)
    trades = np.ones(len(traded), dtype=np.int64)
    if klines.count is not None:
        trades = np.maximum(klines.count, 1)
    return traded & mask(multiply(klines.volume, klines.low) < rescale(trades, digits))


def _trades_rounded(klines: Amounts, size: Decimal | None) -> bool:
    """Tell whether quotes of single trades can have been rounded before they were added up."""
    product = klines.price_scale + klines.quantity_scale
    return size is not None or min(_TRADE_DECIMALS, klines.quote_scale) < product


def _slack(klines: Amounts, size: Decimal | None) -> ExactArray:
    """Return, in units of the quote scale, how far a row's quote may be from exact.

    A unit of the decimals of single trades for each, and one of the row's own decimals where
    these are fewer than its product has. The text of a binary float is off in its last digits.
    """
    count = klines.count
    trades = np.ones(len(klines.quote), dtype=np.int64) if count is None else count
    slack: ExactArray = np.zeros(len(klines.quote), dtype=np.int64)
    if _trades_rounded(klines, size):
        slack = rescale(trades, max(0, klines.quote_scale - _TRADE_DECIMALS))
    quotes = [klines.quote] if klines.taker is None else [klines.quote, klines.taker[1]]
    own = np.max([_decimals(column, klines.quote_scale) for column in quotes], axis=0)
    prices = np.max([_decimals(p, klines.price_scale) for p in (klines.low, klines.high)], axis=0)
    product = prices + _decimals(klines.volume, klines.quantity_scale)
    unit = np.array([10 ** int(klines.quote_scale - one) for one in own], dtype=object)
    fewer = own < klines.quote_scale if size is not None else own < product
    slack = slack + np.where(fewer, unit, 0)
    is_float = np.zeros(len(own), dtype=np.bool_)
    for column in quotes:
        is_float |= mask(abs(column) >= unit * 10 ** (_FLOAT_DIGITS - 1))
    return slack + np.where(is_float, trades * unit * _FLOAT_ERROR, 0)


def _wrong(
    klines: Amounts, volume: ExactArray, quote: ExactArray, slack: ExactArray, size: Decimal | None
) -> BoolArray:
    return (
        _linear(klines, volume, quote, slack)
        if size is None
        else _inverse(klines, volume, quote, slack, size)
    )


def _linear(klines: Amounts, volume: ExactArray, quote: ExactArray, slack: ExactArray) -> BoolArray:
    """Compare at the finer of both scales: quote against volume x price."""
    product = klines.price_scale + klines.quantity_scale
    finest = max(product, klines.quote_scale)
    stated = rescale(quote, finest - klines.quote_scale)
    room = rescale(slack, finest - klines.quote_scale)
    least = rescale(multiply(volume, klines.low), finest - product)
    most = rescale(multiply(volume, klines.high), finest - product)
    return mask((stated + room < least) | (stated - room > most))


def _inverse(
    klines: Amounts, volume: ExactArray, quote: ExactArray, slack: ExactArray, size: Decimal
) -> BoolArray:
    """Compare quote x price against volume x what a contract is worth."""
    worth_of_one, decimals = parse_exact(f"{size:f}")
    product = klines.price_scale + klines.quote_scale
    finest = max(product, klines.quantity_scale + decimals)
    most = rescale(multiply(quote + slack, klines.high), finest - product)
    least = rescale(multiply(np.maximum(quote - slack, 0), klines.low), finest - product)
    value = np.full(len(volume), worth_of_one, dtype=object)
    worth = rescale(multiply(volume, narrow(value)), finest - klines.quantity_scale - decimals)
    return mask((most < worth) | (least > worth))


def _decimals(values: ExactArray, scale: int) -> Int64Array:
    """Return how many decimals each number has, zeros at the end left out."""
    found = np.zeros(len(values), dtype=np.int64)
    for digit in range(scale):
        found[mask(values % 10 ** (digit + 1) != 0) & (found == 0)] = scale - digit
    return found
