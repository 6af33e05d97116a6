"""Counters are of the work itself: no seed of the interpreter and no cut of a file moves them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from kline_harness.archives import TradeFile
from kline_harness.replay import assembly, sources
from kline_harness.simulation.feed import Feed

from tests.gate.suites import CASE, make_suite, run_one

COUNTERS = {
    "bytes_read": 36_991,
    "rows_read": 2_027,
    "rows_fed": 2_016,
    "klines": 11,
    "events": 37,
    "simpy_events": 24,
    "batches": 32,
    "bytes_fed": 2_016 * 68,
    "bytes_emitted": 2_261,
    "deliveries": 59,
    "wake_ups": 43,
    "depth_peak": 3,
    "flushes": 11,
    "rows_written": 11,
    "parts": 1,
    "compared": 0,
}
AUDITED = CASE.replace('audit = "off"', "")


def test_the_work_of_ten_minutes(tmp_path: Path) -> None:
    assert run_one(make_suite(tmp_path, AUDITED)).counters == COUNTERS


def test_how_a_file_is_cut_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "open_trades", partial(TradeFile, block_bytes=10_000))
    monkeypatch.setattr(assembly, "Feed", partial(Feed, slice_rows=100))
    assert run_one(make_suite(tmp_path, AUDITED)).counters == COUNTERS


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_the_seed_of_hashes_does_not_count(seed: str, tmp_path: Path) -> None:
    suite = make_suite(tmp_path, AUDITED)
    words = ["gate", str(suite), "--json", str(tmp_path / "gate.json"), "--work", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "kline_harness.cli", *words],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    (case,) = json.loads((tmp_path / "gate.json").read_text())["cases"]
    assert case["counters"] == COUNTERS
