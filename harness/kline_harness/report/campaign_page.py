"""The pages of a campaign: symbols by days, worst first, and a page for each symbol's month."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from kline_harness.errors import OutputError
from kline_harness.finding_text import finding_text
from kline_harness.report.page import render, write_whole
from kline_harness.report.svg import Drawing, box
from kline_harness.units import day_of
from kline_harness.verdict import Finding, Severity

# What of a day is wrong, and what leaves it open: findings by severity, klines by class.
WRONG = ("error", "unexplained", "missing", "extra")
OPEN = ("doubt", "consistent")
EXPLAINED = ("proved",)
_COUNTS = ("error", "doubt", "unexplained", "missing", "extra", "consistent", "proved")
_SHOWN = 50
_WORST_DAYS = 50
_WIDTH, _HEIGHT = 960.0, 120.0


@dataclass(frozen=True, slots=True)
class DayCell:
    """A run's day: what was counted, the worst of it as a verdict, and where it is told."""

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
        counted = (f"{self.counts[name]:,} {name}" for name in _COUNTS if self.counts.get(name))
        return ", ".join((f"{self.counts.get('trades', 0):,} trades", *counted))

    @property
    def wrong(self) -> int:
        """How much is wrong or left open."""
        return sum(self.counts.get(name, 0) for name in (*WRONG, *OPEN))


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run: its verdict, and its days in the order of the matrix."""

    run: Mapping[str, Any]
    cells: tuple[DayCell, ...]
    elsewhere: Mapping[str, int]
    has_page: bool


@dataclass(slots=True)
class DaySection:
    """What a month's page tells of one day."""

    cell: DayCell
    findings: list[str] = field(default_factory=list)
    differences: list[Mapping[str, Any]] = field(default_factory=list)


def build_campaign(out: Path, results: Mapping[str, Any]) -> Path:
    """Write `index.html` and a page for each run's month into a campaign's folder.

    `results` are those of `campaign.json`, whose runs come worst first.

    Raises OutputError when a page cannot be written.
    """
    days = sorted({day for run in results["runs"] for day in run["days"] if day})
    rows = [_row(out, run, days) for run in results["runs"]]
    try:
        (out / "days").mkdir(exist_ok=True)
        for row in rows:
            for month, sections in _months(out, row).items():
                page = render(
                    "campaign_month.html.j2", run=row.run, month=month, days=sections, shown=_SHOWN
                )
                write_whole(out / "days" / _file(row.run, month), page)
        worst = [(cell, row.run) for row in rows for cell in row.cells if cell.wrong]
        worst.sort(key=lambda one: (-one[0].wrong, one[1]["name"], one[0].day))
        trend = _draw_trend(days, rows)
        page = render(
            "campaign.html.j2",
            results=results,
            rows=rows,
            days=days,
            worst=worst[:_WORST_DAYS],
            worst_total=len(worst),
            trend=trend.__html__() if trend else None,
        )
        write_whole(out / "index.html", page)
    except OSError as error:
        raise OutputError(f"{out}: the report cannot be written: {error}") from error
    return out / "index.html"


def _row(out: Path, run: Mapping[str, Any], days: Sequence[str]) -> RunRow:
    cells = tuple(
        DayCell(day, run["days"].get(day, {}), f"days/{_file(run, day[:7])}#{day}") for day in days
    )
    has_page = (out / "runs" / run["name"] / "report.html").is_file()
    return RunRow(run, cells, run["days"].get("", {}), has_page)


def _file(run: Mapping[str, Any], month: str) -> str:
    return f"{run['name']}-{month}.html"


def _months(out: Path, row: RunRow) -> dict[str, list[DaySection]]:
    """Return each month of a run with its days: findings, and klines that differ."""
    sections = {cell.day: DaySection(cell) for cell in row.cells if cell.counts}
    folder = out / "runs" / row.run["name"]
    for day, text in _findings(folder):
        if day in sections and len(sections[day].findings) < _SHOWN:
            sections[day].findings.append(text)
    for day, difference in _differences(folder):
        if day in sections and len(sections[day].differences) < _SHOWN:
            sections[day].differences.append(difference)
    months: dict[str, list[DaySection]] = {}
    for day, section in sections.items():
        months.setdefault(day[:7], []).append(section)
    return months


def _findings(folder: Path) -> Iterator[tuple[str, str]]:
    with (folder / "findings.ndjson").open(encoding="utf-8") as lines:
        for line in lines:
            plain = json.loads(line)
            finding = Finding(**{**plain, "severity": Severity(plain["severity"])})
            at_ns = finding.open_time_ns or finding.at_ns
            if at_ns is not None:
                yield day_of(at_ns), finding_text(finding)


def _differences(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    columns = ["open_time", "interval", "class", "fields", "cause"]
    table = pq.ParquetFile(folder / "differences.parquet").read(columns)
    if table.num_rows == 0:
        return
    opens = pc.strftime(table["open_time"], format="%Y-%m-%d %H:%M")
    rest = [table[name].to_pylist() for name in columns[1:]]
    for text, interval, kind, fields, cause in zip(opens.to_pylist(), *rest, strict=True):
        row = {"at": text[:16], "interval": interval, "class": kind}
        yield text[:10], {**row, "fields": fields.replace(",", ", "), "cause": cause or "none"}


def _draw_trend(days: Sequence[str], rows: Iterable[RunRow]) -> Drawing | None:
    """Draw a column per day over all runs: what differs, and what was found."""
    if len(days) < 2:
        return None
    bars = ((EXPLAINED, "proved"), (OPEN, "consistent"), (WRONG, "unexplained"))
    sums = [dict.fromkeys(range(len(bars)), 0) for _ in days]
    for row in rows:
        for place, cell in enumerate(row.cells):
            for number, (names, _) in enumerate(bars):
                sums[place][number] += sum(cell.counts.get(name, 0) for name in names)
    highest = max(1, *(value for one in sums for value in one.values()))
    drawing = Drawing(_WIDTH, _HEIGHT + 20, f"Trend of {len(days)} days")
    step = _WIDTH / len(days)
    part = min(step * 0.8, 40.0) / len(bars)
    drawing.rect(0, _HEIGHT, _WIDTH, 1, "line")
    for place, day in enumerate(days):
        left = (place + 0.5) * step - part * len(bars) / 2
        shapes = []
        for number, (_, tone) in enumerate(bars):
            height = _HEIGHT * math.log10(1 + sums[place][number]) / math.log10(1 + highest)
            shapes.append((box(left + number * part, _HEIGHT - height, part, height), tone))
        wrong, left_open, explained = (sums[place][number] for number in (2, 1, 0))
        told = f"{wrong:,} wrong, {left_open:,} open, {explained:,} explained"
        drawing.titled(shapes, f"{day}: {told}")
    drawing.text(0, _HEIGHT + 16, days[0], tone="muted")
    drawing.text(_WIDTH, _HEIGHT + 16, days[-1], tone="muted", anchor="end")
    return drawing
