"""How much memory a run takes: its own process and the expectations' worker."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cases.made import HOUR, SECOND, write_trades
from tests.oracle import OracleTrade

LIMIT_MB = 300
MAY_NS = int(datetime(2024, 5, 1, tzinfo=UTC).timestamp()) * SECOND
HOURS = 31 * 24


def sparse() -> list[OracleTrade]:
    """Three trades an hour, all of May."""
    tape = []
    for number in range(3 * HOURS):
        time_ns = MAY_NS + number // 3 * HOUR + number % 3 * 1_111_111_000_000
        price, quantity = Decimal(7_000 + number % 90), Decimal(5 + number % 40)
        numbers = (number + 1, price / 100, quantity / 10, number + 1, number + 1, time_ns)
        tape.append(OracleTrade(*numbers, number % 3 == 0, "GNUUSDT"))
    return tape


def peaks_mb(words: list[str | Path]) -> tuple[int, dict[int, int], str]:
    """Run a program; return its exit code, the peak of each of its processes, and its output.

    The kernel's own peak of a living process: what wait() tells is inherited from the parent.
    """
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peaks: dict[int, int] = {}
    while process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        pids = [process.pid]
        try:
            pids += [int(pid) for pid in children.read_text().split()]
            for pid in pids:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                peak = (line.split()[1] for line in lines if line.startswith("VmHWM"))
                peaks[pid] = max(peaks.get(pid, 0), *(int(kb) // 1024 for kb in peak))
        except (OSError, TypeError):
            pass
        time.sleep(0.02)
    output, _ = process.communicate()
    return process.returncode, peaks, output


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the kernel's peaks")
def test_a_month_of_seconds_of_one_sparse_symbol(tmp_path: Path) -> None:
    trades = write_trades(tmp_path / "GNUUSDT-trades-2024-05.csv", sparse())
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "kline_harness",
        "replay",
        trades,
        "--intervals=1s",
    ]
    code, peaks, output = peaks_mb([*words, "--out", tmp_path / "run", "--no-report"])
    assert code == 0, output
    # Whole words of the table, which is wrapped at a terminal's width.
    assert "expectations  valid    rows 2,678,400" in output
    assert len(peaks) == 2, peaks
    assert max(peaks.values()) < LIMIT_MB, peaks
