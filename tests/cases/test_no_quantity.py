"""Trades of the quantity 0 are in no kline of ours; the exchange may count them, or not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from tests.cases.made import candles, traded, write_klines, write_trades
from tests.replays import Ran, replay


def replayed(folder: Path, *words: str | Path) -> Ran:
    return replay(folder, *words, "--intervals", "1m", "--audit", "off")


def test_some_trades_of_no_quantity(tmp_path: Path) -> None:
    trades = [
        replace(one, quantity=Decimal(0)) if n % 2 else one for n, one in enumerate(traded(61))
    ]
    file = write_trades(tmp_path / "GNUUSDT-trades.csv", trades)
    ran = replayed(tmp_path / "run", file)
    assert ran.exit_code == 3, ran.output
    assert "36 of 72 rows of GNUUSDT-trades.csv have the quantity 0" in ran.output
    # The exchange's own counts say that it leaves them out.
    kept = candles([one for one in trades if one.quantity])
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", kept)
    ran = replayed(tmp_path / "compared", file, "--klines", klines)
    assert (ran.exit_code, ran.check("files")["findings"]["zero_quantity"]) == (0, 1), ran.output
