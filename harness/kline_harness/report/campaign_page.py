"""The pages of a campaign: symbols by days, worst first, and a page for each symbol's month."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from kline_harness.errors import writing
from kline_harness.finding_text import finding_text
from kline_harness.report.evidence import SEVERITIES
from kline_harness.report.overview import WORST_FIRST
from kline_harness.report.page import render
from kline_harness.report.svg import Drawing, LogBars, log_bars
from kline_harness.units import day_of
from kline_harness.verdict import Finding, Severity
from kline_harness.whole_file import write_whole

# What of a day is wrong, and what leaves it open: findings by severity, klines by class.
WRONG = ("error", "unexplained", "missing", "extra")
OPEN = ("doubt", "consistent")
EXPLAINED = ("proved",)
_FINDINGS = ("error", "doubt")
_CLASSES = ("unexplained", "missing", "extra", "consistent", "proved")
_VERDICTS = (*WORST_FIRST, "absent")
_SHOWN = 50
_WORST_DAYS = 20
# More columns than this are months: a year of many symbols would be a page of many megabytes.
_DAYS_MAX = 62
_WIDTH, _HEIGHT = 960.0, 120.0


@dataclass(frozen=True, slots=True)
class DayCell:
    """A run's day or month: what was counted, the worst of it as a verdict, where it is listed."""

    day: str
    counts: Mapping[str, int]
    href: str

    @property
    def verdict(self) -> str:
        """The worst of what is of that day: of nothing wrong or open it is valid."""
        if any(self.counts.get(name) for name in WRONG):
            return "invalid"
        if any(self.counts.get(name) for name in OPEN):
            return "unknown"
        return "valid" if self.counts.get("trades") else "absent"

    @property
    def text(self) -> str:
        """What was counted, in words."""
        trades = self.counts.get("trades", 0)
        found = [_several(self.counts[name], name) for name in _FINDINGS if self.counts.get(name)]
        klines = [f"{self.counts[name]:,} {name}" for name in _CLASSES if self.counts.get(name)]
        words = ", ".join((_several(trades, "trade"), *found))
        return f"{words}; klines: {', '.join(klines)}" if klines else words

    @property
    def wrong(self) -> int:
        """How much is wrong or left open."""
        return sum(self.counts.get(name, 0) for name in (*WRONG, *OPEN))

    def rank(self) -> tuple[int, int]:
        """Return what sorts days worst first: what is wrong before what is open."""
        return _VERDICTS.index(self.verdict), -self.wrong


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run: its verdict, its days, and the columns of the matrix: days, or months of many."""

    run: Mapping[str, Any]
    days: tuple[DayCell, ...]
    cells: tuple[DayCell, ...]
    elsewhere: str
    has_page: bool


@dataclass(slots=True)
class DaySection:
    """What a month's page lists of one day, worst first."""

    cell: DayCell
    findings: list[tuple[int, str]] = field(default_factory=list)
    differences: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)

    def sort(self) -> None:
        """Put the worst first and leave no more than are shown."""
        self.findings = sorted(self.findings, key=lambda one: one[0])[:_SHOWN]
        self.differences = sorted(self.differences, key=lambda one: one[0])[:_SHOWN]


def build_campaign(out: Path, results: Mapping[str, Any]) -> Path:
    """Write `index.html` and a page for each run's month into a campaign's folder.

    `results` are those of `campaign.json`, whose runs come worst first.

    Raises OutputError when a page cannot be written.
    """
    days = sorted({day for run in results["runs"] for day in run["days"] if day})
    columns = days if len(days) <= _DAYS_MAX else sorted({day[:7] for day in days})
    rows = [_row(out, run, days, columns) for run in results["runs"]]
    with writing(out):
        _write_months(out / "days", out, rows)
        worst = [(cell, row.run) for row in rows for cell in row.days if cell.wrong]
        worst.sort(key=lambda one: (*one[0].rank(), one[1]["name"], one[0].day))
        trend = _draw_trend(days, rows)
        page = render(
            "campaign.html.j2",
            results=results,
            sentence=_sentence(results),
            rows=rows,
            days=days,
            columns=columns,
            worst=worst[:_WORST_DAYS],
            worst_total=len(worst),
            trend=trend.__html__() if trend else None,
        )
        write_whole(out / "index.html", page)
    return out / "index.html"


def _write_months(folder: Path, out: Path, rows: Iterable[RunRow]) -> None:
    """Write a page for each run's month; those of runs that are no more are removed."""
    folder.mkdir(exist_ok=True)
    written = set()
    for row in rows:
        for month, sections in _months(out, row).items():
            place = folder / _file(row.run, month)
            page = render(
                "campaign_month.html.j2",
                run=row.run,
                has_page=row.has_page,
                month=month,
                days=sections,
                shown=_SHOWN,
            )
            write_whole(place, page)
            written.add(place)
    for stale in set(folder.glob("*.html")) - written:
        stale.unlink()


def _sentence(results: Mapping[str, Any]) -> str:
    """Say what the campaign came to: the worst first."""
    runs, failed = results["runs"], len(results["failed"])
    total = len(runs) + failed
    parts = []
    if failed:
        parts.append(f"{failed:,} of {_several(total, 'run')} came to nothing")
    for verdict in WORST_FIRST:
        names = [run["name"] for run in runs if run["verdict"] == verdict]
        if names:
            worst = f", {names[0]} worst" if verdict != "valid" and len(names) > 1 else ""
            parts.append(f"{len(names):,} {'is' if len(names) == 1 else 'are'} {verdict}{worst}")
    return f"{results['verdict'].capitalize()}: {'; '.join(parts)}."


def _row(out: Path, run: Mapping[str, Any], days: Sequence[str], columns: Sequence[str]) -> RunRow:
    cells = {
        day: DayCell(day, run["days"].get(day, {}), f"days/{_file(run, day[:7])}#{day}")
        for day in days
    }
    for month in columns:
        if month not in cells:
            counts = sum(
                (Counter(run["days"].get(d, {})) for d in days if d[:7] == month), Counter()
            )
            cells[month] = DayCell(month, counts, f"days/{_file(run, month)}")
    has_page = (out / "runs" / run["name"] / "report.html").is_file()
    elsewhere = run["days"].get("", {})
    words = ", ".join(_several(count, name) for name, count in elsewhere.items())
    every = (tuple(cells[day] for day in days), tuple(cells[one] for one in columns))
    return RunRow(run, *every, words, has_page)


def _file(run: Mapping[str, Any], month: str) -> str:
    return f"{run['name']}-{month}.html"


def _months(out: Path, row: RunRow) -> dict[str, list[DaySection]]:
    """Return each month of a run with its days: findings, and klines that differ."""
    sections = {cell.day: DaySection(cell) for cell in row.days if cell.counts}
    folder = out / "runs" / row.run["name"]
    for day, rank, text in _findings(folder):
        if day in sections:
            sections[day].findings.append((rank, text))
    for day, rank, difference in _differences(folder):
        if day in sections:
            sections[day].differences.append((rank, difference))
    months: dict[str, list[DaySection]] = {}
    for day, section in sections.items():
        section.sort()
        months.setdefault(day[:7], []).append(section)
    return months


def _findings(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Yield the day, how bad it is and the words of each finding."""
    ranks = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    with (folder / "findings.ndjson").open(encoding="utf-8") as lines:
        for line in lines:
            plain = json.loads(line)
            finding = Finding(**{**plain, "severity": Severity(plain["severity"])})
            at_ns = finding.open_time_ns or finding.at_ns
            if at_ns is not None:
                yield day_of(at_ns), ranks[plain["severity"]], finding_text(finding)


def _differences(folder: Path) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield the day, how bad it is and the cells of each kline that is not the exchange's."""
    ranks = {name: rank for rank, name in enumerate(_CLASSES)}
    columns = ["open_time", "interval", "class", "fields", "cause"]
    table = pq.ParquetFile(folder / "differences.parquet").read(columns)
    if table.num_rows == 0:
        return
    opens = pc.strftime(table["open_time"], format="%Y-%m-%d %H:%M")
    rest = [table[name].to_pylist() for name in columns[1:]]
    for text, interval, kind, fields, cause in zip(opens.to_pylist(), *rest, strict=True):
        row = {"at": text[:16], "interval": interval, "class": kind}
        row |= {"fields": fields.replace(",", ", "), "cause": cause or "none"}
        yield text[:10], ranks[kind], row


def _draw_trend(days: Sequence[str], rows: Iterable[RunRow]) -> Drawing | None:
    """Draw a column per day over all runs: what differs, and what was found."""
    if len(days) < 2:
        return None
    bars = ((EXPLAINED, "proved"), (OPEN, "consistent"), (WRONG, "unexplained"))
    sums = [dict.fromkeys(range(len(bars)), 0) for _ in days]
    for row in rows:
        for place, cell in enumerate(row.days):
            for number, (names, _) in enumerate(bars):
                sums[place][number] += sum(cell.counts.get(name, 0) for name in names)
    columns = []
    for day, one in zip(days, sums, strict=True):
        text = f"{day}: {one[2]:,} wrong, {one[1]:,} open, {one[0]:,} explained"
        columns.append(LogBars(text, tuple((one[n], tone) for n, (_, tone) in enumerate(bars))))
    drawing = Drawing(_WIDTH, _HEIGHT + 20, f"Trend of {len(days)} days")
    log_bars(drawing, columns, _HEIGHT)
    drawing.text(0, _HEIGHT + 16, days[0], tone="muted")
    drawing.text(_WIDTH, _HEIGHT + 16, days[-1], tone="muted", anchor="end")
    return drawing
