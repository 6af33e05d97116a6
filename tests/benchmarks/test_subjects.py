"""The benchmark of programs that speak kline-subject/1, once and small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import subjects


def test_every_program_is_valid_and_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_DIR", str(tmp_path))
    for name, value in (("TRADES", 20_000), ("DAYS", 2), ("ROUNDS", 1)):
        monkeypatch.setattr(subjects, name, value)
    # It ends with an error where a run is not valid.
    subjects.main()
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))[:2]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("| ") and "000 |" in line
    ]
    names = subjects.aggregators()
    assert rows == [(name, trades) for name in names for trades in ("20,000", "40,000")]
