"""The history of runs: one page over all run folders of a directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kline_harness.errors import InputError, OutputError
from kline_harness.report.overview import tested
from kline_harness.report.page import render, write_whole
from kline_harness.report.summary import CLASSES, period_of, symbols_of, totals
from kline_harness.report.svg import Drawing, LogBars, log_bars
from kline_harness.run_record import RECORD_FILE, RunRecord, read_record

_WIDTH, _HEIGHT = 960.0, 120.0
_BARS = (
    (("proved",), "proved"),
    (("consistent",), "consistent"),
    (("unexplained", "missing", "extra"), "unexplained"),
)


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of the history; `figures` are the comparison's classes, None without one.

    `subject` is the aggregator, `days` the period of the trades, `scenario` what is not default.
    """

    name: str
    verdict: str
    sentence: str
    seed: Any
    klines: int
    figures: Mapping[str, int | None]
    has_page: bool
    subject: str = ""
    symbols: str = ""
    days: str = ""
    scenario: str = ""
    version: str = ""


def build_index(reports_dir: Path) -> Path:
    """Build index.html over the run folders of a directory, in order of name.

    A folder whose run.json cannot be read is listed as unknown, with the reason.

    Raises OutputError when the page cannot be written.
    """
    folders = sorted(path.parent for path in reports_dir.glob(f"*/{RECORD_FILE}"))
    runs = [_past_run(folder) for folder in folders]
    trend = _draw_trend(runs)
    page = render(
        "index.html.j2",
        runs=runs,
        classes=CLASSES[:6],
        trend=trend.__html__() if trend else None,
    )
    try:
        write_whole(reports_dir / "index.html", page)
    except OSError as error:
        raise OutputError(f"{reports_dir}: the index cannot be written: {error}") from error
    return reports_dir / "index.html"


def _draw_trend(runs: Sequence[PastRun]) -> Drawing | None:
    """Draw a column per run: its verdict, and above it how many klines differ."""
    if len(runs) < 2:
        return None
    names = ", ".join(f"{run.name} {run.verdict}" for run in runs)
    drawing = Drawing(_WIDTH, _HEIGHT + 30, f"Trend of {len(runs)} runs: {names}")
    columns = [
        LogBars(
            f"{run.name}: {run.verdict}. {run.sentence}",
            tuple((_differing(run, names), tone) for names, tone in _BARS),
            run.verdict,
        )
        for run in runs
    ]
    log_bars(drawing, columns, _HEIGHT, foot=14)
    return drawing


def _differing(run: PastRun, names: Sequence[str]) -> int:
    return sum(run.figures[name] or 0 for name in names)


def _past_run(folder: Path) -> PastRun:
    has_page = (folder / "report.html").exists()
    try:
        return _figures(folder, read_record(folder / RECORD_FILE), has_page)
    except InputError as error:
        reason = f"run.json: expected {error.expected}, found {error.found}"
    return PastRun(folder.name, "unknown", reason, None, 0, dict.fromkeys(CLASSES), has_page)


def _figures(folder: Path, run: RunRecord, has_page: bool) -> PastRun:
    series = run.comparison["series"] if run.comparison else None
    figures = totals(series) if series is not None else dict.fromkeys(CLASSES)
    klines = run.series.get("klines", 0)
    options = dict(tested(run, symbols_of(run.inputs)))
    return PastRun(
        folder.name,
        run.verdict,
        run.sentence,
        run.seed,
        klines,
        figures,
        has_page,
        subject=options.get("Subject", ""),
        symbols=options.get("Symbols", ""),
        days=period_of(run.inputs),
        scenario=options.get("Scenario", ""),
        version=str(run.versions.get("kline-harness", "")),
    )
