"""Campaigns of three sizes: the plan beside what was measured, and single replays beside both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

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


def measure(folder: Path, symbols: int, days: int, per_day: int) -> None:
    file = made(folder, symbols, days, per_day)
    _, plan = timed("campaign", file, "--out", folder / "two", "--plan", "--measure")
    planned = float(next(line for line in plan.splitlines() if "expected" in line).split()[1])
    two, _ = timed("campaign", file, "--out", folder / "two", "--workers", 2)
    one, _ = timed("campaign", file, "--out", folder / "one", "--workers", 1)
    told = json.loads((folder / "two" / "timings.json").read_text())
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
    seconds = told["seconds"]
    print(
        f"{symbols} symbols x {days} days x {per_day:,} trades: planned {planned:.1f} s, "
        f"measured {seconds:.1f} s ({seconds / planned - 1:+.0%}); "
        f"whole process {two:.1f} s on two workers, "
        f"{one:.1f} s on one, {one / two:.2f} times as fast; single replays {single:.1f} s, "
        f"{single / two:.2f} times; {told['tasks']} tasks, scheduling "
        f"{told['tasks'] * 0.004 / seconds:.1%}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def main() -> None:
    root = Path(sys.argv[1])
    for size in SIZES:
        measure(root / "x".join(map(str, size)), *size)


if __name__ == "__main__":
    main()
