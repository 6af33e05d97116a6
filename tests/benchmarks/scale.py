"""Many symbols, and a long month: ``scripts/bench scale``.

* 500 symbols of one day each in one replay, all intervals, finals through three consumers
* one symbol's day, and thirty of them on end: time per trade and memory have to stay as they are

``BENCH_TRADES`` is the size of the long day (a symbol of the many has a 250th of it),
``BENCH_SYMBOLS`` and ``BENCH_DAYS`` how many; archives are made once and kept in ``BENCH_DIR``.
Whole processes with every audit but Great Expectations; each has to end valid.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import Timed, archives, run

TRADES = int(os.environ.get("BENCH_TRADES", "3000000"))
SYMBOLS = int(os.environ.get("BENCH_SYMBOLS", "500"))
DAYS = int(os.environ.get("BENCH_DAYS", "30"))
# At midnight every symbol ends and opens a kline of each interval at one instant: from 171 symbols
# on more events than production's 4,096, and the auditor would rightly say that it lagged.
SCENARIO = "expectations = false\n[channels]\nlife = 16384\n"


@dataclass(frozen=True)
class Replayed:
    """A replay of some archives: what it took, and what it says it read and published."""

    timed: Timed
    trades: int
    klines: int

    def row(self, name: str) -> str:
        """Return a line of the table."""
        timed, millions = self.timed, self.trades / 1e6
        cells = (
            *(name, f"{self.trades:,}", f"{self.klines:,}", f"{timed.wall_s:.2f}"),
            *(f"{timed.wall_s / millions:.2f}", f"{timed.cpu_s:.2f}", f"{timed.peak_mb:.0f}"),
        )
        return f"| {' | '.join(cells)} |"


def replayed(files: Sequence[Path], out: Path) -> Replayed:
    """Replay archives in one process; it fails unless the run is valid."""
    scenario = out / "bare.toml"
    scenario.write_text(SCENARIO)
    command = [str(Path(sys.executable).parent / "kline-harness"), "replay", *map(str, files)]
    folder = out / "run"
    timed = run([*command, "--no-report", "--scenario", str(scenario), "--out", str(folder)])
    content = json.loads((folder / "run.json").read_text())
    rows = sum(file["rows"] for file in content["inputs"])
    (klines,) = (one["published"] for one in content["channels"] if one["name"] == "klines")
    return Replayed(timed, rows, klines)


def main() -> None:
    """Print the table, and what grew."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        symbols = archives(TRADES // 250, "--symbols", str(SYMBOLS))
        days = archives(TRADES, "--days", str(DAYS))
        replayed(symbols[:1], out)  # warms up
        many, day, month = (replayed(files, out) for files in (symbols, days[:1], days))
    print("| | trades | klines | wall s | s a million trades | cpu s | peak MB |")
    print("|---|---|---|---|---|---|---|")
    print(many.row(f"{SYMBOLS} symbols, a day"))
    print(day.row("1 symbol, a day"))
    print(month.row(f"1 symbol, {DAYS} days"))
    slower = month.timed.wall_s / day.timed.wall_s / DAYS
    larger = month.timed.peak_mb / day.timed.peak_mb
    print(f"\n{DAYS} days took {slower:.2f} times as long per day, and {larger:.2f} of the memory")


if __name__ == "__main__":
    main()
