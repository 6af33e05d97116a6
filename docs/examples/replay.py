"""Replay a day of trades, and hold every kline to the exchange's own.

    python docs/examples/replay.py [FOLDER]

FOLDER holds a symbol's day as the exchange's archive names it; by default the bundled day.
"""

from __future__ import annotations

import sys
from pathlib import Path

import kline_harness as kh

DAY = Path(__file__).resolve().parents[2] / "fixtures" / "um-day"


def main(folder: Path) -> int:
    """Print the verdict, what was found, and a few klines; return the exit code."""
    run = kh.replay(
        folder / "BRAVOUSDT-aggTrades-2024-05-15.zip",
        klines=[folder / f"BRAVOUSDT-{interval}-2024-05-15.zip" for interval in ("1m", "5m", "1h")],
        intervals="1m,5m,1h",
    )
    print(run.sentence)
    for check in run.checks:
        print(f"  {check.check}: {check.validity.value}")
    print(run.findings)
    print(run.klines.select(interval="1h").to_pandas()[["open_time", "close", "volume"]].head(3))
    return run.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DAY))
