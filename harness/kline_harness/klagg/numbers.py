"""The two kinds of arithmetic a bar can be kept in: klagg's floats, and exact integers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import IntEnum
from typing import ClassVar, TypeAlias

import numpy as np

from kline_harness.aggregators.per_event import Amount, TradeRow, plain_trades
from kline_harness.columns import Instrument
from kline_harness.errors import UsageError
from kline_harness.tape import Tape
from kline_harness.units import ExactArray, format_exact, magnitude, parse_exact

# Fewer values than this are added in a loop.
_FEW = 32
# Integers up to this are exact as a float.
_FLOAT_EXACT = 2**53
# An integer below this, and a slice's sum of others, cannot leave 64 bits together.
SAFE = 2**62

# What a lane's integers are multiplied with, for each of `MEASURES`.
Factors: TypeAlias = tuple[int, ...]


class Measure(IntEnum):
    """What an amount is: a price, a quantity in base units, or one in quote units."""

    PRICE = 0
    QUANTITY = 1
    QUOTE = 2


# The measures of a kline's fields, the count aside.
MEASURES = (
    *(Measure.PRICE, Measure.PRICE, Measure.PRICE, Measure.PRICE),
    *(Measure.QUANTITY, Measure.QUOTE, Measure.QUANTITY, Measure.QUOTE),
)


class Numbers(ABC):
    """How amounts are read, added and published.

    The compiled loop holds them in lanes: floats as they are, integers at the scales of its tape.
    """

    has_floats: ClassVar[bool]

    def trades(self, tape: Tape, codes: Sequence[int]) -> Iterator[TradeRow]:
        """Yield a tape's trades, its instruments renamed to `codes`."""
        return plain_trades(_recoded(tape, codes).with_columns(self.columns(tape)))

    @abstractmethod
    def columns(self, tape: Tape) -> dict[str, ExactArray]:
        """Return the amounts of a tape's trades."""

    @abstractmethod
    def parse(self, text: str, measure: Measure) -> Amount:
        """Return the amount that a text says; 0 where it says none, as klagg does."""

    @abstractmethod
    def total(self, start: Amount, values: Sequence[Amount]) -> Amount:
        """Return an amount with others added, in their order."""

    @abstractmethod
    def exact(self, amount: Amount, measure: Measure) -> tuple[int, int]:
        """Return the amount as an integer and its scale."""

    def text(self, amount: Amount, measure: Measure) -> str:
        """Write an amount as plain decimal text: no exponent, no trailing zeros."""
        return format_exact(*self.exact(amount, measure))

    # --- in lanes ------------------------------------------------------------------------------

    def lane_tape(self, tape: Tape, codes: Sequence[int]) -> Tape | None:
        """Return a tape as the loop takes it, None if its sums could leave 64 bits."""
        return _recoded(tape, codes).with_columns(self.columns(tape))

    def lane_trades(self, tape: Tape, factors: Mapping[int, Factors]) -> Iterator[TradeRow]:
        """Yield the trades of such a tape as `trades` does; `factors` are by symbol."""
        return plain_trades(tape)

    def factors(self, instrument: Instrument) -> Factors:
        """Return what a symbol's amounts in lanes are multiplied with."""
        return (1,) * len(MEASURES)

    def to_lane(self, amounts: Sequence[Amount], factors: Factors) -> Sequence[Amount] | None:
        """Return a slot's amounts as a lane holds them, None if it cannot."""
        return amounts

    def from_lane(self, amounts: Sequence[Amount], factors: Factors) -> tuple[Amount, ...]:
        """Return a lane's amounts as a slot holds them."""
        return tuple(amounts)


class FloatNumbers(Numbers):
    """64-bit floats, added in order of arrival; published as their shortest decimal.

    That decimal has at most 17 digits, so a sum can need a finer scale than its terms: 0.1 + 0.2
    is 0.30000000000000004.
    """

    has_floats = True

    def columns(self, tape: Tape) -> dict[str, ExactArray]:
        """Return float amounts; the quote quantity is the product of floats."""
        price = _as_floats(tape, tape.price, [i.price_scale for i in tape.instruments])
        quantity = _as_floats(tape, tape.quantity, [i.quantity_scale for i in tape.instruments])
        return {"price": price, "quantity": quantity, "quote": price * quantity}

    def parse(self, text: str, measure: Measure) -> Amount:
        """Return the nearest float; 0 for a text that is no number."""
        try:
            return float(text)
        except ValueError:
            return 0.0

    def total(self, start: Amount, values: Sequence[Amount]) -> Amount:
        """Add one after the other, as klagg does; `sum` would compensate."""
        if len(values) > _FEW:
            return float(np.add.accumulate(np.array([start, *values], dtype=np.float64))[-1])
        for value in values:
            start += value
        return start

    def exact(self, amount: Amount, measure: Measure) -> tuple[int, int]:
        """Return the shortest decimal that reads back as the same float."""
        decimal = Decimal(repr(amount))
        scale = -int(decimal.as_tuple().exponent)
        if scale <= 0:
            return int(decimal), 0
        value = int(decimal.scaleb(scale))
        return (value // 10, 0) if scale == 1 and value % 10 == 0 else (value, scale)

    def text(self, amount: Amount, measure: Measure) -> str:
        """Write the shortest decimal, without `repr`'s exponent or trailing ``.0``."""
        digits = repr(amount)
        if "e" in digits:
            return super().text(amount, measure)
        return digits.removesuffix(".0")


class ExactNumbers(Numbers):
    """Python integers at one scale for all symbols, so that any two amounts can be added."""

    # Finer than any exchange's numbers, so that nothing ever has to be rescaled.
    SCALES = (20, 20, 40)
    has_floats = False

    def columns(self, tape: Tape) -> dict[str, ExactArray]:
        """Return exact amounts.

        Raises UsageError for a tape finer than the scale of this arithmetic.
        """
        names = ("price", "quantity", "quote")
        columns: dict[str, ExactArray] = {}
        for name, measure in zip(names, Measure, strict=True):
            own = [_scale(instrument, measure) for instrument in tape.instruments]
            if max(own, default=0) > self.SCALES[measure]:
                raise UsageError(f"a {name} with more than {self.SCALES[measure]} decimals")
            factors = np.array(
                [10 ** (self.SCALES[measure] - scale) for scale in own], dtype=object
            )
            exact = getattr(tape, name).astype(object)
            columns[name] = exact * factors[tape.symbol] if len(own) else exact
        return columns

    def parse(self, text: str, measure: Measure) -> Amount:
        """Return the exact number."""
        try:
            value, scale = parse_exact(text)
        except ValueError:
            return 0
        return value * int(10 ** (self.SCALES[measure] - scale))

    def total(self, start: Amount, values: Sequence[Amount]) -> Amount:
        """Add exactly; the order does not matter."""
        return start + sum(values)

    def exact(self, amount: Amount, measure: Measure) -> tuple[int, int]:
        """Return the integer without the zeros at its end."""
        value, scale = int(amount), self.SCALES[measure]
        if value == 0:
            return 0, 0
        while scale >= 5 and value % 100_000 == 0:
            value, scale = value // 100_000, scale - 5
        while scale and value % 10 == 0:
            value, scale = value // 10, scale - 1
        return value, scale

    # --- in lanes ------------------------------------------------------------------------------

    def lane_tape(self, tape: Tape, codes: Sequence[int]) -> Tape | None:
        """Return the trades at the scales of their tape, None if sums could leave 64 bits."""
        finest = [max((_scale(i, m) for i in tape.instruments), default=0) for m in Measure]
        if any(own > scale for own, scale in zip(finest, self.SCALES, strict=True)):
            return None
        amounts = (tape.price, tape.quantity, tape.quote)
        if any(column.dtype != np.int64 for column in amounts):
            return None
        # A float's error is far smaller than the other half of the bits.
        if any(np.abs(column.astype(np.float64)).sum() > SAFE / 2 for column in amounts[1:]):
            return None
        return _recoded(tape, codes)

    def lane_trades(self, tape: Tape, factors: Mapping[int, Factors]) -> Iterator[TradeRow]:
        """Yield trades with exact amounts."""
        for trade in plain_trades(tape):
            price, _, _, _, quantity, quote, _, _ = factors[trade.symbol]
            yield trade._replace(
                price=trade.price * price,
                quantity=trade.quantity * quantity,
                quote=trade.quote * quote,
            )

    def factors(self, instrument: Instrument) -> Factors:
        """Return the powers of ten between a symbol's scales and those of this arithmetic."""
        return tuple(
            10 ** (self.SCALES[measure] - _scale(instrument, measure)) for measure in MEASURES
        )

    def to_lane(self, amounts: Sequence[Amount], factors: Factors) -> Sequence[Amount] | None:
        """Return integers at the scales of the tape, None if they are finer or too large."""
        lane = [divmod(amount, factor) for amount, factor in zip(amounts, factors, strict=True)]
        if any(rest or not -SAFE < value < SAFE for value, rest in lane):
            return None
        return [value for value, _ in lane]

    def from_lane(self, amounts: Sequence[Amount], factors: Factors) -> tuple[Amount, ...]:
        """Return integers at the scales of this arithmetic."""
        return tuple(amount * factor for amount, factor in zip(amounts, factors, strict=True))


def _scale(instrument: Instrument, measure: Measure) -> int:
    return (instrument.price_scale, instrument.quantity_scale, instrument.quote_scale)[measure]


def _recoded(tape: Tape, codes: Sequence[int]) -> Tape:
    return tape.with_columns({"symbol": np.array([*codes, -1], dtype=np.int16)[tape.symbol]})


def _as_floats(tape: Tape, values: ExactArray, scales: list[int]) -> ExactArray:
    """Return the float nearest to each number, as a parser of its text does.

    Integer and power of ten are exact as floats, so their quotient is rounded only once; where
    they are not, Python's division of integers rounds once too.
    """
    if not len(values):
        return values.astype(np.float64)
    if magnitude(values) <= _FLOAT_EXACT and max(scales) <= 22:
        quotient: ExactArray = (
            values.astype(np.float64) / np.array([float(10**s) for s in scales])[tape.symbol]
        )
        return quotient
    powers = [10**scale for scale in scales]
    pairs = zip(values.tolist(), tape.symbol.tolist(), strict=True)
    return np.array([value / powers[symbol] for value, symbol in pairs])
