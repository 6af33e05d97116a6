"""Higher klines against the sums of the lower ones in them, across files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kline_harness.columns import concat, unequal_rows
from kline_harness.inspection.kline_series import KlineSeries, shown
from kline_harness.inspection.tally import Tally
from kline_harness.kline import PRICE_FIELDS, KlineBatch
from kline_harness.roll_up import roll_up_pieces
from kline_harness.units import BoolArray, Int64Array, mask


@dataclass(frozen=True, slots=True)
class _Pair:
    """What lower klines add up to, the higher ones beside them, and the fields of both files."""

    made: KlineBatch
    higher: KlineBatch
    names: tuple[str, str]
    fields: tuple[str, ...]

    @staticmethod
    def of(lower: KlineSeries, higher: KlineSeries, made: KlineBatch, place: Int64Array) -> _Pair:
        """Take klines made of the lower ones and the higher ones at some places, at one scale."""
        both = concat([made, higher.take(place)])
        fields = tuple(name for name in lower.fields if name in higher.fields)
        return _Pair(both[: len(made)], both[len(made) :], (lower.name, higher.name), fields)


def check_levels(series: list[KlineSeries], tally: Tally) -> int:
    """Compare each kline with the nearest lower klines that fill it; return how many could be.

    A roll-up is complete if it has a kline for each open time in it. Sums are exact in the fields
    that both files have: the open of the first that traded, the highest high, and so on.

    Source: the exchange's 1m klines add up to its 3m ... 1d, and 1d to 1w, in nine fields.
    """
    compared = 0
    for higher in series:
        done = np.zeros(len(higher), dtype=np.bool_)
        lowers = [s for s in series if s.interval != higher.interval]
        lowers = [s for s in lowers if s.interval.refines(higher.interval)]
        for lower in sorted(lowers, key=lambda s: s.interval.length_ns or 0, reverse=True):
            done |= _compare(lower, higher, done, tally)
        compared += int(done.sum())
    return compared


def _compare(lower: KlineSeries, higher: KlineSeries, done: BoolArray, tally: Tally) -> BoolArray:
    """Compare the klines not done yet, and return those that could be."""
    made, complete = roll_up_pieces(lower.pieces(), higher.interval)
    parents = made.open_time_ns
    place = np.minimum(np.searchsorted(higher.opens, parents), len(higher.opens) - 1)
    there = higher.opens[place] == parents
    within = (parents > higher.opens[0]) & (parents < higher.opens[-1])
    absent, names = parents[complete & ~there & within].tolist(), [lower.name, higher.name]
    examples = [{"open_time_ns": parent, "files": names} for parent in absent[:5]]
    tally.add("row_missing_though_lower", len(absent), *examples)
    matched = complete & there
    matched[matched] = ~done[place[matched]]
    if matched.any():
        _judge(_Pair.of(lower, higher, made.take(matched), place[matched]), tally)
    out = np.zeros(len(higher), dtype=np.bool_)
    out[place[matched]] = True
    return out


def _judge(pair: _Pair, tally: Tally) -> None:
    ours, theirs = pair.made, pair.higher
    differs = unequal_rows(ours, theirs, pair.fields)
    forming = differs & _looks_forming(ours, theirs, pair.fields)
    for kind, rows in (("forming_row", forming), ("levels_disagree", differs & ~forming)):
        found = np.flatnonzero(rows)
        some = found[: tally.room(kind)].tolist()
        tally.add(kind, len(found), *(_example(pair, ours, theirs, row) for row in some))


def _example(pair: _Pair, ours: KlineBatch, theirs: KlineBatch, row: int) -> dict[str, Any]:
    names = [n for n in pair.fields if getattr(ours, n)[row] != getattr(theirs, n)[row]]
    return {
        "open_time_ns": int(theirs.open_time_ns[row]),
        "files": list(pair.names),
        "stated": shown(theirs, row, names),
        "sum": shown(ours, row, names),
    }


def _looks_forming(ours: KlineBatch, theirs: KlineBatch, fields: tuple[str, ...]) -> BoolArray:
    """Find where theirs holds only the beginning of what it became: nothing more, and less."""
    amounts = [name for name in fields if name not in PRICE_FIELDS]
    if not amounts:
        return np.zeros(len(ours), dtype=np.bool_)
    sides = [
        theirs.open == ours.open,
        theirs.high <= ours.high,
        theirs.low >= ours.low,
        *(getattr(theirs, name) <= getattr(ours, name) for name in amounts),
        np.logical_or.reduce([mask(getattr(theirs, n) < getattr(ours, n)) for n in amounts]),
    ]
    kept: BoolArray = np.logical_and.reduce([mask(side) for side in sides])
    return kept
