"""Klines against the trades of their time: only whether there were any, and how much in all."""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from typing import Any

import numpy as np

from kline_harness.comparison.coverage import exceeds_rest
from kline_harness.comparison.series_rows import CHUNK_ROWS, chunks
from kline_harness.inspection.kline_series import KlineSeries
from kline_harness.inspection.subject import FileReport
from kline_harness.inspection.tally import Tally
from kline_harness.units import (
    BoolArray,
    ExactArray,
    Int64Array,
    is_among,
    mask,
    rescale,
    to_decimal,
)


def check_traded(
    series: KlineSeries, report: FileReport, tally: Tally, *, is_alone: bool = False
) -> int:
    """Hold a series against one file's trades; return how many klines could be held.

    Only klines wholly within the time that the trades cover count; of those at its ends only a
    volume that the rest of their time cannot hold is found, where the file `is_alone` the
    symbol's. What else is in a kline is for a replay to compare.
    """
    span = _span(report)
    buckets = report.buckets[series.klines.symbol]
    if span is None:
        return 0
    start, end = span
    interval = series.interval
    opens, trades, quantity, scale = buckets.totals()
    if is_alone and not series.prices_only:
        _hold_ends(series, (opens, quantity, scale), span, report.name, tally)
    whole = (opens >= start) & (interval.close_times_ns(opens) <= end)
    opens, trades, quantity = opens[whole], trades[whole], quantity[whole]
    # The series is in order: what the trades cover of it is one stretch.
    first = int(np.searchsorted(series.opens, start))
    held = series.opens[first : max(first, _closed_by(series, end))]
    files = {"klines": series.name, "trades": report.name}
    found = _Found(held, opens, files, tally)
    within = (opens >= series.opens[0]) & (opens <= series.opens[-1])
    found.note("no_row_though_traded", opens, within & ~found.has_row, trades=trades)
    if not series.prices_only:
        quiet = series.quiet[first : first + len(held)]
        at = found.place[found.has_row]
        traded, amount = trades[found.has_row], quantity[found.has_row]
        idle = quiet[at]
        found.note("zero_volume_though_traded", opens[found.has_row], idle, trades=traded)
        _note_untraded(series, first, quiet, opens, found)
        own = series.klines.rows.instrument.quantity_scale
        finest = max(scale, own)
        for some in chunks(len(at)):
            stated = rescale(series.take(first + at[some]).volume, finest - own)
            differs = stated != rescale(amount[some], finest - scale)
            rest = mask(differs) & ~idle[some]
            found.note("volume_differs", held[at[some]], rest)
    _explain_gaps(series, opens, span, found)
    return len(held)


def _closed_by(series: KlineSeries, end: int) -> int:
    """Count the klines that close at a time or before it."""
    return bisect_right(
        series.opens, end, key=lambda at: int(series.interval.close_times_ns(np.array([at]))[0])
    )


def _note_untraded(
    series: KlineSeries, first: int, quiet: BoolArray, traded: Int64Array, found: _Found
) -> None:
    """Note the klines from the place `first` on that state trades where there were none."""
    for some in chunks(len(quiet)):
        places = first + some.start + np.flatnonzero(~quiet[some])
        opens = series.opens[places]
        missing = ~is_among(opens, traded)
        if missing.any():
            counts = series.take(places).count
            found.note("no_trades_though_volume", opens, missing, count=counts)


def _hold_ends(
    series: KlineSeries,
    traded: tuple[Int64Array, ExactArray, int],
    span: tuple[int, int],
    name: str,
    tally: Tally,
) -> None:
    """Find klines at the ends with more volume than the time without trades can hold."""
    first = int(np.searchsorted(series.opens, span[0])) - 1
    digits = series.klines.rows.instrument.quantity_scale
    for row in sorted({max(first, 0), min(_closed_by(series, span[1]), len(series) - 1)}):
        open_ns = int(series.opens[row])
        close_ns = series.interval.close_time_ns(open_ns)
        if not any(open_ns < end < close_ns for end in span):
            continue
        at = np.flatnonzero(traded[0] == open_ns)
        mine = to_decimal(traded[1][at[0]], traded[2]) if len(at) else Decimal(0)
        length_ns = close_ns - open_ns
        covered_ns = min(span[1], close_ns) - max(span[0], open_ns)
        volumes = (piece.volume[piece.open_time_ns != open_ns] for piece in series.pieces())
        seen = [to_decimal(some.max(), digits) for some in volumes if len(some)]
        seen += [mine * length_ns / covered_ns] if covered_ns > 0 else []
        surplus = to_decimal(series.take(np.array([row])).volume[0], digits) - mine
        if seen and exceeds_rest(surplus, max(seen), length_ns, covered_ns):
            files = {"klines": series.name, "trades": name}
            tally.add("volume_differs", 1, {"open_time_ns": open_ns, **files})


def _span(report: FileReport) -> tuple[int, int] | None:
    info = report.info
    if info is None:
        return None
    if info.coverage is not None:
        return info.coverage
    if info.first_event_time_ns is None or info.last_event_time_ns is None:
        return None
    return info.first_event_time_ns, info.last_event_time_ns


def _explain_gaps(
    series: KlineSeries, traded: Int64Array, span: tuple[int, int], found: _Found
) -> None:
    """Tell how much of the series' gaps no trade fell in."""
    after = series.interval.close_times_ns(np.array([span[0] - 1]))[0]
    first = max(int(series.opens[0]), int(after))
    last = min(int(series.opens[-1]), span[1])
    length = series.interval.length_ns
    # Months are few; of seconds only some are looked at together.
    step = max(last - first, 1) if length is None else CHUNK_ROWS * length
    for start in range(first, last, step):
        due = series.interval.opens_between(start, min(start + step, last))
        empty = due[~is_among(due, series.opens) & ~is_among(due, traded)]
        found.note("nothing_traded_in_gap", empty, np.ones(len(empty), dtype=np.bool_))


class _Found:
    """Where in the klines the time of each bucket is, and how to tell of what is wrong."""

    def __init__(
        self, opens: Int64Array, buckets: Int64Array, files: dict[str, str], tally: Tally
    ) -> None:
        self._files = files
        self._tally = tally
        if len(opens) == 0:
            self.place = np.zeros(len(buckets), dtype=np.intp)
            self.has_row: BoolArray = np.zeros(len(buckets), dtype=np.bool_)
            return
        self.place = np.minimum(np.searchsorted(opens, buckets), len(opens) - 1)
        self.has_row = opens[self.place] == buckets

    def note(self, kind: str, opens: Int64Array, rows: BoolArray, **more: Int64Array) -> None:
        found = np.flatnonzero(rows)
        examples: list[dict[str, Any]] = [
            {"open_time_ns": int(opens[row]), **self._files}
            | {name: int(values[row]) for name, values in more.items()}
            for row in found[: self._tally.room(kind)]
        ]
        self._tally.add(kind, len(found), *examples)
