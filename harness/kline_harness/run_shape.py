"""Whether an object of `run.json`, or of the files beside it, is what a run writes there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from kline_harness.units import INT64_MAX

_SHOWN = 60
_NAMES = {str: "a text", int: "a whole number", bool: "true or false", NoneType: "nothing"}


def misfit(value: Any, shape: Any, place: str = "") -> tuple[str, str] | None:
    """Return what was expected of which member and what was found, None where all is as it should.

    `shape` is a type: a row of `run_rows`, a record with such rows, or what a member of one is.
    `place` names the value itself.
    """
    origin, inner = get_origin(shape), get_args(shape)
    if origin is Annotated:
        return _annotated(value, inner[0], inner[1], place)
    if origin in (Union, UnionType):
        found = [misfit(value, one, place) for one in inner]
        return None if None in found else found[0]
    if origin is Sequence and isinstance(value, list):
        items = enumerate(value)
        return _first(misfit(item, inner[0], f"{place}[{row}]") for row, item in items)
    if origin is Mapping and isinstance(value, dict):
        dot = f"{place}." if place else ""
        return _first(misfit(one, inner[1], f"{dot}{name}") for name, one in value.items())
    if is_typeddict(shape) or is_dataclass(shape):
        if isinstance(value, dict):
            return _first(_members(value, shape, place))
    elif shape is Any or (isinstance(shape, type) and _is(value, shape)):
        return None
    return f"{_name(shape)} for {place or 'all of it'}", _shown(value)


def _annotated(value: Any, inner: Any, more: Any, place: str) -> tuple[str, str] | None:
    """Hold a text to a set of texts, options to ends of names of numbers, a list to a length."""
    if isinstance(more, frozenset):
        if isinstance(value, str) and value in more:
            return None
        return f"one of {', '.join(sorted(more))} for {place or 'all of it'}", _shown(value)
    found = misfit(value, inner, place)
    if found is None and isinstance(more, int) and len(value) != more:
        return f"{more} items for {place or 'all of it'}", _shown(value)
    return found or (_first(_numbers(value, more, place)) if isinstance(more, tuple) else None)


def _members(value: dict[str, Any], shape: Any, place: str) -> Iterator[tuple[str, str] | None]:
    """Yield for each member of an object what is wrong with it."""
    dot = f"{place}." if place else ""
    for name, (inner, is_required) in members_of(shape).items():
        if name in value:
            yield misfit(value[name], inner, f"{dot}{name}") or _beyond(f"{dot}{name}", value[name])
        elif is_required:
            yield f"a member {name} of {place or 'the object'}", "none"


@cache
def members_of(shape: Any) -> dict[str, tuple[Any, bool]]:
    """Return the shape of each member, and whether it has to be there."""
    defaults = {
        one.name
        for one in (fields(shape) if is_dataclass(shape) else ())
        if (one.default, one.default_factory) != (MISSING, MISSING)
    }
    return {
        name: (get_args(inner)[0], False)
        if get_origin(inner) is NotRequired
        else (inner, name not in defaults)
        for name, inner in get_type_hints(shape, include_extras=True).items()
    }


def _numbers(value: Any, ends: tuple[str, ...], place: str) -> Iterator[tuple[str, str] | None]:
    """Yield what is no number in options though its name says so."""
    if isinstance(value, list):
        yield from (
            found for n, one in enumerate(value) for found in _numbers(one, ends, f"{place}[{n}]")
        )
    for name, inner in value.items() if isinstance(value, dict) else ():
        if name.endswith(ends):
            yield misfit(inner, int | None, f"{place}.{name}")
        yield from _numbers(inner, ends, f"{place}.{name}")


def _beyond(place: str, value: Any) -> tuple[str, str] | None:
    """Return what is wrong with an instant or a length of time that int64 does not hold."""
    if not place.endswith("_ns") or value is None or abs(value) <= INT64_MAX:
        return None
    return f"nanoseconds in 64 bits for {place}", _shown(value)


def _first(found: Iterable[tuple[str, str] | None]) -> tuple[str, str] | None:
    return next((one for one in found if one is not None), None)


def _is(value: Any, shape: type) -> bool:
    # To Python true is a number.
    return isinstance(value, shape) and (shape is not int or not isinstance(value, bool))


def _name(shape: Any) -> str:
    if get_origin(shape) is Sequence:
        return "a list"
    return _NAMES.get(shape, "an object")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
