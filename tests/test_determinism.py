"""The same inputs, scenario and seed give the same bytes, wherever and however it is run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DAY = ROOT / "fixtures" / "um-day"
SCENARIO = """
seed = 11
[preset]
name = "lossy"
[[faults]]
kind = "consumer_crashed"
at = 2024-05-15T05:00:00Z
restart = 2024-05-15T06:00:00Z
[[faults]]
kind = "kill_during_write"
step = "rename"
until_commit = 1
"""
# Everything around a run that must not matter.
SURROUNDINGS = (
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
    {
        "PYTHONHASHSEED": "4242",
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C.UTF-8",
        "KLINE_HARNESS_COMPILED": "0",
    },
)


def command(directory: Path, surroundings: dict[str, str], *words: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    environment = os.environ | surroundings | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "kline_harness.cli", *words],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file but the one that tells wall-clock times."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


def test_a_replay_gives_the_same_bytes_in_any_surroundings(tmp_path: Path) -> None:
    found = []
    trades = [str(path) for path in sorted(DAY.glob("*-trades-*.zip"))]
    for number, surroundings in enumerate(SURROUNDINGS):
        place = tmp_path / f"place-{number}"
        place.mkdir()
        (place / "scenario.toml").write_text(SCENARIO, encoding="utf-8")
        klines = str(DAY / "ALFAUSDT-5m-2024-05-15.zip")
        # Relative from the one place, absolute from the other: files are named, not placed.
        files = [os.path.relpath(one, place) if number else one for one in trades]
        words = ["replay", *files, "--klines", klines, "--intervals", "1m,5m,1h"]
        command(place, surroundings, *words, "--scenario", "scenario.toml", "--out", "run")
        found.append(digests(place / "run"))
    assert "run.json" in found[0]
    assert "report.html" in found[0]
    assert found[0] == found[1]


def test_an_exploration_gives_the_same_bytes_with_any_workers(tmp_path: Path) -> None:
    found = []
    trades = [str(path) for path in sorted(DAY.glob("*-trades-*.zip"))]
    subject = ["--aggregator", "klagg", "--out", "found"]
    for number, surroundings in enumerate(SURROUNDINGS):
        words = ["explore", *trades, "--seeds", "25", "--workers", str(number + 1), *subject]
        command(tmp_path / str(number), surroundings, *words)
        found.append(digests(tmp_path / str(number) / "found"))
    assert any(name.startswith("seed-") for name in found[0])
    assert found[0] == found[1]
