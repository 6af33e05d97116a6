"""What the rules derive from more than one row of the stored table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kline_harness.expectations.table import PIECE_ROWS, PRICES, Rows, StoredTable
from kline_harness.interval import INTERVALS, Interval
from kline_harness.units import BoolArray, Int64Array, mask

_NO_ROW = -1


@dataclass(frozen=True, slots=True)
class Steps:
    """From each row to the kline before it.

    `missing` is how many klines lie between, by row, 0 left out; `no_jump` marks the rows that
    open at the close of the kline right before.
    """

    missing: dict[int, int]
    no_jump: BoolArray


class SeriesOrder:
    """The rows of a stored table as series: a symbol in an interval.

    `chain` are the rows that count as its klines, by open time: aligned ones, each open time once
    (the first stored). `repeated` are the rows that share symbol, interval and open time.
    """

    def __init__(self, table: StoredTable) -> None:
        self.table = table
        order = _order(table)
        again = self._again(order)
        marks = np.append(again, False)
        marks[1:] |= again
        self.repeated: Rows = np.sort(order[marks[: len(order)]])
        aligned = np.empty(len(order), dtype=np.bool_)
        for span in spans(len(order)):
            rows = order[span]
            aligned[span] = table.times(Interval.open_times_ns, rows) == table.open_ns[rows]
        order = order if aligned.all() else order[aligned]
        again = self._again(order)
        self.chain: Rows = order[np.append(True, ~again)[: len(order)]] if again.any() else order

    def due_close_ns(self, rows: Rows) -> Int64Array:
        """Return when klines end, by their open times."""
        return self.table.times(Interval.close_times_ns, rows)

    def steps(self) -> Steps:
        """Return what lies between each kline of the chain and the one before it."""
        table = self.table
        opened, closed = (table.column(name) for name in (PRICES[0], PRICES[-1]))
        missing: dict[int, int] = {}
        no_jump = np.ones(table.rows, dtype=np.bool_)
        for before, rows in self._pairs():
            due_ns, opens_ns = self.due_close_ns(before), table.open_ns[rows]
            adjacent = due_ns == opens_ns
            no_jump[rows] = ~adjacent | mask(opened[rows] == closed[before])
            for place in np.flatnonzero(~adjacent).tolist():
                interval = INTERVALS[int(table.interval_of(table.series[rows[place]]))]
                lost = interval.count_between(int(due_ns[place]), int(opens_ns[place]))
                missing[int(rows[place])] = lost
        return Steps(missing, no_jump)

    def trade_ids_rise(self) -> BoolArray:
        """Tell whether each row's trade ids are above those of the row with trades before it."""
        rises = np.ones(self.table.rows, dtype=np.bool_)
        rows = self.chain[(self.table.column("count") > 0)[self.chain]]
        first = self.table.column("first_trade_id")
        rows = rows[first[rows] >= 0]
        last = self.table.column("last_trade_id")
        for span in spans(len(rows)):
            some = rows[span]
            rises[some] = last[some] >= first[some]
        for before, some in self._pairs(rows):
            rises[some] &= first[some] > last[before]
        return rises

    def goes_on(self) -> BoolArray:
        """Mark all rows but the last of a series that lacks a kline its symbol has come past."""
        table = self.table
        goes_on = np.ones(table.rows, dtype=np.bool_)
        reached = np.full(len(table.symbols) + 1, -1, dtype=np.int64)
        last: dict[int, int] = {}
        for span in spans(len(self.chain)):
            rows = self.chain[span]
            closed = rows[~table.at_end[rows]]
            np.maximum.at(reached, table.symbol_of(table.series[closed]), self.due_close_ns(closed))
            last |= zip(table.series[rows].tolist(), rows.tolist(), strict=True)
        ends = np.array(list(last.values()), dtype=np.int32)
        for row, due_ns in zip(ends.tolist(), self.due_close_ns(ends).tolist(), strict=True):
            series = table.series[row : row + 1]
            interval = INTERVALS[int(table.interval_of(series)[0])]
            due_ns = interval.close_time_ns(due_ns)
            goes_on[row] = due_ns > reached[table.symbol_of(series)[0]]
        return goes_on

    def _pairs(self, chain: Rows | None = None) -> Iterator[tuple[Rows, Rows]]:
        """Yield rows of a chain with those before them in their series, some at a time."""
        chain = self.chain if chain is None else chain
        for span in spans(len(chain)):
            some = chain[max(0, span.start - 1) : span.stop]
            series = self.table.series[some]
            same = series[1:] == series[:-1]
            yield some[:-1][same], some[1:][same]

    def _again(self, order: Rows) -> BoolArray:
        """Tell which rows, from the second on, have the series and open time of the one before."""
        again = np.zeros(max(0, len(order) - 1), dtype=np.bool_)
        for span in spans(len(order)):
            start = max(0, span.start - 1)
            some = order[start : span.stop]
            series, opens = self.table.series[some], self.table.open_ns[some]
            again[start : span.stop - 1] = (series[1:] == series[:-1]) & (opens[1:] == opens[:-1])
        return again


class LatestOpens:
    """The latest open time of each series among the rows stored so far."""

    def __init__(self, table: StoredTable) -> None:
        self._table = table
        series = int(table.series.max(initial=0)) + 1
        self._reached = np.full(series, np.iinfo(np.int64).min, dtype=np.int64)

    def before(self, rows: Rows) -> Int64Array:
        """Return the latest open time stored before each of the next rows, its own if none."""
        series, opens = self._table.series[rows], self._table.open_ns[rows]
        order = np.argsort(series, kind="stable")
        series, sorted_opens = series[order], opens[order]
        starts = np.flatnonzero(np.diff(series, prepend=_NO_ROW))
        out = np.empty(len(rows), dtype=np.int64)
        for start, stop in zip(starts, np.append(starts[1:], len(rows)), strict=True):
            code = int(series[start])
            run = np.append(self._reached[code], sorted_opens[start:stop])
            reach = np.maximum.accumulate(run)
            out[order[start:stop]] = reach[:-1]
            self._reached[code] = reach[-1]
        first = out == np.iinfo(np.int64).min
        out[first] = opens[first]
        return out


def _order(table: StoredTable) -> Rows:
    """Sort rows by series and open time, as stored where these are the same."""
    order = np.arange(table.rows, dtype=np.int32)
    if np.any(table.series != table.series[0]):
        order = np.argsort(table.series, kind="stable").astype(np.int32)
    starts = [0]
    for span in spans(len(order)):
        series = table.series[order[max(0, span.start - 1) : span.stop]]
        starts += (np.flatnonzero(series[1:] != series[:-1]) + max(1, span.start)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        rows = order[start:stop]
        opens = table.open_ns[rows]
        if np.any(opens[1:] < opens[:-1]):
            order[start:stop] = rows[np.argsort(opens, kind="stable")]
    return order


def spans(rows: int) -> Iterator[slice]:
    """Cut so many rows into slices of at most `PIECE_ROWS`."""
    for start in range(0, rows, PIECE_ROWS):
        yield slice(start, min(rows, start + PIECE_ROWS))
