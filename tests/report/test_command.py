"""The verb that builds pages again, and the index that replays keep."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.replays import UM_STREAM, command, replay

STREAM = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"


def test_a_page_is_built_again_from_data_alone(tmp_path: Path) -> None:
    ran = replay(tmp_path / "run", STREAM, "--audit", "off", quick=False)
    page = ran.folder / "report.html"
    before = page.read_bytes()
    page.unlink()
    moved = tmp_path / "elsewhere"
    shutil.move(ran.folder, moved)
    (moved / "timings.json").unlink()
    assert command("report", moved).exit_code == 0
    assert (moved / "report.html").read_bytes() == before


def test_replays_into_reports_keep_an_index(tmp_path: Path) -> None:
    for name in ("one", "two"):
        ran = replay(tmp_path / "reports" / name, STREAM, "--audit", "off", quick=False)
        assert "index.html" in ran.output
    index = tmp_path / "reports" / "index.html"
    before = index.read_bytes()
    assert b">one<" in before
    assert b">two<" in before
    index.unlink()
    assert command("report", tmp_path / "reports").exit_code == 0
    assert index.read_bytes() == before


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    told = command("report", tmp_path)
    assert told.exit_code == 2
    assert str(tmp_path) in told.output
