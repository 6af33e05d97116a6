"""The verb that builds pages again, and the index that replays keep."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

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


def test_the_page_is_opened_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def opens(address: str) -> bool:
        opened.append(address)
        return len(opened) == 1

    monkeypatch.setattr("webbrowser.open", opens)
    quick = ("--audit", "off", "--open")
    ran = replay(tmp_path / "run", STREAM, *quick, quick=False)
    assert opened == [(ran.folder / "report.html").resolve().as_uri()]
    assert "no browser" not in ran.output
    # Without a browser the page is named.
    ran = replay(tmp_path / "again", STREAM, *quick, quick=False)
    assert f"no browser was found that could open {ran.folder / 'report.html'}" in ran.output
    refused = command("replay", STREAM, "--open", "--no-report", "--out", tmp_path / "no")
    assert (refused.exit_code, refused.output) == (
        2,
        "error: --open shows the page that --no-report leaves out",
    )
    assert not (tmp_path / "no").exists()


def test_one_of_a_kind_is_no_plural(tmp_path: Path) -> None:
    trades = tmp_path / "AUSDT-aggTrades-2024-05-15.csv"
    trades.write_text("1,100.5,1.25,1,1,1715731200000,true\n")
    ran = replay(tmp_path / "run", trades, "--intervals", "1d")
    assert "1 trade of 1 symbol made 1 final kline;" in ran.output
