"""Two files that state the same klines: a daily and a monthly one, or two downloads."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from kline_harness.columns import concat, unequal_rows
from kline_harness.comparison.series_rows import chunks
from kline_harness.inspection.kline_series import KlineSeries, shown
from kline_harness.inspection.tally import Tally
from kline_harness.kline import KlineBatch
from kline_harness.units import is_among


def check_versions(series: list[KlineSeries], tally: Tally) -> int:
    """Compare the klines of each two files of one interval; return how many both state."""
    compared = 0
    for one, other in combinations(series, 2):
        if one.interval != other.interval:
            continue
        low = max(int(one.opens[0]), int(other.opens[0]))
        high = min(int(one.opens[-1]), int(other.opens[-1]))
        if low <= high:
            compared += _compare(one, other, tally)
            for first, second in ((one, other), (other, one)):
                _only_in(first, second, low, high, tally)
    return compared


def _compare(one: KlineSeries, other: KlineSeries, tally: Tally) -> int:
    fields = [name for name in one.fields if name in other.fields]
    compared = 0
    for some in chunks(len(one)):
        opens = one.opens[some]
        place = np.searchsorted(other.opens, opens)
        there = np.flatnonzero(is_among(opens, other.opens))
        if len(there):
            compared += len(there)
            pair = (one.take(there + some.start), other.take(place[there]))
            _judge(*pair, fields, (one.name, other.name), tally)
    return compared


def _judge(
    one: KlineBatch, other: KlineBatch, fields: list[str], names: tuple[str, str], tally: Tally
) -> None:
    both = concat([one, other])
    ours, theirs = both[: len(one)], both[len(one) :]
    found = np.flatnonzero(unequal_rows(ours, theirs, fields))
    examples = []
    for row in found[: tally.room("versions_conflict")].tolist():
        unequal = [n for n in fields if getattr(ours, n)[row] != getattr(theirs, n)[row]]
        examples.append(
            {
                "open_time_ns": int(ours.open_time_ns[row]),
                names[0]: shown(ours, row, unequal),
                names[1]: shown(theirs, row, unequal),
            }
        )
    tally.add("versions_conflict", len(found), *examples)


def _only_in(one: KlineSeries, other: KlineSeries, low: int, high: int, tally: Tally) -> None:
    first, stop = np.searchsorted(one.opens, (low, high + 1)).tolist()
    opens = one.opens[first:stop]
    for some in chunks(len(opens)):
        alone = opens[some][~is_among(opens[some], other.opens)]
        examples = [
            {"open_time_ns": time, "in": one.name, "not_in": other.name}
            for time in alone[: tally.room("rows_only_in_one")].tolist()
        ]
        tally.add("rows_only_in_one", len(alone), *examples)
