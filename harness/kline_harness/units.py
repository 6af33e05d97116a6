"""Time as int nanoseconds, and prices and quantities as exact scaled integers.

A number is an integer and a power of ten: ``63943.90`` is 6394390 at scale 2. Columns are int64
wherever that is provably enough and Python integers (numpy dtype ``object``) where it is not, so
that a sum can be slow but never wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

NS_PER_MICROSECOND = 1_000
NS_PER_MILLISECOND = 1_000_000
NS_PER_SECOND = 1_000_000_000
NS_PER_MINUTE = 60 * NS_PER_SECOND
NS_PER_HOUR = 60 * NS_PER_MINUTE
NS_PER_DAY = 24 * NS_PER_HOUR

INT64_MAX = 2**63 - 1
# Half of int64's range: a float that estimates what is below it is off by far less than that.
_SAFE = 2.0**62

Int64Array: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
# int64, or Python integers where int64 would overflow.
ExactArray: TypeAlias = NDArray[Any]


class TimeUnit(Enum):
    """The unit of a source's timestamps; the value is its length in nanoseconds."""

    SECOND = NS_PER_SECOND
    MILLISECOND = NS_PER_MILLISECOND
    MICROSECOND = NS_PER_MICROSECOND
    NANOSECOND = 1

    @staticmethod
    def detect(timestamp: int) -> TimeUnit:
        """Take the unit from the magnitude of one epoch timestamp.

        The bands do not overlap for any time between 1973 and 2286.

        Raises ValueError for a timestamp outside of every band.
        """
        for unit in TimeUnit:
            if 100_000_000 <= timestamp * unit.value // NS_PER_SECOND < 10_000_000_000:
                return unit
        raise ValueError(f"{timestamp} is no epoch timestamp in s, ms, us or ns after 1973")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of virtual time [from, until) in nanoseconds."""

    from_ns: int
    until_ns: int

    def __post_init__(self) -> None:
        if self.until_ns <= self.from_ns:
            raise ValueError("expected a window that ends after it begins")

    def __contains__(self, instant_ns: int) -> bool:
        return self.from_ns <= instant_ns < self.until_ns


def parse_exact(text: str) -> tuple[int, int]:
    """Split plain decimal text into (integer, scale), trailing zeros of the fraction removed.

    Raises ValueError for anything but digits with at most one point and a leading minus.
    """
    body = text[1:] if text.startswith("-") else text
    whole, _, fraction = body.partition(".")
    if not (whole + fraction).isascii() or not (whole + fraction).isdigit():
        raise ValueError(f"{text!r} is not a plain decimal number")
    fraction = fraction.rstrip("0")
    value = int((whole or "0") + fraction)
    return (-value if text.startswith("-") else value), len(fraction)


def to_decimal(value: int, scale: int) -> Decimal:
    """Return the exact number behind a scaled integer."""
    # Not scaleb: that would round to the context's 28 digits.
    return Decimal(f"{int(value)}e-{scale}")


def format_exact(value: int, scale: int) -> str:
    """Write a scaled integer as plain decimal text without trailing zeros."""
    value = int(value)
    digits = str(abs(value)).rjust(scale + 1, "0")
    whole, fraction = (digits[:-scale], digits[-scale:].rstrip("0")) if scale else (digits, "")
    return ("-" if value < 0 else "") + whole + (f".{fraction}" if fraction else "")


def decimal_text(value: Decimal | int) -> str:
    """Write an exact number as plain decimal text without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def magnitude(values: ExactArray) -> int:
    """Return the largest absolute value of a column, 0 when empty."""
    if len(values) == 0:
        return 0
    return max(abs(int(values.max())), abs(int(values.min())))


def widen(values: ExactArray) -> ExactArray:
    """Return the column as Python integers."""
    return values if values.dtype == object else values.astype(object)


def mask(values: object) -> BoolArray:
    """Return comparisons of exact columns as one type: wide ones give Python booleans."""
    return np.asarray(values, dtype=np.bool_)


def is_among(values: Int64Array, known: Int64Array) -> BoolArray:
    """Tell which values are among known ones, which are in order."""
    place = np.searchsorted(known, values)
    there: BoolArray = place < len(known)
    there[there] = known[place[there]] == values[there]
    return there


def inverse(order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where each row comes in an order of all of them."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places


def narrow(values: ExactArray) -> ExactArray:
    """Return the column as int64 if every value fits, unchanged otherwise."""
    if values.dtype == np.int64 or magnitude(values) > INT64_MAX:
        return values
    return values.astype(np.int64)


def rescale(values: ExactArray, digits: int) -> ExactArray:
    """Multiply a column by ten to the power of `digits` (not negative), exactly."""
    if digits == 0:
        return values
    factor = 10**digits
    if values.dtype != object and magnitude(values) * factor > INT64_MAX:
        values = widen(values)
    return values * (factor if values.dtype == object else np.int64(factor))


def multiply(left: ExactArray, right: ExactArray) -> ExactArray:
    """Multiply two columns element by element, exactly."""
    if magnitude(left) * magnitude(right) > INT64_MAX and not _products_fit(left, right):
        left, right = widen(left), widen(right)
    return left * right


def _products_fit(left: ExactArray, right: ExactArray) -> bool:
    """Tell whether no product is near the end of int64: the largest factors may be far apart."""
    if left.dtype == object or right.dtype == object:
        return False
    estimate = np.abs(left.astype(np.float64)) * np.abs(right.astype(np.float64))
    return bool(estimate.max() < _SAFE)


def run_starts(values: NDArray[Any]) -> Int64Array:
    """Return where each run of equal values begins."""
    changes = np.flatnonzero(values[1:] != values[:-1])
    return np.concatenate([np.zeros(min(1, len(values)), dtype=np.int64), changes + 1])


def sum_groups(values: ExactArray, starts: Int64Array) -> ExactArray:
    """Sum each run of a column that begins at `starts` (ascending, first 0), exactly."""
    if len(starts) == 0:
        return values[:0]
    if values.dtype != object and magnitude(values) * len(values) > INT64_MAX:
        longest = int(np.diff(starts, append=len(values)).max())
        if magnitude(values) * longest > INT64_MAX:
            estimate = np.add.reduceat(np.abs(values.astype(np.float64)), starts)
            if estimate.max() >= _SAFE:
                values = widen(values)
    return np.add.reduceat(values, starts)


def trailing_zeros(values: ExactArray, limit: int) -> int:
    """Return how many decimal digits, at most `limit`, are zero in every value of a column."""
    digits = 0
    while digits < limit and not np.any(values % 10 ** (digits + 1)):
        digits += 1
    return digits


def day_of(time_ns: int) -> str:
    """Return the day of an instant in UTC, as 2024-07-18."""
    return utc_text(time_ns)[:10]


def utc_text(time_ns: int) -> str:
    """Write an instant in UTC to the nanosecond; a fraction only where there is one."""
    text = str(np.datetime64(time_ns, "ns"))
    whole, _, rest = text.partition(".")
    if time_ns % NS_PER_SECOND == 0:
        return f"{whole}Z"
    return f"{whole}.{rest[:3] if time_ns % NS_PER_MILLISECOND == 0 else rest}Z"
