"""Whole processes on the same day in one session: ours against other libraries.

Each peer is a script of its own that reads the zip and makes klines of twelve intervals; its
klines are checked field by field against ours. Peers that are not installed are said to be
absent. Run ``scripts/bench peers``; the table goes to standard output as Markdown.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "peer_scripts"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
FIELDS = ("open", "high", "low", "close", "volume", "quote_volume", "count", "taker_buy_volume")


@dataclass(frozen=True)
class Timed:
    """Seconds and MB of whole processes: medians over the rounds."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def commands(day: Path, out: Path) -> dict[str, list[str]]:
    """Return every contestant's command; each peer writes its klines to the last argument."""
    ours = [str(Path(sys.executable).parent / "kline-harness"), "replay", str(day), "--out"]
    bare = out / "bare.toml"
    bare.write_text("expectations = false\n")
    found = {
        "audit off": [*ours, f"{out}/off", "--audit", "off", "--no-report"],
        "full audit": [*ours, f"{out}/full", "--scenario", str(bare), "--no-report"],
        "full audit, expectations, report": [*ours, f"{out}/all"],
    }
    for script in sorted(SCRIPTS.glob("*.py")):
        if find_spec(script.stem.removeprefix("peer_")):
            found[script.stem.removeprefix("peer_")] = [
                sys.executable,
                str(script),
                str(day),
                f"{out}/{script.stem}.parquet",
            ]
    return found


def run(command: list[str]) -> Timed:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(wall, cpu, usage.ru_maxrss / 1024)


def bars(path: Path) -> dict[tuple[int, int], list[float]]:
    """Return the compared fields by (interval, open time), both in ms."""
    table = pq.read_table(path)
    if "interval_ms" in table.column_names:
        spans, opens = table["interval_ms"].to_pylist(), table["open_time_ms"].to_pylist()
    else:
        seconds = {"m": 60, "h": 3_600, "d": 86_400}
        names = table["interval"].to_pylist()
        spans = [int(name[:-1]) * seconds[name[-1]] * 1_000 for name in names]
        opens = (table["open_time"].cast("int64").to_numpy() // 1_000).tolist()
    places = zip(spans, opens, strict=True)
    columns = [[float(v) for v in table[name].to_pylist()] for name in FIELDS]
    return {place: [c[row] for c in columns] for row, place in enumerate(places)}


def wrong_bars(theirs: Path, ours: Path) -> str:
    """Say how many of a peer's bars differ from ours in any field, beyond a float's last digits."""
    right, given = bars(ours), bars(theirs)
    wrong = sum(
        place not in right
        or any(
            abs(a - b) > 1e-9 * max(1.0, abs(b)) for a, b in zip(values, right[place], strict=True)
        )
        for place, values in given.items()
    )
    return f"{wrong:,} of {len(given):,}"


def table_row(name: str, rounds: list[Timed], yardstick: float, wrong: str) -> str:
    wall, cpu, peak = (
        statistics.median(getattr(timed, field) for timed in rounds)
        for field in ("wall_s", "cpu_s", "peak_mb")
    )
    return f"| {name} | {wall:.2f} | {wall / yardstick:.2f} | {cpu:.2f} | {peak:.0f} | {wrong} |"


def main() -> None:
    trades = int(os.environ.get("BENCH_TRADES", "3000000"))
    # In a process of its own: a child's peak memory begins at that of the process it is made from.
    kept = os.environ.get("BENCH_DIR", ".benchmarks")
    code = "import sys; from pathlib import Path; from tests.benchmarks.day import write_day; "
    code += "print(write_day(Path(sys.argv[1]), int(sys.argv[2])))"
    made = subprocess.run(
        [sys.executable, "-c", code, kept, str(trades)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    day = Path(made.stdout.strip()).resolve()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        contestants = commands(day, out)
        times: dict[str, list[Timed]] = {name: [] for name in contestants}
        for round_ in range(ROUNDS + 1):
            # In turn, so that a machine that drifts drifts for all; the first round warms up.
            for name, command in contestants.items():
                timed = run(command)
                if round_:
                    times[name].append(timed)
        yardstick = statistics.median(t.wall_s for t in times["polars"])
        print(f"{trades:,} aggregate trades, {ROUNDS} rounds in turn, medians of whole processes\n")
        print("| | wall s | to the yardstick (polars) | cpu s | peak MB | bars that differ |")
        print("|---|---|---|---|---|---|")
        ours = next((out / "off" / "klines").glob("part-*.parquet"))
        for name, rounds in times.items():
            file = out / f"peer_{name}.parquet"
            wrong = wrong_bars(file, ours) if file.exists() else ""
            print(table_row(name, rounds, yardstick, wrong))
    known = {script.stem.removeprefix("peer_") for script in SCRIPTS.glob("*.py")}
    print(f"\nnot installed: {', '.join(sorted(known - set(times))) or 'none'}")


if __name__ == "__main__":
    main()
