"""Where a count on a page leads: to the rows that it counts, chosen in their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from kline_harness.report.differences import DifferenceRow
from kline_harness.report.evidence import Chunk
from kline_harness.run_rows import FindingRow

_Rows = Mapping[tuple[str, ...], list[int]]


@dataclass(frozen=True, slots=True)
class Links:
    """The numbers of a page's rows by what is counted of them.

    `differences` are by class, symbol and interval, `findings` by check and kind; the first rows,
    up to `last` of each table, are on the report itself.
    """

    differences: _Rows
    findings: _Rows
    last: Mapping[str, int]

    def difference(self, kind: str, symbol: str = "", interval: str = "") -> str:
        """Return the address of differences of a class and series; empty where there are none."""
        chosen = {"class": kind, "symbol": symbol, "interval": interval}
        return self._address("difference", self.differences, tuple(chosen.values()), chosen)

    def finding(self, check: str, kind: str) -> str:
        """Return the address of a check's findings of a kind; empty where there are none."""
        chosen = {"check": check, "kind": kind}
        return self._address("finding", self.findings, (check, kind), chosen)

    def detected(self, found: str) -> str:
        """Return the address of the findings that a fault was detected by, as ``check.kind``."""
        check, _, kind = found.partition(".")
        return self.finding(check, kind)

    def _address(
        self, one: str, rows: _Rows, key: tuple[str, ...], chosen: Mapping[str, str]
    ) -> str:
        numbers = rows.get(key)
        if not numbers:
            return ""
        # A row of another page is reached by its number alone.
        if len(numbers) == 1 or numbers[0] > self.last[f"{one}s"]:
            return f"#{one}-{numbers[0]}"
        return f"#{one}s?{urlencode({name: text for name, text in chosen.items() if text})}"


def links_of(
    differences: Sequence[DifferenceRow],
    findings: Sequence[FindingRow],
    chunks: Mapping[str, Sequence[Chunk]],
) -> Links:
    """Return where the counts of a report lead."""
    by_series: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(differences, start=1):
        for key in ((row.kind, "", ""), (row.kind, row.symbol, row.interval)):
            by_series.setdefault(key, []).append(number)
    by_kind: dict[tuple[str, ...], list[int]] = {}
    for number, found in enumerate(findings, start=1):
        by_kind.setdefault(_kind(found), []).append(number)
    last = {kind: shown[0].last for kind, shown in chunks.items()}
    return Links(by_series, by_kind, last)


def _kind(row: Mapping[str, Any]) -> tuple[str, ...]:
    return str(row.get("check")), str(row.get("kind"))
