"""Every example runs, and says what its first lines promise."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"


def run(name: str, *words: str, code: int = 0) -> str:
    command = [sys.executable, str(EXAMPLES / name), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_every_example_is_run_by_a_test() -> None:
    tests = Path(__file__).read_text()
    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in tests] == []


def test_a_replay_of_a_day_is_the_exchanges() -> None:
    out = run("replay.py")
    # 1440 + 288 + 24 klines of the exchange's files.
    assert "compared 1,752 klines" in out
    assert "1,752 identical" in out
    assert re.search(r"00:00:00\+00:00 +0\.04316 +191708", out)


def test_an_aggregator_of_ones_own_is_the_exchanges() -> None:
    out = run("own_aggregator.py")
    assert "1,464 identical; every check is valid" in out
    assert "exactness: valid" in out


def test_its_planted_bug_is_found_with_and_without_the_exchanges_klines() -> None:
    out = run("own_aggregator.py", "--boundary-bug", code=1)
    assert "comparison: invalid" in out
    # By the exact aggregator beside it, which needs no klines of the exchange.
    assert "exactness: invalid" in out
    # The first trade of the day, at midnight, is counted into the day before.
    assert re.search(r"1m 2024-05-15 00:00:00\+00:00 +unexplained +3619 +3839", out)


def test_a_consumer_of_ones_own_counts_the_exchanges_trades() -> None:
    out = run("own_consumer.py")
    assert "turnover: valid" in out
    with zipfile.ZipFile(ROOT / "fixtures" / "um-day" / "BRAVOUSDT-1m-2024-05-15.zip") as file:
        rows = file.read(file.namelist()[0]).decode().splitlines()[1:]
    trades = sum(int(row.split(",")[8]) for row in rows)
    assert f"'klines': 1440, 'trades': {trades}, 'missed': 0" in out


def test_what_a_consumer_of_ones_own_missed_is_said() -> None:
    out = run("own_consumer.py", "--narrow", code=1)
    assert "turnover: unknown" in out


def test_the_walk_adds_up_and_draws(tmp_path: Path) -> None:
    out = run("walk.py", str(tmp_path / "walk.png"))
    assert "volumes are equal: True" in out
    assert (tmp_path / "walk.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_pages_python_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    lines = [line for line in block.splitlines() if line.strip()]
    assert len(lines) <= 8
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert "24 identical" in capsys.readouterr().out
    assert len(names["frame"]) == 1464  # type: ignore[arg-type]
