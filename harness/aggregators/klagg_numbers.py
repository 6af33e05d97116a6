"""The two kinds of arithmetic a bar can be kept in: klagg's floats, and exact integers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import IntEnum

import numpy as np

from harness.aggregators.per_event import Amount, TradeRow, plain_trades
from harness.columns import Instrument
from harness.errors import UsageError
from harness.tape import Tape
from harness.units import ExactArray, format_exact, magnitude, parse_exact

# Fewer values than this are added in a loop.
_FEW = 32
# Integers up to this are exact as a float.
_FLOAT_EXACT = 2**53


class Measure(IntEnum):
    """What an amount is: a price, a quantity in base units, or one in quote units."""

    PRICE = 0
    QUANTITY = 1
    QUOTE = 2


class Numbers(ABC):
    """How amounts are read, added and published."""

    @abstractmethod
    def trades(self, tape: Tape, codes: Sequence[int]) -> Iterator[TradeRow]:
        """Yield a tape's trades, its instruments renamed to `codes`."""

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


class FloatNumbers(Numbers):
    """64-bit floats, added in order of arrival; published as their shortest decimal.

    That decimal has at most 17 digits, so a sum can need a finer scale than its terms: 0.1 + 0.2
    is 0.30000000000000004.
    """

    def trades(self, tape: Tape, codes: Sequence[int]) -> Iterator[TradeRow]:
        """Yield trades with float amounts; the quote quantity is the product of floats."""
        price = _as_floats(tape, tape.price, [i.price_scale for i in tape.instruments])
        quantity = _as_floats(tape, tape.quantity, [i.quantity_scale for i in tape.instruments])
        columns = {"price": price, "quantity": quantity, "quote": price * quantity}
        return plain_trades(tape.with_columns({**_recoded(tape, codes), **columns}))

    def parse(self, text: str, measure: Measure) -> Amount:
        """Return the nearest float."""
        try:
            return float(text)
        except ValueError:
            return 0.0

    def total(self, start: Amount, values: Sequence[Amount]) -> Amount:
        """Add one after the other, as production does; `sum` would compensate."""
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

    def trades(self, tape: Tape, codes: Sequence[int]) -> Iterator[TradeRow]:
        """Yield trades with exact amounts.

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
        return plain_trades(tape.with_columns({**_recoded(tape, codes), **columns}))

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


def _scale(instrument: Instrument, measure: Measure) -> int:
    return (instrument.price_scale, instrument.quantity_scale, instrument.quote_scale)[measure]


def _recoded(tape: Tape, codes: Sequence[int]) -> dict[str, ExactArray]:
    return {"symbol": np.array([*codes, -1], dtype=np.int16)[tape.symbol]}


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
