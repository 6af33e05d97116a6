"""Files of a source without trade ids between which something may be lost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cases.made import HEADER, MINUTE, START, candles, traded, write_klines
from tests.oracle import OracleTrade
from tests.replays import Ran, command, replay

BYBIT = (
    "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
    "foreignNotional"
)


def bybit(path: Path, trades: Sequence[OracleTrade]) -> Path:
    rows = [BYBIT]
    for one in trades:
        time, side = Decimal(one.time_ns).scaleb(-9), "Sell" if one.buyer_is_maker else "Buy"
        mark = f"{one.id:08x}-0000"
        rows.append(
            f"{time:.3f},{one.symbol},{side},{one.quantity},{one.price},ZeroPlusTick,{mark},0,0,0"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    return path


def kraken(path: Path, trades: Sequence[OracleTrade]) -> Path:
    rows = [f"{Decimal(t.time_ns).scaleb(-9):.3f},{t.price},{t.quantity}" for t in trades]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    return path


def replayed(folder: Path, *words: str | Path) -> Ran:
    return replay(folder, *words, "--intervals", "1m", "--audit", "off")


@pytest.mark.parametrize(("hours", "code"), [(24, 3), (2, 3), (0, 0)])
def test_files_that_do_not_follow_each_other(tmp_path: Path, hours: int, code: int) -> None:
    """Two hours, or a day, of flat klines between two files rest on no file."""
    later = traded(2, start_ns=START + 12 * MINUTE + hours * 60 * MINUTE)
    files = [
        bybit(tmp_path / "GNUUSDT2024-07-18.csv", traded(1)),
        bybit(tmp_path / "GNUUSDT2024-07-19.csv", later),
    ]
    ran = replayed(tmp_path / "run", *files)
    assert ran.exit_code == code, ran.output
    assert ("and GNUUSDT2024-07-19.csv begins" in ran.output) is (code == 3)
    inspected = command("inspect", *files)
    assert (inspected.exit_code, "files_apart" in inspected.output) == (code, code == 3)


def test_klines_bear_a_quiet_time_between_files_out(tmp_path: Path) -> None:
    first = traded(1)
    second = traded(2, start_ns=START + 132 * MINUTE, first_id=9_100_001)
    files = [bybit(tmp_path / "a.csv", first), bybit(tmp_path / "b.csv", second)]
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles([*first, *second]))
    ran = replayed(tmp_path / "run", *files, "--klines", klines)
    assert (ran.exit_code, ran.check("files")["findings"]["files_apart"]) == (0, 1), ran.output
    # Of one file the source says that nothing was traded in between.
    whole = bybit(tmp_path / "whole.csv", [*first, *second])
    assert replayed(tmp_path / "one", whole).exit_code == 0


def test_trades_of_the_exchange_between_two_files(tmp_path: Path) -> None:
    """Klines with trades where a file may be absent are no edge of what was recorded."""
    trades = traded(3, minutes=16)
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(trades))
    parts = [trades[:45], trades[60:]]
    files = [bybit(tmp_path / f"{n}.csv", part) for n, part in enumerate(parts)]
    ran = replayed(tmp_path / "run", *files, "--klines", klines)
    assert ran.exit_code == 3, ran.output
    assert "trades lack between two files" in ran.output
    # At the ends of all files they are.
    inner = bybit(tmp_path / "inner.csv", trades[3:-3])
    ran = replayed(tmp_path / "edges", inner, "--klines", klines)
    assert (ran.exit_code, "2 consistent" in ran.output) == (0, True), ran.output


def test_an_edge_of_trades_without_sides(tmp_path: Path) -> None:
    """The takers' parts, which only the exchange states, are not held against made ones."""
    trades = traded(4)
    whole = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(trades))
    less = write_klines(tmp_path / "less" / "GNUUSDT-1m.csv", candles(trades), columns=HEADER[:6])
    file = kraken(tmp_path / "GNUUSDT.csv", trades[3:])
    for klines in (whole, less):
        ran = replayed(tmp_path / "run", file, "--klines", klines, "--force")
        assert (ran.exit_code, "1 consistent" in ran.output) == (0, True), ran.output
