"""How much memory klines of seconds take that are given: files of them are never held whole."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cases.made import write_trades
from tests.cases.test_memory import LIMIT_MB, peaks_mb, sparse
from tests.oracle import OracleTrade

MAY_MS = int(datetime(2024, 5, 1, tzinfo=UTC).timestamp()) * 1000
# A month takes a minute, and each of the runs one more.
DAYS = int(os.environ.get("KLINE_DAYS", "4"))
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)


def quiet_seconds(path: Path) -> Path:
    """Write days of 1 s klines of one price, with a trade in each 1,000th."""
    with path.open("w") as file:
        file.write(HEADER + "\n")
        for second in range(DAYS * 86_400):
            at = MAY_MS + second * 1000
            amounts = ("0.50", "35.0000", 1) if second % 1000 == 0 else ("0.00", "0.0000", 0)
            numbers = f"70.00,70.00,70.00,70.00,{amounts[0]},{at + 999},{amounts[1]},{amounts[2]}"
            file.write(f"{at},{numbers},0.00,0.0000,0\n")
    return path


def traded_seconds() -> list[OracleTrade]:
    """Make the trades of those klines."""
    return [
        OracleTrade(
            number,
            Decimal("70.00"),
            Decimal("0.50"),
            number,
            number,
            (MAY_MS + second * 1000) * 1_000_000,
            number % 2 == 0,
            "GNUUSDT",
        )
        for number, second in enumerate(range(0, DAYS * 86_400, 1000), start=1)
    ]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the kernel's peaks")
def test_klines_of_seconds_that_are_given(tmp_path: Path) -> None:
    klines = quiet_seconds(tmp_path / "GNUUSDT-1s.csv")
    limit = 170 if DAYS < 10 else LIMIT_MB
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", traded_seconds())
    tops = []
    for words in (
        ("inspect", klines),
        ("inspect", klines, trades),
        ("compare", klines, "--klines", klines),
    ):
        command: list[str | Path] = [sys.executable, "-m", "kline_harness", *words]
        code, peaks, output = peaks_mb(command)
        assert code == 0, output
        assert max(peaks.values()) < limit, (words[0], peaks)
        tops.append(max(peaks.values()))
    # The few trades add next to nothing: no column of the klines is held whole for them.
    assert tops[1] < tops[0] + 20, tops


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the kernel's peaks")
def test_klines_of_seconds_that_are_watched(tmp_path: Path) -> None:
    """The page's own finals and the exchange's are on disk: 679 MB for a month in memory."""
    klines = quiet_seconds(tmp_path / "GNUUSDT-1s.csv")
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", traded_seconds())
    words: list[str | Path] = [sys.executable, "-m", "kline_harness", "watch", trades]
    words += ["--klines", klines, "--intervals=1s", "--audit=off", "--no-report", "--no-open"]
    words += ["--speed=max", "--linger=0", "--out", tmp_path / "run"]
    code, peaks, output = peaks_mb(words)
    # The file says that takers sold, which they did in every second trade.
    assert code == 1, output
    odd = (DAYS * 86_400 // 1000 + 1) // 2
    assert f"{odd:,} unexplained" in output
    assert max(peaks.values()) < LIMIT_MB, peaks


FAULT = """intervals = ["1s"]
audit = "off"
[[faults]]
kind = "drop_trades"
rate = 0.2
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the kernel's peaks")
def test_klines_of_seconds_under_a_fault(tmp_path: Path) -> None:
    """The run and its control run are compared some klines at a time: a day was 480 MB."""
    (tmp_path / "scenario.toml").write_text(FAULT, encoding="utf-8")
    day = [one for one in sparse() if one.time_ns < (MAY_MS + 86_400_000) * 1_000_000]
    trades = write_trades(tmp_path / "GNUUSDT-trades-2024-05-01.csv", day)
    words: list[str | Path] = [sys.executable, "-m", "kline_harness", "replay", trades]
    words += ["--scenario", tmp_path / "scenario.toml", "--no-report", "--out", tmp_path / "run"]
    code, peaks, output = peaks_mb(words)
    assert code == 1, output
    assert "had effect 1" in output
    assert max(peaks.values()) < 250, peaks


@pytest.mark.slow
@pytest.mark.skipif("KLINE_DAYS" not in os.environ, reason="a month of seconds takes minutes")
def test_a_month_of_seconds_beside_the_exchanges(tmp_path: Path) -> None:
    trades = write_trades(tmp_path / "GNUUSDT-trades-2024-05.csv", sparse())
    words: list[str | Path] = [sys.executable, "-m", "kline_harness"]
    own = [*words, "replay", trades, "--intervals=1s", "--audit=off", "--no-report"]
    code, _, output = peaks_mb([*own, "--out", tmp_path / "own"])
    assert code == 0, output
    code, _, output = peaks_mb(
        [*words, "export", tmp_path / "own", "klines", "--out", tmp_path / "klines"]
    )
    assert code == 0, output
    again = [*own, "--klines", tmp_path / "klines", "--out", tmp_path / "run"]
    code, peaks, output = peaks_mb(again)
    assert code == 0, output
    assert "identical 2,67" in output
    assert max(peaks.values()) < LIMIT_MB, peaks
