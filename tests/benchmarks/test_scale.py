"""The benchmark of many symbols and of a long month, once and small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.benchmarks import scale
from tests.benchmarks.day import market_sizes


def test_the_sizes_of_a_market() -> None:
    sizes = market_sizes(60_000_000, 500)
    assert len(sizes) == 500
    assert sizes[0] == 6_000_000
    assert sizes == sorted(sizes, reverse=True)
    assert 59_990_000 < sum(sizes) <= 60_000_000
    # Half of all symbols have a tenth of the trades or little more.
    assert 0.08 < sum(sizes[250:]) / sum(sizes) < 0.13


def test_many_symbols_and_many_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_DIR", str(tmp_path))
    for name, value in (("TRADES", 25_000), ("SYMBOLS", 3), ("DAYS", 2), ("MARKET", 900)):
        monkeypatch.setattr(scale, name, value)
    scale.main()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.split("\n")
        if re.match(r"\| (a m|\d)", line)
    ]
    ours = [row for row in rows if "loop" not in row[0] and "not installed" not in row[0]]
    assert [(name, trades) for name, trades, *_ in ours] == [
        ("3 symbols, a day", "300"),
        ("a market's day of 3 symbols", "899"),
        ("1 symbol, a day", "25,000"),
        ("1 symbol, 2 days", "50,000"),
    ]
    assert [row[2] for row in ours[2:]] == ["2,404", "4,808"]
    # Each peer is timed on both, or said to be absent.
    assert sum("polars" in row[0] for row in rows) == 2
    assert sum("duckdb" in row[0] for row in rows) == 2
