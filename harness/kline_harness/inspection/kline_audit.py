"""One file of klines, looked at on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

import numpy as np

from kline_harness.archives import exchange_of
from kline_harness.checks.kline_sanity import ohlc_order, taker_exceeds_total
from kline_harness.checks.quote_sanity import (
    AMOUNTS,
    TAKER,
    quote_outside_of_prices,
    quote_rounds_to_nothing,
    rules_of,
)
from kline_harness.columns import unequal_rows
from kline_harness.comparison.series_rows import chunks, distinct
from kline_harness.inspection.kline_series import KlineSeries, shown
from kline_harness.inspection.tally import Tally
from kline_harness.kline import PRICE_FIELDS, KlineBatch
from kline_harness.kline_rule import QuietRule
from kline_harness.quote_rule import QuoteRules, no_quote_rule
from kline_harness.units import BoolArray, Int64Array, mask

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
        before, start = None, 0
        for batch, closes in self._klines.rows.pieces():
            opens = batch.open_time_ns
            self._note_times(opens, closes, start)
            known = opens if before is None else np.append(before, opens)
            backwards = np.flatnonzero(known[1:] < known[:-1]) + start + (before is None)
            self._note("rows_backwards", backwards)
            before, start = opens[-1:], start + len(opens)

    def _note_times(self, opens: Int64Array, closes: Int64Array, start: int) -> None:
        interval, coverage = self._series.interval, self._klines.info.coverage
        misaligned = interval.open_times_ns(opens) != opens
        self._note("misaligned_open_time", np.flatnonzero(misaligned) + start)
        length = interval.length_ns
        due = interval.close_times_ns(opens) if length is None else opens + length
        self._note("wrong_close_time", np.flatnonzero(closes != due) + start, self._close_time)
        if coverage is not None:
            outside = (due <= coverage[0]) | (opens >= coverage[1])
            self._note("time_outside_name", np.flatnonzero(outside) + start)

    def _close_time(self, row: int) -> dict[str, Any]:
        return {"close_time_ns": int(self._klines.rows.take(np.array([row]))[1][0])}

    def _repeats(self) -> None:
        series = self._series
        found: dict[str, list[Int64Array]] = {"duplicate_rows": [], "conflicting_rows": []}
        for some in chunks(len(series.repeats)):
            again = series.repeats[some]
            rows, first = (again, again - 1)
            if series.order is not None:
                rows, first = series.order[rows], series.order[first]
            one, other = (self._klines.rows.take(side)[0] for side in (rows, first))
            unequal = unequal_rows(one, other, self._klines.fields)
            found["duplicate_rows"].append(rows[~unequal])
            found["conflicting_rows"].append(rows[unequal])
        for kind, parts in found.items():
            if parts:
                self._note(kind, np.sort(np.concatenate(parts)))

    def _rules(self) -> None:
        rows, series = self._klines.rows, self._series
        # A premium index goes below 0, and through it.
        premium = series.prices_only and any((b.low < 0).any() for b, _ in rows.pieces())
        start = 0
        for batch, _ in rows.pieces():
            for kind, (wrong, names) in self._broken(batch, premium=premium).items():
                self._note(kind, np.flatnonzero(wrong) + start, self._fields(names))
            start += len(batch)

    def _broken(
        self, batch: KlineBatch, *, premium: bool
    ) -> dict[str, tuple[BoolArray, tuple[str, ...]]]:
        """Return which of some rows break which rule, and the fields that show it."""
        fields = self._series.fields
        prices = (batch.open, batch.high, batch.low, batch.close)
        free = np.logical_or.reduce([mask(price <= 0) for price in prices])
        order = ohlc_order(batch)
        broken: dict[str, tuple[BoolArray, tuple[str, ...]]] = {"ohlc_order": (order, PRICE_FIELDS)}
        if not premium:
            broken["non_positive_price"] = (free, PRICE_FIELDS)
        # A row that breaks a simpler rule is reported for that.
        wrong = quote_outside_of_prices(batch, fields, self._size, self._quotes) & ~order & ~free
        if "taker_buy_volume" in fields:
            taker = tuple(name for name in fields if "taker" in name or "volume" in name)
            exceeds = taker_exceeds_total(batch)
            broken["taker_exceeds_total"] = (exceeds, taker)
            wrong &= ~exceeds
        shown_fields = ("low", "high", *(name for name in (*AMOUNTS, *TAKER) if name in fields))
        broken["quote_outside_of_prices"] = (wrong, shown_fields)
        amounts = tuple(name for name in ("count", "volume", "quote_volume") if name in fields)
        if len(amounts) > 1:
            zero = [mask(getattr(batch, name) == 0) for name in amounts]
            some = np.logical_or.reduce(zero) & ~np.logical_and.reduce(zero)
            if {"volume", "quote_volume"} <= set(amounts):
                # Only the quote is 0, and could be nothing else.
                some &= ~(quote_rounds_to_nothing(batch, self._size) & ~zero[0])
            broken["count_volume_mismatch"] = (some, amounts)
        return broken

    @cached_property
    def _quotes(self) -> QuoteRules:
        pieces = (batch for batch, _ in self._klines.rows.pieces())
        return rules_of(pieces, self._series.fields, self._size)

    def not_checked(self) -> tuple[str, ...]:
        """Return what this file does not let anyone check."""
        return tuple(map(no_quote_rule, self._quotes.unknown()))

    def _quiet(self) -> None:
        """Hold quiet rows to be flat at the previous close; else the row before was not final."""
        series = self._series
        for some in chunks(len(series)):
            # The row after these shows whether the last one was final.
            rows = np.arange(some.start, min(some.stop + 1, len(series)))
            batch, quiet = series.take(rows), series.quiet[rows]
            same = (batch.high == batch.low) & (batch.open == batch.close)
            level = mask(same)
            uneven = (quiet & ~level)[: some.stop - some.start]
            self._examples("quiet_not_level", uneven, batch, PRICE_FIELDS)
            opens = batch.open_time_ns
            next_to = series.interval.close_times_ns(opens[:-1]) == opens[1:]
            moved = mask(batch.open[1:] != batch.close[:-1])
            forming = next_to & moved & (quiet & level)[1:]
            self._examples("forming_row", forming, batch, (), partial(_next_row, batch))

    def _gaps(self) -> None:
        series, interval = self._series, self._series.interval
        opens = distinct(interval.open_times_ns(series.opens))
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
        return lambda row: shown(self._klines.rows.take(np.array([row]))[0], 0, names)

    def _note(
        self,
        kind: str,
        rows: Int64Array,
        more: Callable[[int], dict[str, Any]] | None = None,
    ) -> None:
        """Count rows of the file, each with its line."""
        first = rows[: self._tally.room(kind)]
        opens = self._klines.rows.take(first)[0].open_time_ns if len(first) else first
        examples = [
            {"open_time_ns": int(open_ns), "line": self._klines.line_of(int(row))}
            | (more(int(row)) if more else {})
            for row, open_ns in zip(first, opens, strict=True)
        ]
        self._tally.add(kind, len(rows), *examples)

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


def _next_row(batch: KlineBatch, row: int) -> dict[str, Any]:
    return {**shown(batch, row, ("close",)), "next_row": shown(batch, row + 1, ("open",))}


def steps(opens: Int64Array, length_ns: int | None) -> Int64Array:
    """Return how many intervals lie from each open time to the next; months where no length."""
    if length_ns is None:
        months = opens.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
        return np.diff(months)
    return np.diff(opens) // length_ns
