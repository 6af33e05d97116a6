"""Stored klines held to what the lower ones inside of them add up to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kline_harness.expectations.series import SeriesOrder
from kline_harness.expectations.table import PIECE_ROWS, PRICES, QUANTITIES, QUOTES, Rows, Series
from kline_harness.interval import INTERVALS
from kline_harness.units import BoolArray, ExactArray, Int64Array, mask, sum_groups

_SUMS = (*QUANTITIES, *QUOTES, "count")
_SECONDS_BITS = 34


@dataclass(frozen=True, slots=True)
class _Filled:
    """Higher klines `rows`, each filled by the lower klines `lower[starts:starts + sizes]`."""

    rows: Rows
    lower: Rows
    starts: Int64Array
    sizes: Int64Array


def equals_lower(order: SeriesOrder) -> BoolArray:
    """Tell whether each row is the roll-up of the longest interval that fills it, if any."""
    equal = np.ones(order.table.rows, dtype=np.bool_)
    fills = list(_fills(order))
    if not fills:
        return equal
    traded: BoolArray = order.table.column("count") > 0
    for name in (*PRICES, *_SUMS):
        values = order.table.column(name)
        for fill in fills:
            equal[fill.rows] &= mask(values[fill.rows] == _rolled(name, values, fill, traded))
    return equal


def _fills(order: SeriesOrder) -> Iterator[_Filled]:
    codes = order.table.interval_of(order.table.series[order.chain])
    there = np.unique(codes).tolist()
    for parent in there:
        rows = order.chain[codes == parent]
        for child in reversed(there):
            if len(rows) and child < parent and INTERVALS[child].refines(INTERVALS[parent]):
                fill, rows = _fill(order, order.chain[codes == child], child, parent, rows)
                if len(fill.rows):
                    yield fill


def _fill(
    order: SeriesOrder, lower: Rows, child: int, parent: int, rows: Rows
) -> tuple[_Filled, Rows]:
    """Find the klines that those of one lower interval fill; return the others as well."""
    table = order.table
    opens = INTERVALS[parent].open_times_ns(table.open_ns[lower])
    identity = _identity(table.symbol_of(table.series[lower]), opens)
    starts = np.flatnonzero(np.diff(identity, prepend=-1))
    sizes = np.diff(starts, append=len(lower))
    identity = identity[starts]
    wanted = _identity(table.symbol_of(table.series[rows]), table.open_ns[rows])
    place = np.minimum(np.searchsorted(identity, wanted), len(starts) - 1)
    span_ns = order.due_close_ns(rows) - table.open_ns[rows]
    filled = (identity[place] == wanted) & (
        sizes[place] * (INTERVALS[child].length_ns or 1) == span_ns
    )
    place = place[filled]
    return _Filled(rows[filled], lower, starts[place], sizes[place]), rows[~filled]


def _rolled(name: str, values: ExactArray, fill: _Filled, traded: BoolArray) -> ExactArray:
    """Put lower klines together, some higher ones at a time."""
    reach = np.cumsum(fill.sizes)
    parts, done = [], 0
    while done < len(fill.rows):
        before = int(reach[done - 1]) if done else 0
        stop = max(done + 1, int(np.searchsorted(reach, before + PIECE_ROWS, side="right")))
        some = slice(done, stop)
        starts, sizes = fill.starts[some], fill.sizes[some]
        begins = np.cumsum(sizes) - sizes
        rows = np.repeat(starts - begins, sizes) + np.arange(int(sizes.sum()))
        lower = fill.lower[rows]
        parts.append(_of_one(name, values[lower], traded[lower], begins, sizes))
        done = stop
    return np.concatenate(parts)


def _of_one(
    name: str, values: ExactArray, traded: BoolArray, starts: Int64Array, sizes: Int64Array
) -> ExactArray:
    """Return one field; prices come from klines with trades, if there are any."""
    if name in _SUMS:
        return sum_groups(values if values.dtype == object else values.astype(np.int64), starts)
    place = np.arange(len(values))
    first = np.minimum.reduceat(np.where(traded, place, len(values)), starts)
    last = np.maximum.reduceat(np.where(traded, place, -1), starts)
    quiet = last < 0
    first[quiet], last[quiet] = starts[quiet], starts[quiet]
    if name in ("open", "close"):
        return values[first if name == "open" else last]
    prices = np.where(traded, values, values[np.repeat(first, sizes)])
    extreme: ExactArray = (np.maximum if name == "high" else np.minimum).reduceat(prices, starts)
    return extreme


def _identity(symbol: Series, open_ns: Int64Array) -> Int64Array:
    # Open times are whole seconds before the year 2500: 34 bits.
    shifted: Int64Array = symbol.astype(np.int64) << _SECONDS_BITS
    return shifted + open_ns // 1_000_000_000
