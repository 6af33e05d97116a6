"""Running the command in-process, and what it leaves behind."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from kline_harness import cli
from kline_harness.errors import UserError
from kline_harness.run_record import LEDGER_FILE, read_ledger
from kline_harness.run_rows import EquationRow

from tests.run_files import whole_run

ROOT = Path(__file__).resolve().parents[1]
UM_DAY = ROOT / "fixtures" / "um-day"
UM_STREAM = ROOT / "fixtures" / "um-stream"


@dataclass(frozen=True)
class Ran:
    """A finished command: exit code, what it printed, its run folder."""

    exit_code: int
    output: str
    folder: Path

    @property
    def run(self) -> dict[str, Any]:
        """The record of the run, with the rows of its tables."""
        return whole_run(self.folder)

    def equations(self) -> list[EquationRow]:
        return list(read_ledger(self.folder / LEDGER_FILE))

    def check(self, name: str) -> dict[str, Any]:
        return next(check for check in self.run["checks"] if check["check"] == name)

    def series(self, symbol: str, interval: str) -> dict[str, Any]:
        rows = self.run["comparison"]["series"]
        return next(r for r in rows if (r["symbol"], r["interval"]) == (symbol, interval))

    def findings(self) -> list[dict[str, Any]]:
        lines = (self.folder / "findings.ndjson").read_text().splitlines()
        return [json.loads(line) for line in lines]


def replay(folder: Path, *words: str | Path, quick: bool = True) -> Ran:
    """Run ``kline-harness replay``; `quick` leaves out Great Expectations' audit and the page."""
    options = ["--no-report"] if quick else []
    return command("replay", *words, "--out", folder, *options, folder=folder)


def command(*words: str | Path, folder: Path = Path()) -> Ran:
    """Run the command; a user's error is told as `main` tells it."""
    output = StringIO()
    try:
        with redirect_stdout(output), redirect_stderr(output):
            code = cli.run([str(word) for word in words])
    except UserError as error:
        return Ran(2, f"error: {error}", folder)
    return Ran(code, output.getvalue(), folder)
