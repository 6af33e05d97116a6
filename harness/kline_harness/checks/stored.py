"""The rows on disk held to the klines that the writer was given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.checks.partners import StoredBySeries, equal_rows, partner_rows
from kline_harness.columns import Rows
from kline_harness.comparison.series_rows import chunks
from kline_harness.comparison.stored import Stored
from kline_harness.interfaces import Observer
from kline_harness.kept_klines import KeptKlines
from kline_harness.kline import SCHEMA
from kline_harness.units import Window
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "stored"
NOT_CHECKED = ("whether the klines are right: only that they are stored as given, once",)


class StoredCheck(Observer):
    """Keeps what the writer was handed, and compares it with the table that it stored.

    What is handed over while the writer is `down` never reaches it.
    """

    def __init__(self, writer: str, down: Window | None) -> None:
        self._writer = writer
        self._down = down
        self._given = KeptKlines()

    def on_delivered(self, consumer: str, now_ns: int, rows: Rows[Any]) -> None:
        """Keep a delivery to the writer."""
        if consumer == self._writer and (self._down is None or now_ns not in self._down):
            self._given.add(rows)

    def verdict(self, stored: Stored, admitted: int) -> Verdict:
        """Compare the stored rows with the deliveries, in order.

        `admitted` rows are those the writer itself says it lost; nothing else may be missing, and
        nothing may be there that was not given, or more often than it was given.
        """
        expected = Stored(
            [partial(_columns, self._given, number) for number in range(self._given.blocks)]
        )
        counts = {"given": len(expected), "stored": len(stored), "admitted": admitted}
        have, want = StoredBySeries(stored), StoredBySeries(expected)
        if admitted == 0 and _are_the_same(have, want):
            return Verdict.of(CHECK, counts, (), NOT_CHECKED)
        return Verdict.of(CHECK, counts, _differences(have, want, admitted), NOT_CHECKED)


def _columns(kept: KeptKlines, number: int, names: Sequence[str] | None) -> pa.Table:
    """Return some of the klines given, as they are stored; only some columns if named."""
    table = kept.piece(number).to_arrow()
    return table if names is None else table.select(list(names))


def _are_the_same(have: StoredBySeries, want: StoredBySeries) -> bool:
    if len(have) != len(want):
        return False
    # Half of the columns after the other: of all of them rows of both sides take much memory.
    half = len(SCHEMA.names) // 2
    for names in (SCHEMA.names[:half], SCHEMA.names[half:]):
        for some in chunks(len(have)):
            rows = np.arange(some.start, some.stop)
            if not _plain(have.take(rows, names)).equals(_plain(want.take(rows, names))):
                return False
    return True


def _plain(table: pa.Table) -> pa.Table:
    """Return a table without dictionaries: their order is no part of the content."""
    columns = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names).combine_chunks()


def _differences(have: StoredBySeries, want: StoredBySeries, admitted: int) -> list[Finding]:
    partner = partner_rows(have, want)
    equal = equal_rows(have, want, partner, when=True)
    met = np.zeros(len(want), dtype=np.bool_)
    met[partner[equal]] = True
    left, right = np.flatnonzero(~equal), np.flatnonzero(~met)
    findings = []
    missing, row = len(right), next(_rows(want, right[:1]), None)
    if len(left):
        # Rows of one open time may have changed places: what is on both sides is no difference.
        over, under = Counter(_rows(have, left)), Counter(_rows(want, right))
        surplus, lacking = over - under, under - over
        for surplus_row, times in surplus.items():
            kind = "row_twice" if _is_among(want, surplus_row) else "row_altered"
            findings.append(_finding(kind, surplus_row, times))
        missing, row = sum(lacking.values()), next(iter(lacking), None)
    if missing != admitted:
        evidence = {"missing": missing, "admitted": admitted}
        findings.append(Finding(CHECK, "rows_missing", Severity.ERROR, evidence=evidence))
        if row is not None:
            findings.append(_finding("first_missing", row, 1))
    in_order = len(left) == 0 and bool(np.all(partner[1:] > partner[:-1]))
    if not findings and not in_order and not _is_subsequence(have, want):
        findings.append(Finding(CHECK, "rows_out_of_order", Severity.ERROR))
    return findings


def _is_among(want: StoredBySeries, row: tuple[Any, ...]) -> bool:
    """Tell whether a row is one of those that were given."""
    series, opens = row[:2], np.empty(0, dtype=np.int64)
    if series in want.rows:
        opens = want.opens(series)
    first, stop = np.searchsorted(opens, (row[2], row[2] + 1)).tolist()
    return stop > first and row in _rows(want, want.rows[series][first:stop])


def _rows(side: StoredBySeries, rows: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield some rows as plain values."""
    for some in chunks(len(rows)):
        yield from stored_rows(side.take(rows[some]))


def stored_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows of a stored table as plain values, times as whole numbers."""
    plain = _plain(table)
    columns = []
    for column in plain.columns:
        is_time = pa.types.is_timestamp(column.type)
        columns.append((column.cast(pa.int64()) if is_time else column).to_pylist())
    return list(zip(*columns, strict=True))


def _is_subsequence(some: StoredBySeries, whole: StoredBySeries) -> bool:
    rest = (row for _, table in whole.pieces() for row in stored_rows(table))
    return all(row in rest for _, table in some.pieces() for row in stored_rows(table))


def _finding(kind: str, row: tuple[Any, ...], times: int) -> Finding:
    evidence = {"rows": times}
    return Finding(
        CHECK, kind, Severity.ERROR, row[0], row[1], int(row[2]) * 1_000, evidence=evidence
    )
