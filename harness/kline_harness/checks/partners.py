"""Rows of two sides that belong together, however many there are: by series and open time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import int64_of, unequal
from kline_harness.comparison.series_rows import ascending, chunks
from kline_harness.comparison.stored import Stored, StoredRows
from kline_harness.interval import INTERVALS
from kline_harness.kept_klines import KeptKlines
from kline_harness.kline import DECIMAL_COLUMNS
from kline_harness.units import BoolArray, Int64Array

# The symbol, and the interval as text.
Series = tuple[str, str]
RowNumbers = NDArray[np.int32]
NOBODY = -1
_NUMBERS = ("close_time", "count", "first_trade_id", "last_trade_id")
_WHEN = ("finalized_at", "trigger")


class BySeries(Protocol):
    """Rows by series, those of each in order of open time."""

    def __len__(self) -> int:
        """Count the rows."""
        ...

    @property
    def rows(self) -> Mapping[Series, RowNumbers]:
        """The row numbers of each series."""
        ...

    def opens(self, series: Series) -> Int64Array:
        """Return the open times of a series."""
        ...


class KeptBySeries:
    """Klines that were kept, by series."""

    def __init__(self, kept: KeptKlines) -> None:
        self._rows_in_all = len(kept)
        self.rows: dict[Series, RowNumbers] = {}
        self._opens: dict[Series, Int64Array] = {}
        parts: dict[Series, list[tuple[Int64Array, RowNumbers]]] = {}
        start = 0
        for batch in kept.pieces():
            codes = batch.symbol.astype(np.int32) * len(INTERVALS) + batch.interval
            for code in np.unique(codes).tolist():
                rows = np.flatnonzero(codes == code).astype(np.int32)
                symbol, interval = divmod(code, len(INTERVALS))
                series = (batch.instruments[symbol].symbol, INTERVALS[interval].text)
                times = batch.open_time_ns[rows]
                parts.setdefault(series, []).append((times, rows + np.int32(start)))
            start += len(batch)
        for series in sorted(parts):
            times_of, rows_of = zip(*parts.pop(series), strict=True)
            opens = np.concatenate(times_of)
            del times_of
            rows = np.concatenate(rows_of)
            del rows_of
            order = ascending(opens)
            self._opens[series] = opens if order is None else opens[order]
            self.rows[series] = rows if order is None else rows[order]

    def __len__(self) -> int:
        return self._rows_in_all

    def opens(self, series: Series) -> Int64Array:
        """Return the open times of a series, in nanoseconds."""
        return self._opens[series]


class StoredBySeries:
    """Stored rows by series."""

    def __init__(self, stored: Stored) -> None:
        self.rows: Mapping[Series, RowNumbers] = stored.rows
        self._stored = stored
        self._all = StoredRows(stored, np.arange(len(stored), dtype=np.int32))

    def __len__(self) -> int:
        return len(self._stored)

    def opens(self, series: Series) -> Int64Array:
        """Return the open times of a series, in microseconds."""
        return self._stored.integers(*series, "open_time")

    def take(self, rows: NDArray[Any], names: Sequence[str] | None = None) -> pa.Table:
        """Return some rows in the order given; only some columns if named."""
        return self._all.take(rows, names)

    def pieces(self) -> Iterator[tuple[slice, pa.Table]]:
        """Yield all rows in the order of publication, some at a time."""
        for some in chunks(len(self)):
            yield some, self.take(np.arange(some.start, some.stop))


def partner_rows(ours: BySeries, theirs: BySeries) -> RowNumbers:
    """Return the row of theirs for each of ours, `NOBODY` where there is none.

    Of rows of one series and open time the first belongs to the first, and so on.
    """
    found = np.full(len(ours), NOBODY, dtype=np.int32)
    for series, rows in ours.rows.items():
        other = theirs.rows.get(series)
        if other is None:
            continue
        mine, yours = ours.opens(series), theirs.opens(series)
        if len(mine) == len(yours) and np.array_equal(mine, yours):
            found[rows] = other
            continue
        for some in chunks(len(rows)):
            times = mine[some]
            again = np.arange(some.start, some.stop) - np.searchsorted(mine, times)
            place = np.searchsorted(yours, times) + again
            has = place < len(yours)
            has[has] = yours[place[has]] == times[has]
            found[rows[some][has]] = other[place[has]]
    return found


def are_repeated(side: BySeries) -> bool:
    """Tell whether a series has two rows of one open time."""
    opens = (side.opens(series) for series in side.rows)
    return any(bool(np.any(times[1:] == times[:-1])) for times in opens)


def equal_rows(
    ours: StoredBySeries, theirs: StoredBySeries, partner: RowNumbers, *, when: bool
) -> BoolArray:
    """Tell which rows are the same as their partner; `when` they were published too."""
    equal: BoolArray = partner != NOBODY
    # Some columns after the other: of all of them rows of both sides take much memory.
    for names in (_NUMBERS, DECIMAL_COLUMNS[:4], DECIMAL_COLUMNS[4:], *([_WHEN] if when else [])):
        for some in chunks(len(ours)):
            has = some.start + np.flatnonzero(equal[some])
            if len(has):
                equal[has] = _same(ours.take(has, names), theirs.take(partner[has], names))
    return equal


def _same(ours: pa.Table, theirs: pa.Table) -> BoolArray:
    columns = []
    for name in ours.column_names:
        if name == _WHEN[-1]:
            texts = [np.array(t[name].to_pylist(), dtype=object) for t in (ours, theirs)]
            columns.append(texts[0] != texts[1])
        elif name in DECIMAL_COLUMNS:
            columns.append(unequal(ours[name], theirs[name]))
        else:
            columns.append(int64_of(ours[name]) != int64_of(theirs[name]))
    same: BoolArray = ~np.any(columns, axis=0)
    return same
