"""Built reports of invented runs, and a browser to open them with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kline_harness.report import build_report
from playwright.sync_api import Browser, sync_playwright

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
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the run folder of each invented run, its report built."""
    root = tmp_path_factory.mktemp("reports")
    folders = {name: write_run(root / name, options) for name, options in RUNS.items()}
    for folder in folders.values():
        build_report(folder)
    return folders


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium, the one at CHROMIUM or Debian's."""
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not Path(path).exists():
        pytest.skip(f"no Chromium at {path}: name one in CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield chromium
        chromium.close()
