"""The rows on disk held to the klines that the writer was given."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa

from kline_harness.columns import Rows, gather
from kline_harness.interfaces import Observer
from kline_harness.kline import KlineBatch
from kline_harness.storage.kline_table import SCHEMA, to_arrow
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
        self._given: list[Rows[KlineBatch]] = []

    def on_delivered(self, consumer: str, now_ns: int, rows: Rows[Any]) -> None:
        """Keep a delivery to the writer."""
        if consumer == self._writer and (self._down is None or now_ns not in self._down):
            self._given.append(rows)

    def verdict(self, stored: pa.Table, admitted: int) -> Verdict:
        """Compare the stored table with the deliveries, in order.

        `admitted` rows are those the writer itself says it lost; nothing else may be missing, and
        nothing may be there that was not given, or more often than it was given.
        """
        expected = to_arrow(gather(self._given)) if self._given else SCHEMA.empty_table()
        counts = {"given": expected.num_rows, "stored": stored.num_rows, "admitted": admitted}
        if admitted == 0 and _plain(stored).equals(_plain(expected)):
            return Verdict.of(CHECK, counts, (), NOT_CHECKED)
        return Verdict.of(CHECK, counts, _differences(stored, expected, admitted), NOT_CHECKED)


def _plain(table: pa.Table) -> pa.Table:
    """Return a table without dictionaries: their order is no part of the content."""
    columns = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names).combine_chunks()


def _differences(stored: pa.Table, expected: pa.Table, admitted: int) -> list[Finding]:
    have, want = stored_rows(stored), stored_rows(expected)
    findings = []
    surplus, lacking = Counter(have) - Counter(want), Counter(want) - Counter(have)
    for surplus_row, times in surplus.items():
        kind = "row_twice" if surplus_row in set(want) else "row_altered"
        findings.append(_finding(kind, surplus_row, times))
    missing = sum(lacking.values())
    if missing != admitted:
        row: tuple[Any, ...] | None = next(iter(lacking), None)
        evidence = {"missing": missing, "admitted": admitted}
        findings.append(Finding(CHECK, "rows_missing", Severity.ERROR, evidence=evidence))
        if row is not None:
            findings.append(_finding("first_missing", row, 1))
    if not findings and not _is_subsequence(have, want):
        findings.append(Finding(CHECK, "rows_out_of_order", Severity.ERROR))
    return findings


def stored_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows of a stored table as plain values, times as whole numbers."""
    plain = _plain(table)
    columns = []
    for column in plain.columns:
        is_time = pa.types.is_timestamp(column.type)
        columns.append((column.cast(pa.int64()) if is_time else column).to_pylist())
    return list(zip(*columns, strict=True))


def _is_subsequence(some: list[tuple[Any, ...]], whole: list[tuple[Any, ...]]) -> bool:
    rest = iter(whole)
    return all(row in rest for row in some)


def _finding(kind: str, row: tuple[Any, ...], times: int) -> Finding:
    evidence = {"rows": times}
    return Finding(
        CHECK, kind, Severity.ERROR, row[0], row[1], int(row[2]) * 1_000, evidence=evidence
    )
