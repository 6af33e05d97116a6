"""What the members of `run.json`, and of the findings beside it, have to be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

# A type; (shapes, any of which will do); [shape of each item]; {"*": shape of each value};
# {name: shape}, in which a name with a question mark may be absent; or the texts allowed.
Shape: TypeAlias = type[Any] | tuple[Any, ...] | list[Any] | dict[str, Any] | frozenset[str] | None


class Options:
    """The shape of a scenario: any JSON in which instants, lengths of time and rows are numbers."""


_NUMBER = (int, None)
_NUMBERED = ("_ns", "_rows")
_TEXT = (str, None)
_COUNTS = {"*": int}
VERDICTS = frozenset({"valid", "invalid", "unknown"})
_SEVERITIES = frozenset({"error", "doubt", "notice"})
_SHOWN = 60
_INPUT = {
    "path": str,
    "role?": str,
    "symbols?": ([str], None),
    **dict.fromkeys(("rows?", "skipped?", "bytes?"), _NUMBER),
    **dict.fromkeys(("first_trade_id?", "last_trade_id?"), _NUMBER),
    **dict.fromkeys(("first_event_time_ns?", "last_event_time_ns?"), _NUMBER),
    **dict.fromkeys(("market?", "layout?", "unit?", "compression?", "sha256?"), _TEXT),
    "coverage?": ([int], None),
    "header?": (bool, None),
}
_CHECK = {
    "check": str,
    "verdict": VERDICTS,
    "needs?": _TEXT,
    "counts": _COUNTS,
    "findings": _COUNTS,
    "not_checked": [str],
}
_CLASSES = ("identical", "proved", "consistent", "unexplained", "missing", "extra")
_COMPARED = {
    "symbol": str,
    "interval": str,
    **{f"{name}?": int for name in _CLASSES},
    **dict.fromkeys(("outside?", "uncompared?"), _NUMBER),
    "fields?": (_COUNTS, None),
    **dict.fromkeys(("source?", "diagnosis?"), _TEXT),
}
_NOT_COMPARED = {
    **dict.fromkeys(("symbol", "interval", "side?", "reason?", "sentence?", "why?"), str),
    "names?": ([str], None),
    "klines": int,
}
_CONSUMER = {
    "name": str,
    **dict.fromkeys(("delivered?", "lagged?", "lag_events?", "depth_peak?"), _NUMBER),
}
_CHANNEL = {
    "name": str,
    **dict.fromkeys(("capacity?", "published?", "sent?"), _NUMBER),
    "consumers": [_CONSUMER],
}
_LATENESS = ("count?", "min_ns?", "p50_ns?", "p90_ns?", "p99_ns?", "max_ns?")
_TRANSITION = {
    **dict.fromkeys(("state", "life", "trigger", "next"), str),
    "count": int,
    "legal": bool,
}
_FAULT = {
    "fault": str,
    "effect?": ({"*": object}, None),
    "detected_by?": ([str], None),
    "had_effect?": (bool, None),
    **dict.fromkeys(("from_ns?", "to_ns?"), _NUMBER),
}
RUN: dict[str, Any] = {
    "verdict": VERDICTS,
    "exit_code?": _NUMBER,
    "sentence?": str,
    "command?": str,
    "scenario?": Options,
    "changed_options?": ({"*": object}, None),
    "seed?": _NUMBER,
    "versions?": {"*": _TEXT},
    "inputs?": [_INPUT],
    "receptions?": [{"*": object}],
    "checks?": [_CHECK],
    "ledger?": [{"law": str, "equations": int, "balanced": int, "total?": int, "parts?": _COUNTS}],
    "comparison?": ({"series": [_COMPARED], "not_compared?": [_NOT_COMPARED]}, None),
    "channels?": [_CHANNEL],
    "series?": _COUNTS,
    "lateness?": [{"interval": str, **dict.fromkeys(_LATENESS, _NUMBER)}],
    "transitions?": [_TRANSITION],
    "stretches?": [{"symbol": str, "why": str, "from_ns": int, "until_ns": int}],
    "faults?": [_FAULT],
    "served?": ({"*": object}, None),
}
FINDING: dict[str, Any] = {
    **dict.fromkeys(("check?", "kind?", "symbol?", "interval?"), _TEXT),
    "severity?": _SEVERITIES,
    **dict.fromkeys(("open_time_ns?", "at_ns?"), _NUMBER),
    "evidence?": ({"*": object}, None),
}
_EXPECTATION = {
    **dict.fromkeys(("name", "rule"), str),
    "columns": [str],
    "success": bool,
    "unexpected_count": int,
    "unexpected_rows?": [{"*": object}],
}
EXPECTATIONS: dict[str, Any] = {
    "rows?": _NUMBER,
    "expectations?": [_EXPECTATION],
    "crashed?": _TEXT,
}
_NAMES = {str: "a text", int: "a whole number", bool: "true or false", object: "anything"}


def misfit(value: Any, shape: Shape, place: str = "") -> tuple[str, str] | None:
    """Return what was expected of which member and what was found, None where all is as it should.

    `place` names the value itself.
    """
    if shape is Options:
        return misfit(value, {"*": object}, place) or _first(_options(value, place))
    if isinstance(shape, tuple):
        found = [misfit(value, one, place) for one in shape]
        return None if None in found else found[0]
    if isinstance(shape, list) and isinstance(value, list):
        items = enumerate(value)
        return _first(misfit(item, shape[0], f"{place}[{row}]") for row, item in items)
    if isinstance(shape, dict) and isinstance(value, Mapping):
        return _first(_members(value, shape, place))
    if isinstance(shape, dict | list) or not _is(value, shape):
        return f"{_name(shape)} for {place or 'all of it'}", _shown(value)
    return None


def _members(
    value: Mapping[str, Any], shape: Mapping[str, Any], place: str
) -> Iterator[tuple[str, str] | None]:
    """Yield for each member of an object what is wrong with it."""
    dot = f"{place}." if place else ""
    if "*" in shape:
        for name, inner in value.items():
            yield misfit(inner, shape["*"], f"{dot}{name}")
        return
    for name, inner in shape.items():
        member = name.removesuffix("?")
        if member in value:
            yield misfit(value[member], inner, f"{dot}{member}")
        elif member == name:
            yield f"a member {member} of {place or 'the object'}", "none"


def _options(value: Any, place: str) -> Iterator[tuple[str, str] | None]:
    """Yield what is no number in options though its name says so."""
    items = value.items() if isinstance(value, Mapping) else ()
    if isinstance(value, list):
        yield from (
            found for n, one in enumerate(value) for found in _options(one, f"{place}[{n}]")
        )
    for name, inner in items:
        if name.endswith(_NUMBERED):
            yield misfit(inner, _NUMBER, f"{place}.{name}")
        yield from _options(inner, f"{place}.{name}")


def _first(found: Iterable[tuple[str, str] | None]) -> tuple[str, str] | None:
    return next((one for one in found if one is not None), None)


def _is(value: Any, shape: Any) -> bool:
    if isinstance(shape, frozenset):
        return isinstance(value, str) and value in shape
    if shape is None:
        return value is None
    # To Python true is a number.
    return isinstance(value, shape) and (shape is not int or not isinstance(value, bool))


def _name(shape: Shape) -> str:
    if isinstance(shape, frozenset):
        return f"one of {', '.join(sorted(shape))}"
    if isinstance(shape, list):
        return "a list"
    if isinstance(shape, dict):
        return "an object"
    return _NAMES[shape] if isinstance(shape, type) else "nothing"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
