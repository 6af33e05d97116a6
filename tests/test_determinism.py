"""The same inputs, scenario and seed give the same bytes, wherever and however it is run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

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


START_MS = 1_715_767_200_000


def recorded_in_part(folder: Path) -> list[str]:
    """Write ten minutes of klines, and their trades but the last two; return words of a replay."""
    klines, rows = [], ["id,price,qty,quote_qty,time,is_buyer_maker"]
    for minute in range(10):
        at = START_MS + minute * 60_000
        # One trade of 1 every ten seconds, in the fourth minute of 2.
        size = 2 if minute == 3 else 1
        amounts = f"{6 * size},{at + 59_999},{30 * size},6,{3 * size},{15 * size},0"
        klines.append(f"{at},5,5,5,5,{amounts}\n")
        numbers = f"5,{size},{5 * size}"
        rows += [
            f"{900 + 6 * minute + n},{numbers},{at + 10_000 * n},{('true', 'false')[n % 2]}"
            for n in range(6)
        ]
    (folder / "FOXUSDT-1m.csv").write_text("".join(klines))
    (folder / "FOXUSDT-trades.csv").write_text("\n".join(rows[:-2]) + "\n")
    files = [str(folder / "FOXUSDT-trades.csv"), "--klines", str(folder / "FOXUSDT-1m.csv")]
    return ["replay", *files, "--intervals", "1m", "--audit", "off", "--no-report", "--out", "run"]


def test_what_a_proof_rests_on_has_no_order_of_a_set(tmp_path: Path) -> None:
    """The busiest kline's count and volume are evidence of an edge: two names, once in a set."""
    words = recorded_in_part(tmp_path)
    orders, found = set(), set()
    for seed in ("0", "1", "2", "3"):
        shown = subprocess.run(
            [sys.executable, "-c", "print(*{'count', 'volume'})"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        orders.add(shown.stdout)
        command(tmp_path / seed, {"PYTHONHASHSEED": seed}, *words)
        (table,) = (tmp_path / seed / "run").rglob("differences.parquet")
        found.add(table.read_bytes())
        (row,) = pq.read_table(table).to_pylist()
        assert '"busiest": {"count": "6", "volume": "12"}' in str(row["proof"])
    # Some of the seeds turn the two round.
    assert len(orders) == 2
    assert len(found) == 1
