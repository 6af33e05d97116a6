"""The history of runs: one page over all run folders of a directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InputError, OutputError
from harness.report.data import read_run_json
from harness.report.page import render, write_whole
from harness.report.summary import CLASSES


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of the history; `figures` are the comparison's classes, None without one."""

    name: str
    verdict: str
    sentence: str
    seed: Any
    klines: int
    figures: Mapping[str, int | None]
    has_page: bool


def build_index(reports_dir: Path) -> Path:
    """Build index.html over the run folders of a directory, in order of name.

    A folder whose run.json cannot be read is listed as unknown, with the reason.

    Raises OutputError when the page cannot be written.
    """
    folders = sorted(path.parent for path in reports_dir.glob("*/run.json"))
    runs = [_past_run(folder) for folder in folders]
    page = render("index.html.j2", runs=runs, classes=CLASSES[:5])
    try:
        write_whole(reports_dir / "index.html", page)
    except OSError as error:
        raise OutputError(f"{reports_dir}: the index cannot be written: {error}") from error
    return reports_dir / "index.html"


def _past_run(folder: Path) -> PastRun:
    has_page = (folder / "report.html").exists()
    try:
        run = read_run_json(folder / "run.json")
    except InputError as error:
        reason = f"run.json: expected {error.expected}, found {error.found}"
        return PastRun(folder.name, "unknown", reason, None, 0, dict.fromkeys(CLASSES), has_page)
    series = run["comparison"]["series"] if run["comparison"] else None
    figures = {
        name: None if series is None else sum(row.get(name, 0) for row in series)
        for name in CLASSES
    }
    klines = sum(row.get("klines", 0) for row in run["series"])
    return PastRun(
        folder.name, run["verdict"], run["sentence"], run["seed"], klines, figures, has_page
    )
