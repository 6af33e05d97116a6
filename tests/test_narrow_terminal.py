"""What is printed on a terminal of few columns: no number is cut, no name is broken up."""

from __future__ import annotations

import pytest

from tests.replays import ROOT, UM_DAY, command

CASE = ROOT / "fixtures" / "cases" / "case03"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")


def test_counts_of_a_series_are_not_cut() -> None:
    ours, theirs = CASE / "HENUSDT-1m-ours.csv", CASE / "HENUSDT-1m.csv"
    ran = command("compare", ours, "--klines", theirs)
    assert "HENUSDT 1m: 5 identical, 25 unexplained\n" in ran.output


@pytest.mark.parametrize("terminal", [True, False])
def test_a_file_is_a_paragraph_with_its_whole_name(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not terminal:
        # What is asked for holds for a pipe, too.
        monkeypatch.delenv("FORCE_COLOR")
    ran = command("inspect", UM_DAY / "ALFAUSDT-1d-2024-05-15.zip")
    lines = [line for line in ran.output.splitlines() if "ALFAUSDT" in line or " row" in line]
    assert lines[-2].endswith("ALFAUSDT-1d-2024-05-15.zip")
    assert "1d klines" in lines[-1]
    assert lines[-1].endswith("1 row")
    assert "valid: nothing is wrong with what was looked at" in ran.output.splitlines()[-1]
