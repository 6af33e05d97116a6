"""Where nearly every kline of a series differs, all are counted and the first are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from kline_harness.comparison import looked_at

from tests.replays import UM_DAY, command, replay

HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)
START_MS = 1_714_521_600_000
KLINES = 9_000
DROPS = """intervals = ["1m"]
audit = "off"
[[faults]]
kind = "drop_trades"
rate = 0.3
"""
LOOKED_AT = 5_000


def seconds(path: Path, wrong: set[int]) -> Path:
    """Write klines of a second, each of one trade; some have a wrong volume."""
    rows = [HEADER]
    for number in range(KLINES):
        at = START_MS + number * 1_000
        price, volume = f"{60 + number % 7}.5", "2.25" if number in wrong else "1.25"
        rows.append(f"{at},{price},{price},{price},{price},{volume},{at + 999},80.0,1,0,0,0")
    path.parent.mkdir()
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_all_that_differ_are_counted_and_the_first_are_looked_at(tmp_path: Path) -> None:
    wrong = {number for number in range(KLINES) if number % 3}
    ours = seconds(tmp_path / "ours" / "GNUUSDT-1s.csv", set())
    theirs = seconds(tmp_path / "theirs" / "GNUUSDT-1s.csv", wrong)
    ran = command("compare", ours, "--klines", theirs)
    assert ran.exit_code == 1
    beyond = len(wrong) - LOOKED_AT
    assert f"{KLINES - len(wrong):,} identical, {LOOKED_AT:,} unexplained" in ran.output
    assert f"{beyond:,} klines of the exchange's (they differ as well" in ran.output
    assert f"{LOOKED_AT:,} of {len(wrong):,}" in ran.output


def test_of_a_series_that_differs_in_less_than_a_tenth_all_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked_at, "_MOST", 200)
    wrong = {number for number in range(KLINES) if number % 20 == 0}
    ours = seconds(tmp_path / "ours" / "GNUUSDT-1s.csv", set())
    theirs = seconds(tmp_path / "theirs" / "GNUUSDT-1s.csv", wrong)
    ran = command("compare", ours, "--klines", theirs)
    assert f"{KLINES - len(wrong):,} identical, {len(wrong):,} unexplained" in ran.output
    assert "differ as well" not in ran.output


def test_what_was_not_looked_at_is_never_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that were looked at are explained, and the run is unknown all the same."""
    monkeypatch.setattr(looked_at, "_MOST", 20)
    monkeypatch.setattr(looked_at, "_LEAST", 20)
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(DROPS, encoding="utf-8")
    day = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
    klines = UM_DAY / "ALFAUSDT-1m-2024-05-15.zip"
    ran = replay(tmp_path / "run", day, "--klines", klines, "--scenario", scenario)
    series = ran.series("ALFAUSDT", "1m")
    assert series["unexplained"] == 0
    assert series["proved"] == 20
    (left,) = [f for f in ran.findings() if f["kind"] == "differ_too"]
    assert series["identical"] + 20 + left["evidence"]["klines"] == 1_440
    assert ran.check("comparison")["verdict"] == "unknown"
