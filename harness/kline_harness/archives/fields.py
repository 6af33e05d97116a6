"""What one field of a row can be: a number, an epoch timestamp and its unit, a word."""

from __future__ import annotations

from functools import lru_cache

from kline_harness.archives.mapped_values import plain_number
from kline_harness.units import INT64_MAX, NS_PER_SECOND, TimeUnit, parse_exact

TRUE_WORDS = ("true", "True", "TRUE")
FALSE_WORDS = ("false", "False", "FALSE")


def is_number(text: str) -> bool:
    """Tell whether a text is a decimal number, with an exponent or without, and no plus."""
    if is_plain_number(text):
        return True
    return text[:1] in "0123456789.-" and plain_number(text) is not None


def is_plain_number(text: str) -> bool:
    """Tell whether a text is a decimal number without an exponent."""
    try:
        parse_exact(text)
    except ValueError:
        return False
    return True


def is_seconds(text: str) -> bool:
    """Tell whether a text is an epoch timestamp in seconds, with decimals or without."""
    return unit_of(text.partition(".")[0]) is TimeUnit.SECOND and is_plain_number(text)


def unit_of(text: str) -> TimeUnit | None:
    """Return the unit of an epoch timestamp, derived from its magnitude; None for no timestamp."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    try:
        return TimeUnit.detect(int(text))
    except ValueError:
        return None


def unit_name(unit: TimeUnit) -> str:
    """Return the short name of a time unit."""
    return {"SECOND": "s", "MILLISECOND": "ms", "MICROSECOND": "us", "NANOSECOND": "ns"}[unit.name]


def unit_range(unit: TimeUnit) -> tuple[int, int]:
    """Return the smallest and largest timestamp taken to be in a unit."""
    ticks = NS_PER_SECOND // unit.value
    return 100_000_000 * ticks, min(10_000_000_000 * ticks - 1, INT64_MAX // unit.value)


# Many files have the same few names.
@lru_cache(maxsize=1_024)
def plain_name(name: str) -> str:
    """Return a column's name without quotation marks, blanks, underscores and capitals."""
    return name.strip().strip('"').replace("_", "").replace(" ", "").lower()
