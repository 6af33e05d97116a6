"""What a page tells of a moment that is chosen: consumers, lateness, and what was planted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kline_harness.report.data import ReportData
from kline_harness.report.disturbances import disturbances
from kline_harness.report.evidence import script_json
from kline_harness.report.timeline import COLUMNS, columns_of, edges_of, lateness_of
from kline_harness.run_record import RunRecord
from kline_harness.units import NS_PER_MILLISECOND, Int64Array


def moment_block(data: ReportData, span_ns: tuple[int, int]) -> str | None:
    """Return the JSON text of what happened by stretch of time; None for a run without any.

    The run is cut into `columns` stretches of equal length between `from` and `to` (ms). A track
    is a consumer's event with the highest count of each stretch that has one; `late` is how late
    the latest final of each stretch was (ns); `planted` are windows with a name, of faults and of
    klines without trades.
    """
    late_at, late_ns = lateness_of(data)
    edges = edges_of(data, span_ns, late_at)
    if edges is None:
        return None
    tracks = [
        [track.channel, track.consumer, track.event, *_sparse(edges, track.at_ns, track.count)]
        for track in data.timeline
        if len(track.at_ns)
    ]
    return script_json(
        {
            "from": int(edges[0]) // NS_PER_MILLISECOND,
            "to": int(edges[-1]) // NS_PER_MILLISECOND,
            "columns": COLUMNS,
            "tracks": tracks,
            "late": _sparse(edges, late_at, np.maximum(late_ns, 0)),
            "planted": list(_planted(data.run, (int(edges[0]), int(edges[-1])))),
        }
    )


def _sparse(edges: Int64Array, at_ns: Int64Array, count: Int64Array) -> list[list[int]]:
    """Return the stretches that have a value, and the highest value of each."""
    place = columns_of(edges, at_ns)
    peak = np.full(COLUMNS, -1, dtype=np.int64)
    np.maximum.at(peak, place, count)
    there = np.flatnonzero(peak >= 0)
    return [there.tolist(), peak[there].tolist()]


def _planted(run: RunRecord, span_ns: tuple[int, int]) -> Iterator[list[Any]]:
    for one in disturbances(run.scenario, run.faults):
        start, end = span_ns if one.all_along else one.within(span_ns)
        yield [one.name, start // NS_PER_MILLISECOND, end // NS_PER_MILLISECOND]
    for row in run.stretches:
        name = f"{row['symbol']}: {row['why']}"
        yield [name, row["from_ns"] // NS_PER_MILLISECOND, row["until_ns"] // NS_PER_MILLISECOND]
