"""Two files that state the same klines: a daily and a monthly one, or two downloads."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from kline_harness.columns import concat
from kline_harness.inspection.kline_series import KlineSeries, shown
from kline_harness.inspection.tally import Tally
from kline_harness.units import Int64Array


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
    both = concat([one.batch, other.batch])
    cut = len(one.batch)
    _, left, right = np.intersect1d(one.opens, other.opens, return_indices=True)
    ours, theirs = both[:cut].take(left), both[cut:].take(right)
    fields = [name for name in one.fields if name in other.fields]
    differs = np.zeros(len(left), dtype=np.bool_)
    for name in fields:
        differs |= np.asarray(getattr(ours, name) != getattr(theirs, name), dtype=np.bool_)
    found = np.flatnonzero(differs)
    examples = []
    for row in found[: tally.room("versions_conflict")].tolist():
        names = [n for n in fields if getattr(ours, n)[row] != getattr(theirs, n)[row]]
        examples.append(
            {
                "open_time_ns": int(ours.open_time_ns[row]),
                one.name: shown(ours, row, names),
                other.name: shown(theirs, row, names),
            }
        )
    tally.add("versions_conflict", len(found), *examples)
    return len(left)


def _only_in(one: KlineSeries, other: KlineSeries, low: int, high: int, tally: Tally) -> None:
    opens: Int64Array = one.opens[(one.opens >= low) & (one.opens <= high)]
    alone = np.setdiff1d(opens, other.opens, assume_unique=True)
    examples = [
        {"open_time_ns": time, "in": one.name, "not_in": other.name}
        for time in alone[: tally.room("rows_only_in_one")].tolist()
    ]
    tally.add("rows_only_in_one", len(alone), *examples)
