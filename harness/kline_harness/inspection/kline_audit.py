"""One file of klines, looked at on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from kline_harness.archives import exchange_of
from kline_harness.checks.kline_sanity import ohlc_order, taker_exceeds_total
from kline_harness.checks.quote_sanity import (
    AMOUNTS,
    TAKER,
    quote_outside_of_prices,
    quote_rounds_to_nothing,
    symbols_of_no_rule,
)
from kline_harness.inspection.kline_series import KlineSeries, shown
from kline_harness.inspection.tally import Tally
from kline_harness.kline import PRICE_FIELDS, KlineBatch
from kline_harness.kline_rule import QuietRule
from kline_harness.quote_rule import no_quote_rule
from kline_harness.units import BoolArray, Int64Array

# What only the exchange's own files have; others leave quiet intervals out.
_OWN_FIELDS = {"quote_volume", "taker_buy_volume"}
# So many stretches, and so large a share of rows missing, are a habit and no accident.
_HABIT_STRETCHES = 10
_HABIT_SHARE = 20


class KlineAudit:
    """Looks at the klines of one file: times, order, gaps, and what one kline must keep.

    `size` is what a contract is worth, of klines of contracts settled in the base asset.
    """

    def __init__(self, series: KlineSeries, tally: Tally, size: Decimal | None = None) -> None:
        self._size = size
        self._series = series
        self._tally = tally
        self._klines = series.klines

    def run(self) -> None:
        """Look at everything that the file alone can show."""
        self._times()
        self._repeats()
        self._rules()
        self._quiet()
        self._gaps()
        if self._klines.info.coverage is not None:
            self._edges(*self._klines.info.coverage)

    def _times(self) -> None:
        klines, interval = self._klines, self._series.interval
        opens = klines.batch.open_time_ns
        self._note("rows_backwards", np.concatenate([[False], opens[1:] < opens[:-1]]))
        self._note("misaligned_open_time", interval.open_times_ns(opens) != opens)
        length = interval.length_ns
        due = interval.close_times_ns(opens) if length is None else opens + length
        self._note("wrong_close_time", klines.close_time_ns != due, self._close_time)
        if klines.info.coverage is not None:
            start, end = klines.info.coverage
            self._note("time_outside_name", (due <= start) | (opens >= end))

    def _close_time(self, row: int) -> dict[str, Any]:
        return {"close_time_ns": int(self._klines.close_time_ns[row])}

    def _repeats(self) -> None:
        series = self._series
        again = np.flatnonzero(series.repeats)
        if len(again) == 0:
            return
        table = series.sorted
        same = np.ones(len(again), dtype=np.bool_)
        for name in self._klines.fields:
            column = getattr(table, name)
            same &= np.asarray(column[again] == column[again - 1], dtype=np.bool_)
        for kind, rows in (("duplicate_rows", again[same]), ("conflicting_rows", again[~same])):
            marks = np.zeros(len(table), dtype=np.bool_)
            marks[series.order[rows]] = True
            self._note(kind, marks)

    def _rules(self) -> None:
        batch, fields = self._klines.batch, self._series.fields
        prices = (batch.open, batch.high, batch.low, batch.close)
        free = np.logical_or.reduce([np.asarray(price <= 0, dtype=np.bool_) for price in prices])
        self._note("ohlc_order", ohlc_order(batch), self._fields(PRICE_FIELDS))
        # A premium index goes below 0, and through it.
        premium = self._series.prices_only and bool((batch.low < 0).any())
        if not premium:
            self._note("non_positive_price", free, self._fields(PRICE_FIELDS))
        taker = tuple(name for name in fields if "taker" in name or "volume" in name)
        if "taker_buy_volume" in fields:
            self._note("taker_exceeds_total", taker_exceeds_total(batch), self._fields(taker))
        # A row that breaks a simpler rule is reported for that.
        wrong = quote_outside_of_prices(batch, fields, self._size) & ~ohlc_order(batch) & ~free
        if "taker_buy_volume" in fields:
            wrong &= ~taker_exceeds_total(batch)
        shown_fields = ("low", "high", *(name for name in (*AMOUNTS, *TAKER) if name in fields))
        self._note("quote_outside_of_prices", wrong, self._fields(shown_fields))
        amounts = tuple(name for name in ("count", "volume", "quote_volume") if name in fields)
        if len(amounts) > 1:
            zero = [np.asarray(getattr(batch, name) == 0, dtype=np.bool_) for name in amounts]
            some = np.logical_or.reduce(zero) & ~np.logical_and.reduce(zero)
            if {"volume", "quote_volume"} <= set(amounts):
                # Only the quote is 0, and could be nothing else.
                some &= ~(quote_rounds_to_nothing(batch, self._size) & ~zero[0])
            self._note("count_volume_mismatch", some, self._fields(amounts))

    def not_checked(self) -> tuple[str, ...]:
        """Return what this file does not let anyone check."""
        symbols = symbols_of_no_rule(self._klines.batch, self._series.fields, self._size)
        return tuple(map(no_quote_rule, symbols))

    def _quiet(self) -> None:
        """Hold quiet rows to be flat at the previous close; else the row before was not final."""
        series = self._series
        batch, quiet = series.batch, series.quiet
        level = np.asarray((batch.high == batch.low) & (batch.open == batch.close), dtype=np.bool_)
        uneven = quiet & ~level
        self._examples("quiet_not_level", uneven, batch, PRICE_FIELDS)
        next_to = series.interval.close_times_ns(series.opens[:-1]) == series.opens[1:]
        moved = np.asarray(batch.open[1:] != batch.close[:-1], dtype=np.bool_)
        forming = np.concatenate([next_to & moved & (quiet & level)[1:], [False]])

        def example(row: int) -> dict[str, Any]:
            return {**shown(batch, row, ("close",)), "next_row": shown(batch, row + 1, ("open",))}

        self._examples("forming_row", forming, batch, (), example)

    def _gaps(self) -> None:
        series, interval = self._series, self._series.interval
        opens = np.unique(interval.open_times_ns(series.opens))
        absent = steps(opens, interval.length_ns) - 1
        rows = np.flatnonzero(absent > 0)
        total = int(absent[rows].sum())
        if total == 0:
            return
        kind = self._kind_of_gap(len(rows), total, len(opens))
        closes = interval.close_times_ns(opens)
        longest = rows[np.argsort(-absent[rows], kind="stable")]
        self._tally.add(
            kind,
            total,
            *(
                {
                    "open_time_ns": int(closes[row]),
                    "until_ns": int(opens[row + 1]),
                    "rows": int(absent[row]),
                    "stretches": len(rows),
                }
                for row in longest[: self._tally.room(kind)]
            ),
        )

    def _kind_of_gap(self, stretches: int, missing: int, rows: int) -> str:
        series = self._series
        if "volume" in self._klines.fields and series.prices_only:
            return "prices_missing"
        if exchange_of(self._klines.info.source).klines.quiet is QuietRule.ABSENT:
            return "quiet_rows_left_out"
        own = set(self._klines.fields) >= _OWN_FIELDS
        habit = stretches >= _HABIT_STRETCHES and missing * _HABIT_SHARE >= rows
        habit = habit and not own and not series.quiet.any()
        return "quiet_rows_left_out" if habit else "rows_missing"

    def _edges(self, start: int, end: int) -> None:
        interval = self._series.interval
        opens = self._series.opens
        due = interval.opens_between(interval.open_time_ns(start), end)
        late, early = due[due < opens[0]], due[due > opens[-1]]
        # The kline that the day began in belongs to the file of the day before.
        late = late[late >= start]
        for kind, missing in (("rows_start_late", late), ("rows_end_early", early)):
            if len(missing):
                example = {
                    "open_time_ns": int(missing[0]),
                    "rows": len(missing),
                    "rows_present": len(opens),
                }
                self._tally.add(kind, len(missing), example)

    def _fields(self, names: Iterable[str]) -> Callable[[int], dict[str, Any]]:
        return lambda row: shown(self._klines.batch, row, names)

    def _note(
        self,
        kind: str,
        rows: BoolArray,
        more: Callable[[int], dict[str, Any]] | None = None,
    ) -> None:
        """Count rows of the file, each with its line."""
        found = np.flatnonzero(rows)
        batch, line_of = self._klines.batch, self._klines.line_of
        examples = [
            {"open_time_ns": int(batch.open_time_ns[row]), "line": line_of(int(row))}
            | (more(int(row)) if more else {})
            for row in found[: self._tally.room(kind)]
        ]
        self._tally.add(kind, len(found), *examples)

    def _examples(
        self,
        kind: str,
        rows: BoolArray,
        batch: KlineBatch,
        fields: Iterable[str],
        more: Callable[[int], dict[str, Any]] | None = None,
    ) -> None:
        """Count rows of the series."""
        found = np.flatnonzero(rows)
        examples = [
            {"open_time_ns": int(batch.open_time_ns[row]), **shown(batch, int(row), fields)}
            | (more(int(row)) if more else {})
            for row in found[: self._tally.room(kind)]
        ]
        self._tally.add(kind, len(found), *examples)


def steps(opens: Int64Array, length_ns: int | None) -> Int64Array:
    """Return how many intervals lie from each open time to the next; months where no length."""
    if length_ns is None:
        months = opens.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
        return np.diff(months)
    return np.diff(opens) // length_ns
