"""Our klines against the exchange's: exact in every field, every kline in one class."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import int64_of, total_of, unequal
from kline_harness.comparison.compare import Comparison, Difference, ReferenceKlines, SeriesResult
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
from kline_harness.comparison.looked_at import beyond, first_of, looked_at_most
from kline_harness.comparison.other_names import OtherNames
from kline_harness.comparison.row_partners import NO_ROWS, RowNumbers, partners
from kline_harness.comparison.scale import ROWS_MAX, diagnose_scale
from kline_harness.comparison.series_rows import SeriesRows, chunks
from kline_harness.comparison.shift import diagnose
from kline_harness.comparison.stored import Stored
from kline_harness.comparison.without_klines import ends, without_klines
from kline_harness.decimals import DECIMAL_SCALE
from kline_harness.kline import FIELDS, PRICE_FIELDS
from kline_harness.nouns import counted
from kline_harness.units import NS_PER_MICROSECOND, BoolArray, Int64Array

Series: TypeAlias = tuple[str, str]
# A table and a row of it.
_Row: TypeAlias = tuple[pa.Table, int]
# The columns of ours that are looked at.
_COMPARED = ("open_time", CLOSE_TIME, *FIELDS, "finalized_at")
_EXACT = Context(prec=80)


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
    overlapping: Collection[Series] = (),
) -> Comparison:
    """Compare as `compare` does, with what each series of ours covers, and which fields it states.

    A series that `fields` does not name states all nine and the close time. Ours of the
    `overlapping` ones are of several files, which may state one kline alike.
    """
    results: list[SeriesResult] = []
    more: list[NotCompared] = []
    held = 0
    names = OtherNames(ours)
    series = [reference.series for reference in references]
    for reference, mine in zip(references, ours.in_turn(series, _COMPARED), strict=True):
        windows = coverage.get(reference.series, Coverage(()))
        stated = fields.get(reference.series, (*FIELDS, CLOSE_TIME))
        pairs = _Pairs.of(mine, reference, windows, stated)
        pairs.held, pairs.overlapping = held, reference.series in overlapping
        results.append(pairs.result())
        held += len(results[-1].differences)
        more += pairs.not_compared(names)
    more += without_klines(ours, references, coverage)
    return Comparison(tuple(results), tuple(more))


@dataclass(slots=True)
class _Pairs:
    """One reference beside our klines of its series: which rows belong together."""

    mine: SeriesRows
    reference: ReferenceKlines
    coverage: Coverage
    stated: tuple[str, ...]
    our_rows: RowNumbers
    their_rows: RowNumbers
    our_opens: Int64Array
    their_opens: Int64Array
    touched: BoolArray
    # How many differences other series have, and the klines that differ and are not among them.
    held: int = 0
    beyond: list[NotCompared] = field(default_factory=list)
    not_recorded: list[NotCompared] = field(default_factory=list)
    overlapping: bool = False

    @staticmethod
    def of(
        mine: SeriesRows, reference: ReferenceKlines, coverage: Coverage, stated: tuple[str, ...]
    ) -> _Pairs:
        our_opens, their_opens = mine.opens_ns(), reference.rows.opens_ns()
        if np.array_equal(our_opens, their_opens):
            their_opens = our_opens
        ours, theirs = partners(our_opens, their_opens)
        touched = np.zeros(len(their_opens), dtype=np.bool_)
        for some in chunks(len(their_opens)):
            opens = their_opens[some]
            closes = reference.interval.close_times_ns(opens)
            touched[some] = coverage.touched(opens, closes) & coverage.due(closes)
        times = (our_opens, their_opens, touched)
        return _Pairs(mine, reference, coverage, stated, ours, theirs, *times)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for name in self.reference.stated if name in self.stated)

    @property
    def outside(self) -> Int64Array:
        """The rows of theirs outside of the time that our trades cover."""
        return self._alone(~self.touched)

    def result(self) -> SeriesResult:
        reference = self.reference
        first, last = ends(self.their_opens)
        inside = (self.our_opens >= first) & (self.our_opens <= last)
        uncompared = int(np.count_nonzero(~inside))
        inside[self.our_rows] = False
        if self.overlapping:
            inside[self._stated_alike(np.flatnonzero(inside))] = False
        pairs, unequal = self._unequal()
        identical = len(self.our_rows) - len(pairs)
        extra = self._not_recorded(np.flatnonzero(inside))
        apart = (pairs, self._alone(self.touched), extra)
        del pairs, inside
        compared = len(self.our_rows) + len(apart[1]) + len(apart[2])
        most = looked_at_most(sum(len(rows) for rows in apart), compared, self.held)
        self.beyond = beyond(reference, self._opens_of(apart), most)
        pairs, missing, extra = first_of(apart, most)
        del apart
        found: list[Difference] = []
        for some in _some(pairs):
            found += self._differing(self.our_rows[some], self.their_rows[some])
        for rows in _some(missing):
            theirs = self._theirs(rows)
            found += [self._difference(None, (theirs, k), ()) for k in range(len(rows))]
        for rows in _some(extra):
            ours = self._ours(rows)
            repeated = np.isin(self.our_opens[rows], self.their_opens).tolist()
            for k, is_repeated in enumerate(repeated):
                one = self._difference((ours, k), None, ())
                found.append(replace(one, repeated=is_repeated))
        return SeriesResult(
            reference.symbol,
            reference.interval,
            reference.source,
            identical=identical,
            outside=len(self.outside),
            uncompared=uncompared,
            differences=tuple(sorted(found, key=lambda difference: difference.open_time_ns)),
            compared=self.fields,
            volume=_volume(reference, self.touched),
            diagnosis=self._diagnosis(unequal, identical),
        )

    def _opens_of(self, apart: Sequence[NDArray[Any]]) -> list[Int64Array]:
        """Return the open times of pairs, of rows of theirs, and of rows of ours."""
        pairs, theirs, ours = apart
        opens = self.their_opens
        return [opens[self.their_rows[pairs]], opens[theirs], self.our_opens[ours]]

    def _alone(self, marked: BoolArray) -> Int64Array:
        """Return the marked rows of theirs that have none of ours beside them."""
        alone = marked.copy()
        alone[self.their_rows] = False
        return np.flatnonzero(alone)

    def _not_recorded(self, rows: Int64Array) -> Int64Array:
        """Put those of ours aside that a recording of theirs lacks; return the others."""
        if not self.reference.is_recorded:
            return rows
        lacking = ~np.isin(self.our_opens[rows], self.their_opens)
        opens, source = self.our_opens[rows[lacking]], self.reference.source
        self.not_recorded = list(
            left_out(self.reference.series, OURS, "not_recorded", opens, source=source)
        )
        return rows[~lacking]

    def _stated_alike(self, rows: Int64Array) -> Int64Array:
        """Return those of some rows of ours that are equal to one that has a partner."""
        opens = self.our_opens[self.our_rows]
        order = np.argsort(opens, kind="stable")
        place = np.searchsorted(opens, self.our_opens[rows], sorter=order)
        there = place < len(order)
        there[there] = opens[order[place[there]]] == self.our_opens[rows[there]]
        rows, first = rows[there], self.our_rows[order[place[there]]]
        mine, other = self._ours(rows), self._ours(first)
        names = [name for name in (*FIELDS, CLOSE_TIME) if name in self.stated]
        differs = np.any([unequal(mine[name], other[name]) for name in names], axis=0)
        alike: Int64Array = rows[~differs]
        return alike

    def _ours(self, rows: NDArray[Any]) -> pa.Table:
        names = tuple(name for name in FIELDS if name in self.stated)
        return self.mine.take(rows, ("open_time", "close_time", *names, "finalized_at"))

    def _theirs(self, rows: NDArray[Any]) -> pa.Table:
        return self.reference.rows.take(rows, ("open_time", "close_time", *self.reference.fields))

    def _unequal(self) -> tuple[RowNumbers, set[str]]:
        """Return the places of the pairs that differ, and the fields that do somewhere."""
        found = [NO_ROWS]
        names: set[str] = set()
        for some in chunks(len(self.our_rows)):
            differs = self._differs(self.our_rows[some], self.their_rows[some])
            names.update(name for name, marked in differs.items() if marked.any())
            rows = some.start + np.flatnonzero(np.any(list(differs.values()), axis=0))
            found.append(rows.astype(np.int32))
        return np.concatenate(found), names

    def _differs(self, ours: RowNumbers, theirs: RowNumbers) -> dict[str, BoolArray]:
        mine, other = self._ours(ours), self._theirs(theirs)
        return {name: unequal(mine[name], other[name]) for name in self.fields}

    def _differing(self, ours: RowNumbers, theirs: RowNumbers) -> Iterator[Difference]:
        """Yield those of some pairs that differ."""
        mine, other = self._ours(ours), self._theirs(theirs)
        differs = {name: unequal(mine[name], other[name]) for name in self.fields}
        for k in np.flatnonzero(np.any(list(differs.values()), axis=0)).tolist():
            fields = tuple(name for name in self.fields if differs[name][k])
            yield self._difference((mine, k), (other, k), fields)

    def _diagnosis(self, unequal: set[str], identical: int) -> str:
        """Say what one change would make the two sides equal, if one does."""
        found = ""
        # Of klines that are mostly equal no shift can be told.
        if len(self.our_rows) == 0 or identical * 2 < len(self.our_rows):
            found = diagnose(self.mine, self.reference.rows, self.fields)
        names = [name for name in FIELDS if name in unequal]
        if not found and names and CLOSE_TIME not in names:
            prices = not any(name in PRICE_FIELDS for name in names)
            mine = self._ours(self.our_rows[:ROWS_MAX])
            theirs = self._theirs(self.their_rows[:ROWS_MAX])
            found = diagnose_scale(mine, theirs, names, prices)
        return found

    def not_compared(self, names: OtherNames) -> Iterator[NotCompared]:
        """Yield what of the reference was not compared, and which fields were not."""
        reference, series = self.reference, self.reference.series
        if len(self.our_rows) == 0:
            detail, others = self._nearest(names)
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
        yield from (*self.beyond, *self.not_recorded)
        yield from self._cut_short()
        fields = {OURS: self.stated, EXCHANGE: reference.stated}
        lacking = set(FIELDS) - set(reference.fields)
        yield from one_sided(series, fields, (*FIELDS, CLOSE_TIME))
        if reference.unread:
            # Where no field is lacking, none of them can be one.
            reason = "columns_not_read" if lacking else "columns_unknown"
            unread, source = reference.unread, reference.source
            yield NotCompared(*series, EXCHANGE, reason, names=unread, source=source)

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
        detail = f"{source} is named for {counted(len(due), 'kline')} and holds {rows:,}"
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
            quiet = np.concatenate([quiet[:0], *(_zero(reference, r, name) for r in _some(rows))])
        times = (opens, reference.interval.close_times_ns(opens))
        yield from unreached(reference.series, reference.source, times, quiet, self.coverage)

    def _nearest(self, names: OtherNames) -> tuple[str, str]:
        """Say why no kline has one of ours beside it, and which change would pair them."""
        reference = self.reference
        if len(self.mine):
            here, there = period(self.our_opens), period(self.their_opens)
            return f"ours open from {here}, the exchange's from {there}", ""
        return names.nearest(reference, self.fields)

    def _difference(
        self, mine: _Row | None, theirs: _Row | None, fields: tuple[str, ...]
    ) -> Difference:
        reference = self.reference
        one = mine if theirs is None else theirs
        assert one is not None
        open_ns = _instant(*one, "open_time")
        close_ns = reference.interval.close_time_ns(open_ns)
        whole = self.coverage.whole(np.array([open_ns]), np.array([close_ns]))
        sides = [
            _values(mine, tuple(n for n in FIELDS if n in self.stated)),
            _values(theirs, reference.fields),
        ]
        if CLOSE_TIME in fields:
            for values, side in zip(sides, (mine, theirs), strict=True):
                assert values is not None
                assert side is not None
                values[CLOSE_TIME] = _instant(*side, CLOSE_TIME)
        return Difference(
            reference.symbol,
            reference.interval,
            open_ns,
            close_ns,
            sides[0],
            sides[1],
            fields,
            tuple(name for name in self.fields if name != CLOSE_TIME),
            bool(whole[0]),
            reference.source,
            None if mine is None else mine[0]["finalized_at"][mine[1]].value,
        )


def _some(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield some rows a few at a time."""
    yield from (rows[some] for some in chunks(len(rows)))


def _volume(reference: ReferenceKlines, touched: BoolArray) -> Decimal | None:
    """Add up the exchange's volume of some rows; None where it states none."""
    if "volume" not in reference.fields:
        return None
    some = (one.start + np.flatnonzero(touched[one]) for one in chunks(len(touched)))
    totals = (total_of(reference.rows.take(rows, ("volume",))["volume"]) for rows in some)
    return reduce(_EXACT.add, totals, _EXACT.scaleb(Decimal(0), -DECIMAL_SCALE))


def _zero(reference: ReferenceKlines, rows: Int64Array, name: str) -> BoolArray:
    column = reference.rows.take(rows, (name,))[name]
    return np.array([value.as_py() == 0 for value in column], dtype=np.bool_)


def _instant(table: pa.Table, row: int, name: str) -> int:
    return int(int64_of(table[name].slice(row, 1))[0]) * NS_PER_MICROSECOND


def _values(row: _Row | None, fields: Sequence[str]) -> dict[str, Decimal | int] | None:
    if row is None:
        return None
    table, place = row
    return {name: table[name][place].as_py() for name in fields}
