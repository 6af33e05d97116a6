"""Contracts worth a fixed amount of USD: their quote volume is an amount of the base asset."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cases.made import traded, write_aggregates
from tests.oracle import OracleTrade
from tests.replays import UM_STREAM, replay

BYBIT = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
UNIT = Decimal("0.00000001")


def contracts(seed: int, symbol: str) -> list[OracleTrade]:
    """Return trades of whole contracts."""
    tape = traded(seed, symbol=symbol, minutes=6)
    return [replace(one, quantity=(one.quantity * 10).to_integral_value()) for one in tape]


def base_amounts(tape: list[OracleTrade], size: int) -> dict[int, Decimal]:
    """Return the base amount of each minute: every trade rounded half up to 8 decimals."""
    sums: dict[int, Decimal] = {}
    for one in tape:
        minute = one.time_ns // 60_000_000_000
        amount = (one.quantity * size / one.price).quantize(UNIT, ROUND_HALF_UP)
        sums[minute] = sums.get(minute, Decimal(0)) + amount
    return sums


def stored(folder: Path) -> dict[int, Decimal]:
    table = pq.read_table(folder / "klines")
    opens = table["open_time"].cast("int64").to_pylist()
    quotes = table["quote_volume"].to_pylist()
    return {time // 60_000_000: quote for time, quote in zip(opens, quotes, strict=True)}


@pytest.mark.parametrize(("given", "size"), [((), 10), (("--contract-size", "100"), 100)])
def test_aggregates_of_coin_margined_contracts(
    tmp_path: Path, given: tuple[str, ...], size: int
) -> None:
    tape = contracts(71, "GNUUSD_PERP")
    trades = write_aggregates(tmp_path / "GNUUSD_PERP-aggTrades.csv", tape)
    ran = replay(tmp_path / "run", trades, "--intervals=1m", *given)
    assert ran.exit_code == 0, ran.output
    assert stored(ran.folder) == base_amounts(tape, size)


@pytest.mark.parametrize("size", [1, 10])
def test_another_exchanges_inverse_contracts(tmp_path: Path, size: int) -> None:
    tape = contracts(72, "GNUUSD")
    rows = [f"{BYBIT}foreignNotional"]
    for one in tape:
        seconds = Decimal(one.time_ns).scaleb(-9).quantize(Decimal("0.0001"))
        side = "Sell" if one.buyer_is_maker else "Buy"
        match = f"d9cd8295-40dc-5dce-8deb-{one.id:012}"
        rows.append(
            f"{seconds},GNUUSD,{side},{one.quantity},{one.price},ZeroMinusTick,{match},1,1,1"
        )
    trades = tmp_path / "GNUUSD2024-07-18.csv"
    trades.write_text("\n".join(rows) + "\n")
    ran = replay(tmp_path / "run", trades, "--intervals=1m", "--contract-size", str(size))
    assert ran.exit_code == 0, ran.output
    assert stored(ran.folder) == base_amounts(tape, size)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--contract-size", "7"), "unknown contract size 7: expected 1, 10, 100, 1000"),
        (("--contract-size", "10", "--market", "um"), "a contract size is for the market cm"),
    ],
)
def test_a_size_that_is_none(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    trades = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
    ran = replay(tmp_path / "run", trades, *words)
    assert ran.exit_code == 2
    assert told in ran.output
