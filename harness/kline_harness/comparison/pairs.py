"""Our klines against the exchange's: exact in every field, every kline in one class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import int64_of, take_rows, total_of, unequal
from kline_harness.comparison.compare import (
    Comparison,
    Difference,
    ReferenceKlines,
    SeriesResult,
    Stored,
    opens_ns,
)
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.extent import (
    CLOSE_TIME,
    EXCHANGE,
    OURS,
    NotCompared,
    left_out,
    one_sided,
    period,
    unreached,
)
from kline_harness.comparison.scale import diagnose_scale
from kline_harness.comparison.shift import diagnose
from kline_harness.kline import FIELDS, PRICE_FIELDS
from kline_harness.units import NS_PER_MICROSECOND, BoolArray, Int64Array

Series: TypeAlias = tuple[str, str]
_SYMBOLS_SHOWN = 5
# Of so many symbols it is looked for whose klines a file without partners may hold.
_SYMBOLS_TRIED = 20


def compare(
    ours: Stored,
    references: Sequence[ReferenceKlines],
    coverage: Mapping[str, Coverage],
    fields: Mapping[Series, tuple[str, ...]] | None = None,
) -> Comparison:
    """Put every kline of every reference, and ours of the same time, into a class.

    `coverage` is the time that our trades cover, by symbol; `fields` are as `compare_series` has
    them.
    """
    nothing = Coverage(())
    covers = {one.series: coverage.get(one.symbol, nothing) for one in references}
    covers |= {series: coverage.get(series[0], nothing) for series in ours.rows}
    return compare_series(ours, references, covers, fields or {})


def compare_series(
    ours: Stored,
    references: Sequence[ReferenceKlines],
    coverage: Mapping[Series, Coverage],
    fields: Mapping[Series, tuple[str, ...]],
) -> Comparison:
    """Compare as `compare` does, with what each series of ours covers, and which fields it states.

    A series that `fields` does not name states all nine and the close time.
    """
    results: list[SeriesResult] = []
    more: list[NotCompared] = []
    for reference in references:
        windows = coverage.get(reference.series, Coverage(()))
        stated = fields.get(reference.series, (*FIELDS, CLOSE_TIME))
        pairs = _Pairs.of(ours.series(*reference.series), reference, windows, stated)
        results.append(pairs.result())
        more += pairs.not_compared(ours)
    more += _without_klines(ours, references, coverage)
    return Comparison(tuple(results), tuple(more))


def _without_klines(
    ours: Stored, references: Sequence[ReferenceKlines], coverage: Mapping[Series, Coverage]
) -> Iterator[NotCompared]:
    """Yield our klines that lie beyond every file of the exchange, or have none at all."""
    given: dict[tuple[str, str], list[ReferenceKlines]] = {}
    for reference in references:
        given.setdefault(reference.series, []).append(reference)
    symbols = {symbol for symbol, _ in given}
    for series in sorted(ours.rows):
        opens = ours.integers(*series, "open_time") * NS_PER_MICROSECOND
        if series not in given:
            known = series[0] in symbols
            reason = "interval_without_klines" if known else "symbol_without_klines"
            yield from left_out(series, OURS, reason, opens)
            continue
        reached = np.zeros(len(opens), dtype=np.bool_)
        for reference in given[series]:
            first, last = _ends(opens_ns(reference.table))
            reached |= (opens >= first) & (opens <= last)
        closes = ours.integers(*series, "close_time") * NS_PER_MICROSECOND
        whole = coverage[series].whole(opens, closes)
        yield from left_out(series, OURS, "beyond_klines", opens[~reached & whole])
        yield from left_out(series, OURS, "partial", opens[~reached & ~whole])


def _ends(opens: Int64Array) -> tuple[int, int]:
    return (int(opens.min()), int(opens.max())) if len(opens) else (1, 0)


@dataclass(slots=True)
class _Pairs:
    """One reference beside our klines of its series: which rows belong together."""

    mine: pa.Table
    reference: ReferenceKlines
    coverage: Coverage
    stated: tuple[str, ...]
    our_rows: NDArray[np.intp]
    their_rows: NDArray[np.intp]
    our_opens: Int64Array
    their_opens: Int64Array
    touched: BoolArray

    @staticmethod
    def of(
        mine: pa.Table, reference: ReferenceKlines, coverage: Coverage, stated: tuple[str, ...]
    ) -> _Pairs:
        our_opens, their_opens = opens_ns(mine), opens_ns(reference.table)
        ours, theirs = _partners(our_opens, their_opens)
        closes = reference.interval.close_times_ns(their_opens)
        touched = coverage.touched(their_opens, closes) & coverage.due(closes)
        times = (our_opens, their_opens, touched)
        return _Pairs(mine, reference, coverage, stated, ours, theirs, *times)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for name in self.reference.stated if name in self.stated)

    @property
    def outside(self) -> NDArray[np.intp]:
        """The rows of theirs outside of the time that our trades cover."""
        rows: NDArray[np.intp] = np.setdiff1d(np.flatnonzero(~self.touched), self.their_rows)
        return rows

    def result(self) -> SeriesResult:
        reference, fields = self.reference, self.fields
        mine = take_rows(self.mine, self.our_rows)
        theirs = take_rows(reference.table, self.their_rows)
        unequal = _unequal_fields(mine, theirs, fields)
        differing = np.flatnonzero(np.any(list(unequal.values()), axis=0))
        missing = np.setdiff1d(np.flatnonzero(self.touched), self.their_rows)
        first, last = _ends(self.their_opens)
        inside = (self.our_opens >= first) & (self.our_opens <= last)
        extra = np.setdiff1d(np.flatnonzero(inside), self.our_rows)
        pairs: list[tuple[int | None, int | None, tuple[str, ...]]] = [
            (
                int(self.our_rows[k]),
                int(self.their_rows[k]),
                tuple(name for name in fields if unequal[name][k]),
            )
            for k in differing
        ]
        pairs += [(None, int(row), ()) for row in missing] + [(int(row), None, ()) for row in extra]
        found = [_difference(self, *pair) for pair in pairs]
        identical = len(self.our_rows) - len(differing)
        return SeriesResult(
            reference.symbol,
            reference.interval,
            reference.source,
            identical=identical,
            outside=len(self.outside),
            uncompared=int(np.count_nonzero(~inside)),
            differences=tuple(sorted(found, key=lambda difference: difference.open_time_ns)),
            compared=fields,
            volume=_volume(reference, self.touched),
            diagnosis=self._diagnosis(mine, theirs, unequal, identical),
        )

    def _diagnosis(
        self, mine: pa.Table, theirs: pa.Table, unequal: Mapping[str, BoolArray], identical: int
    ) -> str:
        """Say what one change would make the two sides equal, if one does."""
        found = ""
        # Of klines that are mostly equal no shift can be told.
        if len(self.our_rows) == 0 or identical * 2 < len(self.our_rows):
            found = diagnose(self.mine, self.reference.table, self.fields)
        names = [name for name in FIELDS if name in unequal and unequal[name].any()]
        if not found and names and CLOSE_TIME not in names:
            prices = not any(name in PRICE_FIELDS for name in names)
            found = diagnose_scale(mine, theirs, names, prices)
        return found

    def not_compared(self, ours: Stored) -> Iterator[NotCompared]:
        """Yield what of the reference was not compared, and which fields were not."""
        reference, series = self.reference, self.reference.series
        if len(self.our_rows) == 0:
            detail, others = self._nearest(ours)
            yield from left_out(
                series,
                EXCHANGE,
                "nothing_compared",
                self.their_opens,
                source=reference.source,
                detail=detail + (f"; {others}" if others else ""),
            )
        else:
            yield from self._outside()
        yield from self._cut_short()
        fields = {OURS: self.stated, EXCHANGE: reference.stated}
        lacking = set(FIELDS) - set(reference.fields)
        yield from one_sided(series, fields, (*FIELDS, CLOSE_TIME))
        if reference.unread and lacking:
            names, source = reference.unread, reference.source
            yield NotCompared(*series, EXCHANGE, "columns_not_read", names=names, source=source)

    def _cut_short(self) -> Iterator[NotCompared]:
        """Yield the klines that the file's name claims and it lacks at an end, if ours claim them.

        Where a market is quiet the exchange has flat klines, so that its files reach their ends,
        but for the day on which a symbol was listed: before its first trade there are none.
        """
        reference = self.reference
        if reference.claimed is None or len(self.their_opens) == 0:
            return
        start, end = reference.claimed
        # A week or a month that a day lies in opened before it.
        due = reference.interval.opens_between(reference.interval.open_time_ns(start), end)
        rows, source = len(self.their_opens), reference.source
        detail = f"{source} is named for {len(due):,} klines and holds {rows:,}"
        due = due[~self.coverage.not_meant(due, reference.interval.close_times_ns(due))]
        before = due[(due < self.their_opens.min()) & (due >= start)]
        if self.coverage.is_from_first:
            before = before[:0]
        after = due[due > self.their_opens.max()]
        for reason, absent in (("begins_late", before), ("cut_short", after)):
            yield from left_out(reference.series, EXCHANGE, reason, absent, detail=detail)

    def _outside(self) -> Iterator[NotCompared]:
        """Yield the klines of theirs that the trades do not reach."""
        reference, rows = self.reference, self.outside
        opens = self.their_opens[rows]
        quiet = np.zeros(len(rows), dtype=np.bool_)
        name = next((name for name in ("count", "volume") if name in reference.fields), None)
        if name is not None:
            column = take_rows(reference.table, rows)[name]
            quiet = np.array([value.as_py() == 0 for value in column], dtype=np.bool_)
        times = (opens, reference.interval.close_times_ns(opens))
        yield from unreached(reference.series, reference.source, times, quiet, self.coverage)

    def _nearest(self, ours: Stored) -> tuple[str, str]:
        """Say why no kline has one of ours beside it, and which change would pair them."""
        reference = self.reference
        if self.mine.num_rows:
            here, there = period(self.our_opens), period(self.their_opens)
            return f"ours open from {here}, the exchange's from {there}", ""
        others = sorted(symbol for symbol, text in ours.rows if text == reference.interval.text)
        if not others:
            return "there are no klines of ours of this series", ""
        some = ", ".join(others[:_SYMBOLS_SHOWN])
        more = f" and {len(others) - _SYMBOLS_SHOWN:,} more" if others[_SYMBOLS_SHOWN:] else ""
        detail = f"there are no klines of ours of {reference.symbol}, only of {some}{more}"
        for symbol in others[:_SYMBOLS_TRIED]:
            mine = ours.series(symbol, reference.interval.text)
            if found := diagnose(mine, reference.table, self.fields, named=symbol):
                return detail, found
        return detail, ""


def _partners(ours: Int64Array, theirs: Int64Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows that belong together, by open time.

    Every row of theirs is held against ours, though a file may have two of one open time; of two
    of ours the first.
    """
    order, rows = np.argsort(ours, kind="stable"), np.argsort(theirs, kind="stable")
    opens = ours[order]
    place = np.searchsorted(opens, theirs[rows])
    has = place < len(opens)
    has[has] = opens[place[has]] == theirs[rows[has]]
    return order[place[has]], rows[has]


def _volume(reference: ReferenceKlines, touched: BoolArray) -> Decimal | None:
    """Add up the exchange's volume of some rows; None where it states none."""
    if "volume" not in reference.fields:
        return None
    return total_of(take_rows(reference.table, np.flatnonzero(touched))["volume"])


def _unequal_fields(
    mine: pa.Table, theirs: pa.Table, fields: Sequence[str]
) -> dict[str, BoolArray]:
    return {name: unequal(mine[name], theirs[name]) for name in fields}


def _difference(
    pairs: _Pairs, our_row: int | None, their_row: int | None, fields: tuple[str, ...]
) -> Difference:
    mine, reference = pairs.mine, pairs.reference
    table, row = (reference.table, their_row) if their_row is not None else (mine, our_row)
    open_ns = int(opens_ns(table.slice(row, 1))[0])
    close_ns = reference.interval.close_time_ns(open_ns)
    whole = pairs.coverage.whole(np.array([open_ns]), np.array([close_ns]))
    nine = tuple(name for name in pairs.fields if name != CLOSE_TIME)
    sides = [
        _values(mine, our_row, tuple(n for n in FIELDS if n in pairs.stated)),
        _values(reference.table, their_row, reference.fields),
    ]
    if CLOSE_TIME in fields:
        tables = ((mine, our_row), (reference.table, their_row))
        for values, (one, place) in zip(sides, tables, strict=True):
            assert values is not None
            values[CLOSE_TIME] = int64_of(one[CLOSE_TIME].slice(place, 1))[0] * NS_PER_MICROSECOND
    return Difference(
        reference.symbol,
        reference.interval,
        open_ns,
        close_ns,
        sides[0],
        sides[1],
        fields,
        nine,
        bool(whole[0]),
        reference.source,
        None if our_row is None else mine["finalized_at"][our_row].value,
    )


def _values(
    table: pa.Table, row: int | None, fields: Sequence[str]
) -> dict[str, Decimal | int] | None:
    if row is None:
        return None
    return {name: table[name][row].as_py() for name in fields}
