"""What a thread writes into a run folder is in it when the run is over."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from kline_harness.replay import run, tables

from tests.replays import UM_STREAM, replay


def test_a_run_waits_for_its_timeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(path: Path, *given: Any) -> None:
        time.sleep(1)
        tables.write_timeline(path, *given)

    monkeypatch.setattr(run, "write_timeline", slowly)
    words = ("--intervals", "1m", "--audit", "off")
    replay(tmp_path / "run", UM_STREAM / "ALFAUSDT-trade-stream.txt.gz", *words)
    assert (tmp_path / "run" / "timeline.parquet").is_file()
