"""Whole processes on the same day in one session: ours against other libraries.

Each peer is a script of its own that reads the zip and makes klines of twelve intervals; its
klines are checked field by field against ours. Run ``scripts/bench peers``; the table goes to
standard output as Markdown. A peer runs in this interpreter if it is installed there, else in the
one that ``BENCH_PEERS_PYTHON`` names: a virtual environment with the extra `peers`, which keeps
what they pin away from the project's own. Where it is in neither, it is said to be absent.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from tests.benchmarks.processes import Timed, archives, run

SCRIPTS = Path(__file__).parent / "peer_scripts"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
# What takes this long is run once more and no oftener: its place does not hang on tenths.
SLOW_S = 10.0
FIELDS = ("open", "high", "low", "close", "volume", "quote_volume", "count", "taker_buy_volume")
_FIND = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


@dataclass(frozen=True)
class Peer:
    """A script beside this file, and the module that it needs."""

    name: str
    module: str

    @property
    def script(self) -> Path:
        """Return its program: a zip of trades in, a Parquet file of klines out."""
        return SCRIPTS / f"peer_{self.name}.py"

    def python(self) -> str | None:
        """Return the interpreter that has the module, if any does."""
        for python in (sys.executable, os.environ.get("BENCH_PEERS_PYTHON")):
            if python and subprocess.run([python, "-c", _FIND, self.module]).returncode == 0:
                return python
        return None

    def version(self, python: str) -> str:
        """Return the version that is measured."""
        found = subprocess.run(
            [python, "-c", _VERSION, self.module], capture_output=True, text=True, check=True
        )
        return found.stdout.strip()


YARDSTICK = "polars"
PEERS = (
    Peer(YARDSTICK, "polars"),
    Peer("duckdb", "duckdb"),
    Peer("pandas", "pandas"),
    Peer("hftbacktest", "hftbacktest"),
    Peer("nautilus_trader", "nautilus_trader"),
    Peer("nautilus_trader_engine", "nautilus_trader"),
)


def ours(day: Path, out: Path) -> dict[str, list[str]]:
    """Return the commands of our own contestants."""
    replay = [str(Path(sys.executable).parent / "kline-harness"), "replay", str(day), "--out"]
    bare = out / "bare.toml"
    bare.write_text("expectations = false\n")
    return {
        "audit off": [*replay, f"{out}/off", "--audit", "off", "--no-report"],
        "full audit": [*replay, f"{out}/full", "--scenario", str(bare), "--no-report"],
        "full audit, expectations, report": [*replay, f"{out}/all"],
    }


def bars(path: Path) -> dict[tuple[int, int], dict[str, float]]:
    """Return the compared fields that a file has by (interval, open time), both in ms."""
    table = pq.read_table(path)
    if "interval_ms" in table.column_names:
        spans, opens = table["interval_ms"].to_pylist(), table["open_time_ms"].to_pylist()
    else:
        seconds = {"m": 60, "h": 3_600, "d": 86_400}
        names = table["interval"].to_pylist()
        spans = [int(name[:-1]) * seconds[name[-1]] * 1_000 for name in names]
        opens = (table["open_time"].cast("int64").to_numpy() // 1_000).tolist()
    fields = [name for name in FIELDS if name in table.column_names]
    columns = [[float(v) for v in table[name].to_pylist()] for name in fields]
    rows = zip(*columns, strict=True)
    places = zip(spans, opens, strict=True)
    return {
        place: dict(zip(fields, row, strict=True)) for place, row in zip(places, rows, strict=True)
    }


def wrong_bars(theirs: Path, ours: Path) -> str:
    """Say how many of a peer's bars differ from ours, beyond a float's last digits.

    Fields that it does not have are named, and not counted as wrong. A bar that it does not make
    is missing, unless nothing was traded in it.
    """
    right, given = bars(ours), bars(theirs)
    wrong = sum(
        place not in right
        or any(
            abs(value - right[place][name]) > 1e-9 * max(1.0, abs(right[place][name]))
            for name, value in bar.items()
        )
        for place, bar in given.items()
    )
    missing = sum(bar["count"] > 0 and place not in given for place, bar in right.items())
    has = next(iter(given.values()), {})
    lacking = [name for name in FIELDS if name not in has]
    told = f"{wrong:,} of {len(given):,}"
    told += f", {missing:,} missing" if missing else ""
    return told + (f" (has no {', '.join(lacking)})" if lacking else "")


def table_row(name: str, rounds: list[Timed], yardstick: float, wrong: str) -> str:
    """Return one line of the table: medians."""
    wall, cpu, peak = (
        statistics.median(getattr(timed, field) for timed in rounds)
        for field in ("wall_s", "cpu_s", "peak_mb")
    )
    cells = (name, f"{wall:.2f}", f"{wall / yardstick:.2f}", f"{cpu:.2f}", f"{peak:.0f}")
    return f"| {' | '.join(cells)} | {len(rounds)} | {wrong} |"


def measure(commands: dict[str, list[str]]) -> dict[str, list[Timed]]:
    """Run everything in turn, so that a machine that drifts drifts for all; warm up first."""
    slow = {name for name, command in commands.items() if run(command).wall_s > SLOW_S}
    times: dict[str, list[Timed]] = {name: [] for name in commands}
    for round_ in range(ROUNDS):
        for name, command in commands.items():
            if round_ == 0 or name not in slow:
                times[name].append(run(command))
    return times


def main() -> None:
    """Print the table."""
    trades = int(os.environ.get("BENCH_TRADES", "3000000"))
    (day,) = archives(trades)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        commands, versions, absent = ours(day, out), [], []
        for peer in PEERS:
            python = peer.python()
            if python is None:
                absent.append(peer.name)
                continue
            commands[peer.name] = [python, str(peer.script), str(day), f"{out}/{peer.name}.parquet"]
            versions.append(f"{peer.name} {peer.version(python)}")
        times = measure(commands)
        yardstick = statistics.median(timed.wall_s for timed in times[YARDSTICK])
        print(f"{trades:,} aggregate trades, {ROUNDS} rounds in turn, medians of whole processes\n")
        print(f"| | wall s | to {YARDSTICK} | cpu s | peak MB | rounds | bars that differ |")
        print("|---|---|---|---|---|---|---|")
        klines = next((out / "off" / "klines").glob("part-*.parquet"))
        for name, rounds in times.items():
            file = out / f"{name}.parquet"
            wrong = wrong_bars(file, klines) if file.exists() else ""
            print(table_row(name, rounds, yardstick, wrong))
    print(f"\n{', '.join(versions)}; not installed: {', '.join(absent) or 'none'}")


if __name__ == "__main__":
    main()
