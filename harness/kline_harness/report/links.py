"""Where a count on a page leads: to the rows that it counts, chosen in their table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from kline_harness.ledger import law_name
from kline_harness.report.differences import DifferenceRow
from kline_harness.report.evidence import Chunk, in_order
from kline_harness.run_rows import EquationRow, FindingRow

_TABLES = {"difference": "differences", "finding": "findings", "line": "ledger"}
_UNBALANCED = "unbalanced"
# The lines of the ledger that state what a check counted: law and subject.
_LINES = {
    ("trades", "received"): ("trades received",),
    ("feed", "trades"): ("trades read",),
    ("writer", "received"): ("delivered", "klines to writer"),
    ("writer", "flushed"): ("klines taken", "writer"),
    ("writer", "committed"): ("klines written", "writer"),
    ("stored", "given"): ("klines taken", "writer"),
    ("stored", "stored"): ("klines written", "writer"),
    ("completeness", "klines"): ("delivered", "klines to completeness"),
    ("lifecycle", "events"): ("delivered", "lifecycle to lifecycle"),
}
# Where else a check's counts are shown: the section of the page.
_SECTIONS = {
    "ledger": "ledger",
    "trades": "ledger",
    "continuity": "findings",
    "files": "replayed",
    "reception": "replayed",
    "writer": "timeline",
    "completeness": "comparison",
    "lifecycle": "lifecycle",
    "comparison": "comparison",
    "channels": "timeline",
    "subject": "timeline",
    "exactness": "findings",
    "clock": "timeline",
    "feed": "ledger",
    "delivery": "timeline",
    "stored": "ledger",
    "faults": "faults",
    "expectations": "expectations",
}
_Rows = Mapping[tuple[str, ...], list[int]]


@dataclass(frozen=True, slots=True)
class Links:
    """The numbers of a page's rows by what is counted of them.

    `differences` are by class, symbol and interval, `findings` by check, kind and symbol, `lines`
    of the ledger by law and subject; the first rows, up to `last` of each table, are on the report
    itself, whose `sections` are named by their anchors.
    """

    differences: _Rows
    findings: _Rows
    lines: _Rows
    last: Mapping[str, int]
    sections: Collection[str]

    def difference(self, kind: str, symbol: str = "", interval: str = "") -> str:
        """Return the address of differences of a class and series; empty where there are none."""
        chosen = {"class": kind, "symbol": symbol, "interval": interval}
        return self._address("difference", self.differences, tuple(chosen.values()), chosen)

    def finding(self, check: str, kind: str = "", symbol: str = "") -> str:
        """Return the address of a check's findings of a kind; empty where there are none."""
        chosen = {"check": check, "kind": kind, "symbol": symbol}
        return self._address("finding", self.findings, tuple(chosen.values()), chosen)

    def line(self, law: str, subject: str = "") -> str:
        """Return the address of lines of the ledger; empty where there are none."""
        name = law_name(law)
        return self._address("line", self.lines, (name, subject), {"law": name})

    def unbalanced(self, law: str) -> str:
        """Return the address of the worst line of a law that does not balance, empty without."""
        numbers = self.lines.get((law_name(law), "", _UNBALANCED))
        return f"#line-{numbers[0]}" if numbers else ""

    def looked_at(self, check: str, name: str) -> str:
        """Return the address of what a check counted; empty where no page has it.

        That are its findings of that name, the differences of that class, the lines of the ledger
        with that number, else the section that shows what it looked at.
        """
        if check == "comparison" and (found := self.difference(name)):
            return found
        for found in (self.finding(check, name), self.line(*_LINES.get((check, name), ("",)))):
            if found:
                return found
        section = _SECTIONS.get(check, "")
        if section == "findings":
            return self.finding(check)
        return f"#{section}" if section in self.sections else ""

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
        table = _TABLES[one]
        if len(numbers) == 1 or numbers[0] > self.last[table]:
            return f"#{one}-{numbers[0]}"
        return f"#{table}?{urlencode({name: text for name, text in chosen.items() if text})}"


def links_of(
    differences: Sequence[DifferenceRow],
    findings: Sequence[FindingRow],
    ledger: Sequence[EquationRow],
    chunks: Mapping[str, Sequence[Chunk]],
    sections: Collection[str],
) -> Links:
    """Return where the counts of a report lead."""
    by_series: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(differences, start=1):
        for key in ((row.kind, "", ""), (row.kind, row.symbol, row.interval)):
            by_series.setdefault(key, []).append(number)
    by_kind: dict[tuple[str, ...], list[int]] = {}
    for number, found in enumerate(findings, start=1):
        check, kind = _kind(found)
        for place in ((check, kind, ""), (check, kind, str(found.get("symbol"))), (check, "", "")):
            by_kind.setdefault(place, []).append(number)
    by_law: dict[tuple[str, ...], list[int]] = {}
    for number, line in enumerate(in_order(ledger), start=1):
        law = law_name(str(line["law"]))
        for subject in ("", str(line["subject"])):
            by_law.setdefault((law, subject), []).append(number)
        if not line["balanced"]:
            by_law.setdefault((law, "", _UNBALANCED), []).append(number)
    last = {kind: shown[0].last for kind, shown in chunks.items()}
    return Links(by_series, by_kind, by_law, last, sections)


def _kind(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row.get("check")), str(row.get("kind"))
