"""Which one change would make two series of klines equal: another time, or another name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from kline_harness.arrow import int64_of
from kline_harness.comparison.series_rows import SeriesRows, ascending
from kline_harness.units import (
    NS_PER_HOUR,
    NS_PER_MICROSECOND,
    NS_PER_MINUTE,
    NS_PER_SECOND,
    Int64Array,
)

_Key: TypeAlias = tuple[Any, ...]
# Enough rows to tell a shift by, and so few that a month of seconds costs nothing.
_ROWS_MAX = 5_000
# So many different klines have to agree: a flat one is like every other.
_DISTINCT_MIN = 3
_PERCENT_MIN = 90
_OTHER_FIELDS = frozenset({"close_time"})


def diagnose(
    ours: SeriesRows, theirs: SeriesRows, fields: Sequence[str], named: str | None = None
) -> str:
    """Say by how much theirs are later or earlier than ours, if one shift makes them equal.

    `named` is the symbol of ours where it is another than theirs: then they may also be equal as
    they are. Empty where no shift pairs at least nine in ten of the klines that it makes overlap.
    """
    names = _names(fields)
    mine, other = _rows(ours, names), _rows(theirs, names)
    places: dict[_Key, list[int]] = {}
    for open_ns, key in mine.items():
        places.setdefault(key, []).append(open_ns)
    shifts: Counter[int] = Counter()
    for open_ns, key in other.items():
        # A kline that comes again and again says nothing of when.
        if len(places.get(key, ())) == 1:
            shifts[open_ns - places[key][0]] += 1
    for shift, _ in sorted(shifts.items(), key=lambda item: (-item[1], abs(item[0]), item[0]))[:3]:
        if shift == 0 and named is None:
            continue
        overlap = [open_ns for open_ns in other if open_ns - shift in mine]
        equal = [open_ns for open_ns in overlap if other[open_ns] == mine[open_ns - shift]]
        distinct = {other[open_ns] for open_ns in equal}
        if len(distinct) >= _DISTINCT_MIN and len(equal) * 100 >= len(overlap) * _PERCENT_MIN:
            sentence = _sentence(shift, _length(ours), named, (len(equal), len(overlap)), names)
            is_part = max(len(ours), len(theirs)) > _ROWS_MAX
            return f"{sentence} (of the first {_ROWS_MAX:,} klines)" if is_part else sentence
    return ""


def hashes(rows: SeriesRows, fields: Sequence[str]) -> Int64Array:
    """Return a hash of the compared values of each kline that `diagnose` looks at."""
    keys = _rows(rows, _names(fields)).values()
    return np.fromiter((hash(key) for key in keys), dtype=np.int64, count=len(keys))


def may_agree(ours: Int64Array, theirs: Int64Array) -> bool:
    """Say whether enough klines have the same hash for `diagnose` to find that they are equal."""
    return len(np.intersect1d(ours, theirs)) >= _DISTINCT_MIN


def _names(fields: Sequence[str]) -> list[str]:
    return [name for name in fields if name not in _OTHER_FIELDS]


def _rows(rows: SeriesRows, names: Sequence[str]) -> dict[int, _Key]:
    """Return the compared values of each kline by open time, in nanoseconds."""
    opens = rows.opens_ns()
    order = ascending(opens)
    first = np.arange(min(len(opens), _ROWS_MAX)) if order is None else order[:_ROWS_MAX].copy()
    del order
    table, opens = rows.take(first, names), opens[first]
    columns = [table[name] for name in names]
    values = [[value.as_py() for value in column] for column in columns]
    return dict(zip(opens.tolist(), zip(*values, strict=True), strict=True))


def _length(rows: SeriesRows) -> int:
    """Return the length of the first kline."""
    table = rows.take(np.arange(min(1, len(rows))), ("open_time", "close_time"))
    times = [int64_of(table[name]) for name in ("open_time", "close_time")]
    return int(times[1][0] - times[0][0]) * NS_PER_MICROSECOND if len(times[0]) else 0


def _sentence(
    shift: int, length: int, named: str | None, equal: tuple[int, int], names: Sequence[str]
) -> str:
    whose = f"our {named} klines" if named else "ours"
    when = "at the same times" if shift == 0 else _duration(shift)
    stamped = ", stamped with their close" if shift == length and not named else ""
    return (
        f"theirs are {whose} {when}{stamped}: {equal[0]:,} of {equal[1]:,} that overlap "
        f"so are equal in {', '.join(names)}"
    )


def _duration(shift: int) -> str:
    units = ((NS_PER_HOUR, "h"), (NS_PER_MINUTE, "min"), (NS_PER_SECOND, "s"), (1, "ns"))
    rest, parts = abs(shift), []
    for size, name in units:
        if rest >= size:
            parts.append(f"{rest // size} {name}")
            rest %= size
    return f"{' '.join(parts)} {'later' if shift > 0 else 'earlier'}"
