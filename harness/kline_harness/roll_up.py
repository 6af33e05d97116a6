"""Klines of a longer interval from those of a shorter one.

The exact aggregator, the completeness auditor and the suite of expectations have ways of their
own, each to be held against the others; everything else rolls up here.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kline_harness.columns import concat
from kline_harness.interval import CODE, INTERVALS, Interval
from kline_harness.kline import FIELDS, PRICE_FIELDS, KlineBatch, Trigger
from kline_harness.units import BoolArray, Int64Array, mask, sum_groups

_SUMS = tuple(name for name in FIELDS if name not in PRICE_FIELDS)


def roll_up(klines: KlineBatch, interval: Interval) -> tuple[KlineBatch, BoolArray]:
    """Return the klines of `interval` that klines make, and which have every part.

    `klines` are of one symbol and of an interval that refines the other, in any order. Prices are
    those of the parts that traded, if any did: by count, or by volume where a source states none.

    Source: the exchange's files: 1m adds up to 3m to 1d, and 1d to 1w, in every field.
    """
    if len(klines) == 0:
        return klines, np.empty(0, dtype=np.bool_)
    return roll_up_pieces([klines.take(np.argsort(klines.open_time_ns, kind="stable"))], interval)


def roll_up_pieces(
    pieces: Iterable[KlineBatch], interval: Interval
) -> tuple[KlineBatch, BoolArray]:
    """Return what `roll_up` does of klines that come in order of time, some at a time."""
    made, sizes = [], []
    for piece in pieces:
        klines, parts = _added_up(piece, interval, np.ones(len(piece), dtype=np.int64))
        short = INTERVALS[int(piece.interval[0])]
        made.append(klines)
        sizes.append(parts)
    # Klines that were cut between two pieces are added up once more.
    klines, parts = _added_up(concat(made), interval, np.concatenate(sizes))
    times = zip(klines.open_time_ns.tolist(), klines.at_ns.tolist(), strict=True)
    due = np.array([short.count_between(*span) for span in times], dtype=np.int64)
    return klines, parts == due


def _added_up(
    parts: KlineBatch, interval: Interval, sizes_of: Int64Array
) -> tuple[KlineBatch, Int64Array]:
    """Return the klines of an interval that some in order make, and of how many parts each is."""
    opens = interval.open_times_ns(parts.open_time_ns)
    starts = np.flatnonzero(np.append(True, opens[1:] != opens[:-1]))
    sizes = np.diff(starts, append=len(parts))
    traded = mask((parts.count > 0) | (parts.volume > 0))
    priced = traded | ~np.repeat(np.logical_or.reduceat(traded, starts), sizes)
    rows = np.arange(len(parts))
    first = np.minimum.reduceat(np.where(priced, rows, len(parts)), starts)
    last = np.maximum.reduceat(np.where(priced, rows, -1), starts)
    opener = np.repeat(first, sizes)
    parents = opens[starts]
    closes = interval.close_times_ns(parents)
    columns = {name: sum_groups(getattr(parts, name), starts) for name in _SUMS}
    columns |= {
        "interval": np.full(len(starts), CODE[interval], dtype=np.int8),
        "open_time_ns": parents,
        "open": parts.open[first],
        "high": np.maximum.reduceat(np.where(priced, parts.high, parts.high[opener]), starts),
        "low": np.minimum.reduceat(np.where(priced, parts.low, parts.low[opener]), starts),
        "close": parts.close[last],
        "first_trade_id": parts.first_trade_id[first],
        "last_trade_id": parts.last_trade_id[last],
        "at_ns": closes,
        "trigger": np.full(len(starts), Trigger.TICK, dtype=np.int8),
    }
    return parts.take(starts).with_columns(columns), np.add.reduceat(sizes_of, starts)
