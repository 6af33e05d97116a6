"""How numbers, times and sizes read on a page: exact, UTC, the same for every reader."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from kline_harness.units import NS_PER_MICROSECOND, NS_PER_SECOND, format_exact

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Beyond this, a script's number is no longer exact.
_EXACT_NUMBER = 2**53
_UNITS = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))
# From 1973 on: a smaller number under a name in _ns is a duration.
_FIRST_TIME_NS = 100_000_000 * NS_PER_SECOND


def number(value: Any) -> str:
    """Write an integer with commas between thousands; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int):
        return "" if value is None else str(value)
    return f"{value:,}"


def utc(time_ns: Any) -> str:
    """Write an instant as ``YYYY-MM-DD HH:MM:SS`` UTC; a fraction has 3, 6 or 9 digits."""
    if not isinstance(time_ns, int):
        return "–"
    seconds, rest = divmod(time_ns, NS_PER_SECOND)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:
        return f"{time_ns} ns"
    if not rest:
        return text
    digits = next(digits for digits in (3, 6, 9) if rest % 10 ** (9 - digits) == 0)
    return f"{text}.{rest // 10 ** (9 - digits):0{digits}d}"


def duration(length_ns: Any) -> str:
    """Write a length of time with three significant digits and the unit that suits it."""
    if not isinstance(length_ns, int):
        return "–"
    if abs(length_ns) >= 120 * NS_PER_SECOND:
        minutes, seconds = divmod(abs(length_ns) // NS_PER_SECOND, 60)
        hours, minutes = divmod(minutes, 60)
        sign = "-" if length_ns < 0 else ""
        return (
            f"{sign}{hours} h {minutes:02d} min"
            if hours
            else f"{sign}{minutes} min {seconds:02d} s"
        )
    for size, unit in _UNITS:
        if abs(length_ns) >= size:
            value = length_ns / size
            return f"{value:.{max(0, 3 - len(str(abs(int(value)))))}f} {unit}"
    return "0 s"


def seconds(length_ns: int) -> str:
    """Write a length of time exactly, in seconds."""
    return f"{format_exact(length_ns, 9)} s"


def size(count: Any) -> str:
    """Write a number of bytes with a decimal unit."""
    if not isinstance(count, int):
        return "–"
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def words(name: Any) -> str:
    """Write a snake_case name as words."""
    return str(name).replace("_", " ")


def label(name: Any) -> str:
    """Write a snake_case name as words, without the unit of a time that is shown as one."""
    return words(str(name).removesuffix("_ns").removesuffix("_us"))


def measured(value: Any, name: str) -> str:
    """Write what a check measured: a number, or a length of time where its name ends in ``_ns``."""
    return duration(value) if name.endswith("_ns") else number(value)


def readable(name: str, value: Any) -> Any:
    """Make a value of evidence fit to be shown: times as UTC text, large integers as text."""
    if isinstance(value, dict):
        return {key: readable(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [readable(name, inner) for inner in value]
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if name.endswith(("_ns", "_us")):
        time_ns = value * (NS_PER_MICROSECOND if name.endswith("_us") else 1)
        return utc(time_ns) if time_ns >= _FIRST_TIME_NS else seconds(time_ns)
    return value if abs(value) < _EXACT_NUMBER else str(value)


def flatten(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested options as (dotted name, text) in their order."""
    rows: list[tuple[str, str]] = []
    for name, inner in value.items():
        path = f"{prefix}{name}"
        if isinstance(inner, Mapping) and inner:
            rows += flatten(inner, f"{path}.")
        elif isinstance(inner, list) and inner and all(_interval(item) for item in inner):
            rows.append((path, ", ".join(str(item["text"]) for item in inner)))
        elif isinstance(inner, list) and any(isinstance(item, Mapping) for item in inner):
            for place, item in enumerate(inner):
                rows += flatten(
                    item if isinstance(item, Mapping) else {"": item}, f"{path}[{place}]."
                )
        else:
            rows.append(
                (path.removesuffix("_ns").removesuffix("_us"), plain(readable(str(name), inner)))
            )
    return rows


def _interval(item: Any) -> bool:
    return isinstance(item, Mapping) and "text" in item and "length_ns" in item


def plain(value: Any) -> str:
    """Write any value of JSON as short text."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{label(key)} {plain(item)}" for key, item in value.items()) or "none"
    return str(value)
