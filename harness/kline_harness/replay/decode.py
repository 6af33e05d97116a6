"""From a TOML table to frozen dataclasses, with one clear sentence for whatever does not fit.

A key is a field's name; for a field in nanoseconds (``grace_ns``) the key is the name without
its unit (``grace``) and the value a duration such as ``"100ms"``, an instant (a date-time with
offset, in quotes or without), or a whole number of nanoseconds.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from kline_harness.archives.iso_times import instant_ns
from kline_harness.contracts import contract_size
from kline_harness.errors import UsageError
from kline_harness.faults.catalogue import CATALOGUE
from kline_harness.faults.fault import Fault
from kline_harness.interval import Interval, parse_interval
from kline_harness.units import (
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_MICROSECOND,
    NS_PER_MILLISECOND,
    NS_PER_MINUTE,
    NS_PER_SECOND,
)

_UNITS = {
    "ns": 1,
    "us": NS_PER_MICROSECOND,
    "ms": NS_PER_MILLISECOND,
    "s": NS_PER_SECOND,
    "m": NS_PER_MINUTE,
    "h": NS_PER_HOUR,
    "d": NS_PER_DAY,
}
_MOST = 1 << 62
_DURATION = re.compile(r"(\d+)(ns|us|ms|s|m|h|d)")
_WITH_OFFSET = re.compile(r".*(?:[Zz]|[+-]\d{2}:?\d{2})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode(kind: Any, value: Any, where: str, *, unit_ns: bool = False) -> Any:
    """Return `value`, as TOML gives it, as an instance of the type `kind`.

    `where` names the place for error messages: the file and the keys down to it.

    Raises UsageError for an unknown key, a missing one, or a value of another kind.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(arguments, value, where, unit_ns)
    if origin is tuple:
        return _decode_tuple(arguments, value, where, unit_ns)
    if origin in (dict, Mapping):
        table = _expect(value, dict, "a table", where)
        return {name: decode(arguments[1], v, f"{where}.{name}") for name, v in table.items()}
    if isinstance(kind, type) and issubclass(kind, Interval):
        return _interval(_expect(value, str, "an interval such as '5m'", where), where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        _expect(value, str, f"one of {_list(member.value for member in kind)}", where)
        choices = [member.value for member in kind]
        if value not in choices:
            raise UsageError(f"{where}: expected one of {_list(choices)}, found {value!r}")
        return kind(value)
    if kind is Decimal:
        # A number with a point would be a float in TOML: exact ones are text.
        text = _expect(value, (int, str), "a whole number, or a decimal as text", where)
        return contract_size(text)
    if kind is Fault:
        return _decode_kind(CATALOGUE, value, where)
    if is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    return _decode_plain(kind, value, where, unit_ns)


def encode(value: Any) -> Any:
    """Return options as plain data for JSON; times stay nanoseconds under the fields' names."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": value.KIND} if hasattr(value, "KIND") else {}
        return kind | {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Interval):
        return value.text
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else f"{value:f}"
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {name: encode(item) for name, item in sorted(value.items())}
    return value


def _interval(text: str, where: str) -> Interval:
    try:
        return parse_interval(text)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    table = _expect(value, dict, "a table", where)
    hints = get_type_hints(kind)
    known = keys_of(kind)
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r}: expected one of {_list(known)}")
    by_name = {field.name: field for field in fields(kind)}
    missing = [key for key, name in known.items() if key not in table and _is_needed(by_name[name])]
    if missing:
        raise UsageError(f"{where}: missing key {_list(missing)}")
    given = {}
    for key, item in table.items():
        name, place = known[key], f"{where}.{key}"
        given[name] = decode(hints[name], item, place, unit_ns=name != key)
        _check_range(by_name[name], given[name], item, place)
    try:
        return kind(**given)
    except (ValueError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from error


def keys_of(kind: Any) -> dict[str, str]:
    """Return the keys that a table of a dataclass can have, each with its field's name."""
    asked = [field for field in fields(kind) if field.init and field.metadata.get("in_file", True)]
    return {_key(field.name): field.name for field in asked}


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _check_range(field: Field[Any], value: Any, written: Any, where: str) -> None:
    """Hold whole numbers to the field's metadata ``least`` and ``most``, by default 0 and 2**62.

    Two numbers up to 2**62 add up within int64; as nanoseconds it is 146 years.
    """
    least, most = field.metadata.get("least", 0), field.metadata.get("most", _MOST)
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, int | float) and not least <= number <= most:
            limits = f"a value from {least:,} to {most:,}"
            unit = " nanoseconds" if field.name.endswith("_ns") else ""
            raise UsageError(f"{where}: expected {limits}{unit}, found {written!r}")


def _decode_union(arguments: tuple[Any, ...], value: Any, where: str, unit_ns: bool) -> Any:
    """Take the first alternative that fits; None is never written in TOML, only left out."""
    errors = []
    for alternative in arguments:
        if alternative is type(None):
            continue
        try:
            return decode(alternative, value, where, unit_ns=unit_ns)
        except UsageError as error:
            errors.append(error)
    raise errors[0]


def _decode_kind(kinds: Mapping[Any, Any], value: Any, where: str) -> Any:
    """Take the alternative that the key ``kind`` names."""
    table = dict(_expect(value, dict, "a table", where))
    named = table.pop("kind", None)
    if not isinstance(named, str) or named not in kinds:
        raise UsageError(f"{where}.kind: expected one of {_list(sorted(kinds))}, found {named!r}")
    return decode(kinds[named], table, where)


def _decode_tuple(arguments: tuple[Any, ...], value: Any, where: str, unit_ns: bool) -> Any:
    items = _expect(value, list, "a list", where)
    kinds = arguments
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        kinds = (arguments[0],) * len(items)
    elif len(items) != len(arguments):
        raise UsageError(f"{where}: expected {len(arguments)} values, found {len(items)}")
    return tuple(
        decode(kind, item, f"{where}[{number}]", unit_ns=unit_ns)
        for number, (kind, item) in enumerate(zip(kinds, items, strict=True))
    )


def _decode_plain(kind: Any, value: Any, where: str, unit_ns: bool) -> Any:
    if unit_ns and kind is int:
        return _nanoseconds(value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        # Beyond int64 TOML promises nothing, and a float might not hold it.
        return float(value) if abs(value) <= _MOST else math.inf
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{where}: expected {_NAMES.get(kind, kind.__name__)}, found {value!r}")
    if kind is float and not math.isfinite(value):
        raise UsageError(f"{where}: expected a finite number, found {value!r}")
    return value


def _nanoseconds(value: Any, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, datetime) and value.tzinfo is not None:
        return (value - _EPOCH) // timedelta(microseconds=1) * NS_PER_MICROSECOND
    if isinstance(value, str):
        parts = _DURATION.findall(value.replace(" ", ""))
        if parts and "".join(number + unit for number, unit in parts) == value.replace(" ", ""):
            return sum(int(number) * _UNITS[unit] for number, unit in parts)
        # In quotes it is text for TOML, and says the same.
        instant = instant_ns(value) if _WITH_OFFSET.fullmatch(value) else None
        if instant is not None:
            return instant
    raise UsageError(
        f"{where}: expected a duration such as '100ms' or '1m30s', an instant with its offset such "
        f"as 2024-05-15T00:01:00Z, or nanoseconds, found {_as_written(value)}"
    )


def _as_written(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else repr(value)


_NAMES = {int: "a whole number", str: "text", bool: "true or false", float: "a number"}


def _key(name: str) -> str:
    return name.removesuffix("_ns")


def _expect(value: Any, kind: Any, what: str, where: str) -> Any:
    if not isinstance(value, kind):
        raise UsageError(f"{where}: expected {what}, found {value!r}")
    return value


def _list(names: Any) -> str:
    return ", ".join(str(name) for name in names)
