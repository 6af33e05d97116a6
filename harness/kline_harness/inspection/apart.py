"""Files of one symbol that were given together and have no time in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.comparison.shift import diagnose
from kline_harness.inspection.kline_series import KlineSeries
from kline_harness.inspection.subject import FileReport
from kline_harness.inspection.tally import Tally
from kline_harness.units import Int64Array


def check_apart(series: list[KlineSeries], tally: Tally) -> None:
    """Find pairs of files that could be compared, and whose times neither overlap nor join.

    Files that follow each other, or that are named for other days, were not meant to overlap.
    """
    for one, other in combinations(series, 2):
        comparable = one.interval == other.interval
        comparable |= one.interval.refines(other.interval) or other.interval.refines(one.interval)
        if not comparable or not _are_apart(_span(one), _span(other)):
            continue
        claims = one.klines.info.coverage, other.klines.info.coverage
        if None not in claims and claims[0] != claims[1]:
            continue
        example: dict[str, Any] = {"files": [one.name, other.name], **_times(one, other)}
        if one.interval == other.interval:
            fields = [name for name in one.fields if name in other.fields]
            sides = [_Rows(side) for side in (one, other)]
            if found := diagnose(sides[0], sides[1], fields):
                words = f"those of {other.name} are those of {one.name}"
                example["diagnosis"] = found.replace("theirs are ours", words)
        tally.add("times_apart", 1, example)


def check_trades_apart(series: list[KlineSeries], files: list[FileReport], tally: Tally) -> None:
    """Find files of trades of which no klines file of the same symbol has any time."""
    for file in files:
        info = file.info
        if info is None or info.first_event_time_ns is None or info.last_event_time_ns is None:
            continue
        span = (info.first_event_time_ns, info.last_event_time_ns)
        if series and all(_are_apart(_span(one), span) for one in series):
            names = [file.name, *(one.name for one in series[:4])]
            times = {"trades_from_ns": span[0], "klines_from_ns": int(series[0].opens[0])}
            tally.add("times_apart", 1, {"files": names, **times})


def _span(series: KlineSeries) -> tuple[int, int]:
    return int(series.opens[0]), series.interval.close_time_ns(int(series.opens[-1]))


def _are_apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[1] < other[0] or other[1] < one[0]


def _times(one: KlineSeries, other: KlineSeries) -> dict[str, int]:
    return {"first_from_ns": int(one.opens[0]), "second_from_ns": int(other.opens[0])}


class _Rows:
    """A series as what a comparison takes."""

    def __init__(self, series: KlineSeries) -> None:
        self._series = series

    def __len__(self) -> int:
        return len(self._series)

    def opens_ns(self) -> Int64Array:
        """Return every open time."""
        return self._series.opens

    def take(self, rows: NDArray[Any], names: Sequence[str] | None = None) -> pa.Table:
        """Return some rows; only some columns if named."""
        table = self._series.take(rows).to_arrow()
        return table if names is None else table.select(list(names))
