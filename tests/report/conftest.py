"""Built reports of invented runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from kline_harness.report import build_report

from tests.report.run_figures import HOSTILE, RunOptions
from tests.report.run_folder import write_run

RUNS = {
    "valid": RunOptions("valid", differences=40, findings=12),
    "invalid": RunOptions(
        "invalid", differences=4000, findings=2500, faults=True, trades_per_proof=12
    ),
    "hostile": RunOptions("invalid", symbols=HOSTILE, differences=400, findings=60, faults=True),
    "unknown": RunOptions("unknown", exchange=False),
}


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the run folder of each invented run, its report built."""
    root = tmp_path_factory.mktemp("reports")
    folders = {name: write_run(root / name, options) for name, options in RUNS.items()}
    for folder in folders.values():
        build_report(folder)
    return folders
