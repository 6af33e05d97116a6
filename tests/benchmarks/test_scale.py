"""The benchmark of many symbols and of a long month, once and small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.benchmarks import scale


def test_many_symbols_and_many_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_DIR", str(tmp_path))
    for name, value in (("TRADES", 25_000), ("SYMBOLS", 3), ("DAYS", 2)):
        monkeypatch.setattr(scale, name, value)
    scale.main()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.split("\n")
        if re.match(r"\| \d", line)
    ]
    assert [(name, trades) for name, trades, *_ in rows] == [
        ("3 symbols, a day", "300"),
        ("1 symbol, a day", "25,000"),
        ("1 symbol, 2 days", "50,000"),
    ]
    assert [row[2] for row in rows[1:]] == ["2,404", "4,808"]
