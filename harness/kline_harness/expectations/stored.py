"""The stored klines as exact columns, and what the rules derive from them.

Stored decimals become integers of one scale; what needs more than one row becomes a column of its
own. So the suite compares integers and booleans, never a float.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kline_harness.interval import INTERVALS, Interval
from kline_harness.units import BoolArray, ExactArray, Int64Array, sum_groups

PRICES = ("open", "high", "low", "close")
_GROUPS = (PRICES, ("volume", "taker_buy_volume"), ("quote_volume", "taker_buy_quote_volume"))
_SUMS = (*_GROUPS[1], *_GROUPS[2], "count")
_STORED_SCALE = 18
# Scales to try for a column that has fewer decimals than it is stored with.
_SCALES = (4, 8, 12, _STORED_SCALE)
_NS_PER_US = 1_000
_SECONDS_BITS = 34


_CODES = {interval.text: code for code, interval in enumerate(INTERVALS)}


class StoredKlines:
    """The stored klines as exact numpy columns, and what the rules derive from them.

    A series is a symbol in an interval. `chain` are the rows that count as its klines, by open
    time: aligned ones, each open time once (the first stored); `before` is the row of the chain's
    kline before, -1 for the first.
    """

    def __init__(self, table: pa.Table) -> None:
        self.rows = table.num_rows
        self.complete = _complete(table)
        self.symbol, self.symbols = _codes(table["symbol"])
        codes, self.intervals = _codes(table["interval"])
        # An unknown interval is a rule of its own; here it stands for the first.
        known = [_CODES.get(text, 0) for text in self.intervals]
        self.interval = np.array(known, dtype=np.int64)[codes]
        self.interval_codes = codes
        self.series = self.symbol * len(INTERVALS) + self.interval
        self.open_ns, self.close_ns = (
            _int64(table[name]) * _NS_PER_US for name in ("open_time", "close_time")
        )
        self.values: dict[str, ExactArray] = {}
        for names in _GROUPS:
            self.values |= _exact_group(table, names)
        for name in ("count", "first_trade_id", "last_trade_id"):
            self.values[name] = _int64(table[name])
        triggers, names_of = _codes(table["trigger"])
        self.at_end = np.array([name == "end" for name in names_of], dtype=np.bool_)[triggers]
        self.aligned_ns = self._per_interval(Interval.open_times_ns)
        self.due_close_ns = self._per_interval(Interval.close_times_ns)
        self.chain, self.before = self._chain()

    def _per_interval(self, times: Callable[[Interval, Int64Array], Int64Array]) -> Int64Array:
        out = np.empty(self.rows, dtype=np.int64)
        for code in np.unique(self.interval).tolist():
            rows = self.interval == code
            out[rows] = times(INTERVALS[code], self.open_ns[rows])
        return out

    def _chain(self) -> tuple[Int64Array, Int64Array]:
        order = np.lexsort((self.open_ns, self.series))
        order = order[self.open_ns[order] == self.aligned_ns[order]]
        series, opens = self.series[order], self.open_ns[order]
        again = (series[1:] == series[:-1]) & (opens[1:] == opens[:-1])
        chain = order[np.append(True, ~again)[: len(order)]]
        before = np.full(self.rows, -1, dtype=np.int64)
        follows = self.series[chain[1:]] == self.series[chain[:-1]]
        before[chain[1:][follows]] = chain[:-1][follows]
        return chain, before

    def missing_before(self) -> Int64Array:
        """Count the klines missing between each kline and the one before it in the chain."""
        missing = np.zeros(self.rows, dtype=np.int64)
        gaps = (self.before >= 0) & (self.due_close_ns[self.before] != self.open_ns)
        for row in np.flatnonzero(gaps).tolist():
            due_ns = int(self.due_close_ns[self.before[row]])
            interval = INTERVALS[int(self.interval[row])]
            missing[row] = interval.count_between(due_ns, int(self.open_ns[row]))
        return missing

    def latest_before_ns(self) -> Int64Array:
        """Return the latest open time stored before each row in its series, its own if none."""
        order = np.argsort(self.series, kind="stable")
        latest = self.open_ns[order].copy()
        starts = np.flatnonzero(np.diff(self.series[order], prepend=-1))
        for start, stop in zip(starts, np.append(starts[1:], self.rows), strict=True):
            run = latest[start:stop]
            run[1:] = np.maximum.accumulate(run)[:-1]
        out = np.empty(self.rows, dtype=np.int64)
        out[order] = latest
        return out

    def flat_if_quiet(self) -> BoolArray:
        """Tell for rows without trades whether all prices are the close before, true otherwise."""
        prices = [self.values[name] for name in PRICES]
        flat: BoolArray = np.logical_and.reduce([_mask(price == prices[0]) for price in prices])
        adjacent = (self.before >= 0) & (self.due_close_ns[self.before] == self.open_ns)
        flat &= ~adjacent | _mask(self.values["open"] == self.values["close"][self.before])
        flat |= self.values["count"] != 0
        return flat

    def trade_ids_rise(self) -> BoolArray:
        """Tell whether each row's trade ids are above those of the row with trades before it."""
        first, last = self.values["first_trade_id"], self.values["last_trade_id"]
        rows = self.chain[(self.values["count"][self.chain] > 0) & (first[self.chain] >= 0)]
        rises = np.ones(self.rows, dtype=np.bool_)
        rises[rows] = last[rows] >= first[rows]
        same = self.series[rows[1:]] == self.series[rows[:-1]]
        rises[rows[1:]] &= ~same | (first[rows[1:]] > last[rows[:-1]])
        return rises

    def goes_on(self) -> BoolArray:
        """False for the last row of a series that lacks a kline its symbol has come past."""
        goes_on = np.ones(self.rows, dtype=np.bool_)
        closed = self.chain[~self.at_end[self.chain]]
        reached = np.full(len(self.symbols) + 1, -1, dtype=np.int64)
        np.maximum.at(reached, self.symbol[closed], self.due_close_ns[closed])
        last = self.chain[np.append(np.diff(self.series[self.chain]) != 0, True)[: len(self.chain)]]
        for row in last.tolist():
            interval = INTERVALS[int(self.interval[row])]
            next_close_ns = interval.close_time_ns(int(self.due_close_ns[row]))
            goes_on[row] = next_close_ns > reached[self.symbol[row]]
        return goes_on

    def equals_lower(self) -> BoolArray:
        """Tell whether each row is the roll-up of the longest interval that fills it, if any."""
        equal = np.ones(self.rows, dtype=np.bool_)
        for parent in np.unique(self.interval).tolist():
            rows = self.chain[self.interval[self.chain] == parent]
            for child in reversed(range(parent)):
                if len(rows) and INTERVALS[child].refines(INTERVALS[parent]):
                    rows = self._compare_with(child, parent, rows, equal)
        return equal

    def _compare_with(
        self, child: int, parent: int, rows: Int64Array, equal: BoolArray
    ) -> Int64Array:
        """Compare with one lower interval; return the rows that it does not fill."""
        lower = self.chain[self.interval[self.chain] == child]
        if len(lower) == 0:
            return rows
        identity = _identity(
            self.symbol[lower], INTERVALS[parent].open_times_ns(self.open_ns[lower])
        )
        starts = np.flatnonzero(np.diff(identity, prepend=-1))
        sizes = np.diff(starts, append=len(lower))
        wanted = _identity(self.symbol[rows], self.open_ns[rows])
        place = np.minimum(np.searchsorted(identity[starts], wanted), len(starts) - 1)
        span_ns = self.due_close_ns[rows] - self.open_ns[rows]
        filled = (identity[starts][place] == wanted) & (
            sizes[place] * (INTERVALS[child].length_ns or 1) == span_ns
        )
        rolled = self._roll_up(lower, starts, sizes)
        for name, values in rolled.items():
            same = self.values[name][rows[filled]] == values[place[filled]]
            equal[rows[filled]] &= _mask(same)
        unfilled: Int64Array = rows[~filled]
        return unfilled

    def _roll_up(
        self, lower: Int64Array, starts: Int64Array, sizes: Int64Array
    ) -> dict[str, ExactArray]:
        """Put lower klines together; prices come from those with trades, if there are any."""
        values = {name: self.values[name][lower] for name in (*PRICES, *_SUMS)}
        place = np.arange(len(lower))
        traded = values["count"] > 0
        first = np.minimum.reduceat(np.where(traded, place, len(lower)), starts)
        last = np.maximum.reduceat(np.where(traded, place, -1), starts)
        quiet = last < 0
        first[quiet], last[quiet] = starts[quiet], starts[quiet]
        filler = np.repeat(first, sizes)
        high, low = (np.where(traded, values[n], values[n][filler]) for n in ("high", "low"))
        return {
            "open": values["open"][first],
            "close": values["close"][last],
            "high": np.maximum.reduceat(high, starts),
            "low": np.minimum.reduceat(low, starts),
            **{name: sum_groups(values[name], starts) for name in _SUMS},
        }

    def columns(self) -> dict[str, Any]:
        """Return the columns the suite looks at, by name."""
        values = self.values
        amounts = [_mask(values[name] >= 0) for name in _SUMS]
        return {
            "complete": self.complete,
            "open_time_us": self.open_ns // _NS_PER_US,
            "close_time_us": self.close_ns // _NS_PER_US,
            "aligned_open_time_us": self.aligned_ns // _NS_PER_US,
            "expected_close_time_us": self.due_close_ns // _NS_PER_US,
            "latest_open_time_before_us": self.latest_before_ns() // _NS_PER_US,
            "klines_missing_before": self.missing_before(),
            **{name: values[name] for name in (*PRICES, *_SUMS)},
            "has_trades": values["count"] != 0,
            "has_volume": _mask(values["volume"] != 0),
            "has_quote": _mask(values["quote_volume"] != 0),
            "prices_positive": np.logical_and.reduce([_mask(values[n] > 0) for n in PRICES]),
            "no_amount_negative": np.logical_and.reduce(amounts),
            "flat_if_quiet": self.flat_if_quiet(),
            "trade_ids_rise": self.trade_ids_rise(),
            "equals_lower_klines": self.equals_lower(),
            "series_goes_on": self.goes_on(),
        }


def _complete(table: pa.Table) -> BoolArray:
    """Tell for each row whether it has a value in every column."""
    complete = np.ones(table.num_rows, dtype=np.bool_)
    for column in table.columns:
        if column.null_count:
            complete &= ~pc.is_null(column).to_numpy()
    return complete


def _codes(column: pa.ChunkedArray) -> tuple[Int64Array, list[str]]:
    """Return a text column as codes and the texts behind them; a missing text is empty."""
    texts = column.cast(pa.string()).fill_null("") if column.null_count else column
    if not pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_encode()
    whole = _whole(texts.unify_dictionaries())
    return whole.indices.to_numpy().astype(np.int64), whole.dictionary.to_pylist()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _int64(column: pa.ChunkedArray) -> Int64Array:
    """Return a column of integers or timestamps; a missing one is 0."""
    whole = column.cast(pa.int64())
    values: Int64Array = (whole.fill_null(0) if whole.null_count else whole).to_numpy()
    return values


def _exact_group(table: pa.Table, names: tuple[str, ...]) -> dict[str, ExactArray]:
    """Return decimal columns as integers at the smallest scale tried that holds them all."""
    columns = [table[name] for name in names]
    for scale in _SCALES:
        kind = pa.decimal128(38, scale)
        try:
            scaled = [column.cast(kind) for column in columns]
        except pa.ArrowInvalid:
            continue
        return {name: _integers(column) for name, column in zip(names, scaled, strict=True)}
    raise AssertionError("the stored scale holds every stored number")


def _integers(column: pa.ChunkedArray) -> ExactArray:
    """Return the integers behind a decimal column: int64 where they fit, else Python's."""
    whole = _whole(column)
    words = np.frombuffer(whole.buffers()[1], dtype=np.int64)
    words = words[2 * whole.offset : 2 * (whole.offset + len(whole))].reshape(-1, 2)
    low, high = words[:, 0], words[:, 1]
    if whole.null_count:
        missing = pc.is_null(whole).to_numpy(zero_copy_only=False)
        low, high = np.where(missing, 0, low), np.where(missing, 0, high)
    if np.array_equal(high, low >> np.int64(63)):
        return low
    wide: ExactArray = high.astype(object) * 2**64 + low.view(np.uint64).astype(object)
    return wide


def _identity(symbol: Int64Array, open_ns: Int64Array) -> Int64Array:
    # Open times are whole seconds before the year 2500: 34 bits.
    return (symbol << _SECONDS_BITS) + open_ns // 1_000_000_000


def _mask(values: object) -> BoolArray:
    """Comparisons of exact columns give Python booleans where the columns are wide."""
    return np.asarray(values, dtype=np.bool_)
