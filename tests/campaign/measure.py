"""Campaigns of three sizes: the plan beside what was measured, and single replays beside both.

Plan, two workers and one worker are measured in turn, as often as asked for: the load of a machine
that others use as well is then much the same for all three.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from kline_harness.campaign.shards import SCHEDULING_SECONDS

from tests.campaign.days import folder_bytes, rows_of, write_days

HARNESS = str(Path(sys.executable).with_name("kline-harness"))
SIZES = ((2, 8, 100_000), (4, 16, 100_000), (4, 31, 100_000))
"""Symbols, days, trades of a day."""
QUICK = "expectations = false\n"


def made(folder: Path, symbols: int, days: int, per_day: int) -> Path:
    if not (folder / "c.toml").exists():
        for number in range(symbols):
            name = f"S{number}USDT"
            write_days(folder / "data", name, rows_of(name, days, per_day, id_jumps=2_000))
        (folder / "s.toml").write_text(QUICK)
        lines = ['trades = ["data/*.csv"]', "report = false", "task_seconds = 1"]
        (folder / "c.toml").write_text(QUICK + "\n".join(lines) + "\n")
    return folder / "c.toml"


def timed(*words: object) -> tuple[float, str]:
    start = time.monotonic()
    done = subprocess.run([HARNESS, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1, 3), done.stderr
    return time.monotonic() - start, done.stdout


@dataclass
class Round:
    """Seconds of one round: planned, by two workers, by one; and what two workers' tasks took."""

    planned: float
    two: float
    one: float
    busy: float
    tasks: int


def campaign(file: Path, out: Path, workers: int) -> dict[str, float]:
    """Run a campaign anew and return its timings."""
    shutil.rmtree(out, ignore_errors=True)
    timed("campaign", file, "--out", out, "--workers", workers)
    timings: dict[str, float] = json.loads((out / "timings.json").read_text())
    return timings


def one_round(folder: Path, file: Path) -> Round:
    shutil.rmtree(folder / "plan", ignore_errors=True)
    _, plan = timed("campaign", file, "--out", folder / "plan", "--plan")
    planned = float(next(line for line in plan.splitlines() if "expected" in line).split()[1])
    two = campaign(file, folder / "two", 2)
    one = campaign(file, folder / "one", 1)
    return Round(planned, two["seconds"], one["seconds"], two["busy_seconds"], int(two["tasks"]))


def held_to_single_replays(folder: Path, symbols: int) -> float:
    """Hold every symbol's run folder to one replay; return the seconds of the replays."""
    single = 0.0
    for number in range(symbols):
        name = f"S{number}USDT"
        files = sorted((folder / "data").glob(f"{name}-*.csv"))
        out = folder / "single" / name
        options = ("--scenario", folder / "s.toml", "--no-report", "--out", out)
        single += timed("replay", *files, *options)[0]
        a, b = folder_bytes(out), folder_bytes(folder / "two" / "runs" / f"{name}-exact")
        assert a.keys() == b.keys()
        assert [path for path in a if a[path] != b[path]] == ["run.json"]
    return single


def measure(folder: Path, rounds: int, symbols: int, days: int, per_day: int) -> None:
    file = made(folder, symbols, days, per_day)
    found = []
    for _ in range(rounds):
        found.append(one_round(folder, file))
        print(f"  {found[-1]}, load {os.getloadavg()[0]:.1f}", flush=True)
    single = held_to_single_replays(folder, symbols)
    two, tasks = median(one.two for one in found), found[0].tasks
    off = median(one.planned / one.two for one in found) - 1
    print(
        f"| {symbols} x {days} | {median(one.planned for one in found):.1f} s | {two:.1f} s | "
        f"{off:+.0%} | {median(one.one / one.two for one in found):.2f} | {single:.1f} s | "
        f"{tasks} | {tasks * SCHEDULING_SECONDS / 2 / two:.1%} |",
        flush=True,
    )


def main() -> None:
    root, rounds = Path(sys.argv[1]), int(sys.argv[2])
    names = "symbols x days|planned|measured|off by|one by two workers|single replays|tasks"
    print(f"| {names.replace('|', ' | ')} | scheduling |")
    for size in SIZES:
        measure(root / "x".join(map(str, size)), rounds, *size)


if __name__ == "__main__":
    main()
