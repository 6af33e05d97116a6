"""Many symbols, and a long month: ``scripts/bench scale``.

* many symbols of one day each in one replay, all intervals, finals through three consumers
* a market's day: one symbol has a tenth of all trades, and most have few (`day.market_sizes`)
* one symbol's day, and thirty of them on end: time per trade and memory have to stay as they are

Beside the many symbols run the yardstick (`peer_polars`: a loop over the same zips) and DuckDB,
where they are installed. ``BENCH_TRADES`` is the size of the long day (a symbol of the many has a
250th of it), ``BENCH_SYMBOLS``, ``BENCH_DAYS`` and ``BENCH_MARKET`` (trades of the market's day, 0
for none) how many; archives are made once and kept in ``BENCH_DIR``. Whole processes with every
audit but Great Expectations; each has to end valid.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers import PEERS
from tests.benchmarks.processes import Timed, archives, run

TRADES = int(os.environ.get("BENCH_TRADES", "3000000"))
SYMBOLS = int(os.environ.get("BENCH_SYMBOLS", "500"))
DAYS = int(os.environ.get("BENCH_DAYS", "30"))
MARKET = int(os.environ.get("BENCH_MARKET", "0"))
# At midnight every symbol ends and opens a kline of each interval at one instant: from 171 symbols
# on more events than klagg's 4,096, and the auditor would rightly say that it lagged.
SCENARIO = "expectations = false\n[channels]\nlife = 65536\n"
_LOOPS = ("polars", "duckdb")


@dataclass(frozen=True)
class Replayed:
    """A replay of some archives: what it took, and what it says it read and published."""

    timed: Timed
    trades: int
    klines: int

    def row(self, name: str) -> str:
        """Return a line of the table."""
        return row(name, self.timed, self.trades, f"{self.klines:,}")


def row(name: str, timed: Timed, trades: int, klines: str) -> str:
    """Return a line of the table."""
    cells = (
        *(name, f"{trades:,}", klines, f"{timed.wall_s:.2f}"),
        *(f"{timed.wall_s / trades * 1e6:.2f}", f"{timed.cpu_s:.2f}", f"{timed.peak_mb:.0f}"),
    )
    return f"| {' | '.join(cells)} |"


def replayed(files: Sequence[Path], out: Path) -> Replayed:
    """Replay archives in one process; it fails unless the run is valid."""
    scenario = out / "bare.toml"
    scenario.write_text(SCENARIO)
    command = [str(Path(sys.executable).parent / "kline-harness"), "replay", *map(str, files)]
    folder = out / "run"
    command += ["--no-report", "--force"]
    timed = run([*command, "--scenario", str(scenario), "--out", str(folder)])
    content = json.loads((folder / "run.json").read_text())
    rows = content["inputs"]["rows"]
    (klines,) = (one["published"] for one in content["channels"] if one["name"] == "klines")
    return Replayed(timed, rows, klines)


def loops(files: Sequence[Path], out: Path) -> tuple[dict[str, Timed], list[str]]:
    """Return what the peers took for the same archives, and the names of those not installed."""
    timed, absent = dict[str, Timed](), list[str]()
    for peer in (peer for peer in PEERS if peer.name in _LOOPS):
        python = peer.python()
        if python is None:
            absent.append(peer.name)
            continue
        words = [python, str(peer.script), *map(str, files), f"{out}/{peer.name}.parquet"]
        timed[peer.name] = run(words)
    return timed, absent


def many(name: str, files: Sequence[Path], out: Path) -> None:
    """Print the lines of many symbols: ours, and the peers on the same archives."""
    ours = replayed(files, out)
    timed, absent = loops(files, out)
    print(ours.row(name))
    for peer, took in timed.items():
        print(row(f"{name}: {peer}, a loop", took, ours.trades, ""))
    for peer in absent:
        print(f"| {name}: {peer} is not installed |")


def main() -> None:
    """Print the table, and what grew."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        symbols = archives(TRADES // 250, "--symbols", str(SYMBOLS))
        days = archives(TRADES, "--days", str(DAYS))
        replayed(symbols[:1], out)  # warms up
        print("| | trades | klines | wall s | s a million trades | cpu s | peak MB |")
        print("|---|---|---|---|---|---|---|")
        many(f"{SYMBOLS} symbols, a day", symbols, out)
        if MARKET:
            market = archives(MARKET, "--market", str(SYMBOLS))
            many(f"a market's day of {SYMBOLS} symbols", market, out)
        day, month = (replayed(files, out) for files in (days[:1], days))
    print(day.row("1 symbol, a day"))
    print(month.row(f"1 symbol, {DAYS} days"))
    slower = month.timed.wall_s / day.timed.wall_s / DAYS
    larger = month.timed.peak_mb / day.timed.peak_mb
    print(f"\n{DAYS} days took {slower:.2f} times as long per day, and {larger:.2f} of the memory")


if __name__ == "__main__":
    main()
