"""Contracts worth a fixed amount of USD: their quote volume is an amount of the base asset."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cases.made import candles, traded, write_aggregates, write_klines
from tests.oracle import OracleTrade
from tests.replays import UM_STREAM, command, replay

BYBIT = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
UNIT = Decimal("0.00000001")


def contracts(seed: int, symbol: str) -> list[OracleTrade]:
    """Return trades of whole contracts."""
    tape = traded(seed, symbol=symbol, minutes=6)
    return [replace(one, quantity=(one.quantity * 10).to_integral_value()) for one in tape]


def base_amounts(tape: list[OracleTrade], size: Decimal) -> dict[int, Decimal]:
    """Return the base amount of each minute: every trade rounded half up to 8 decimals."""
    sums: dict[int, Decimal] = {}
    for one in tape:
        minute = one.time_ns // 60_000_000_000
        sums[minute] = sums.get(minute, Decimal(0)) + base_of(one, size)
    return sums


def base_of(one: OracleTrade, size: Decimal) -> Decimal:
    """Return the base amount of a trade of contracts, rounded half up to 8 decimals."""
    return (one.quantity * size / one.price).quantize(UNIT, ROUND_HALF_UP)


def write_rows(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def stored(folder: Path) -> dict[int, Decimal]:
    table = pq.read_table(folder / "klines")
    opens = table["open_time"].cast("int64").to_pylist()
    quotes = table["quote_volume"].to_pylist()
    return {time // 60_000_000: quote for time, quote in zip(opens, quotes, strict=True)}


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ((), "10"),
        (("--contract-size", "100"), "100"),
        (("--contract-size", "7"), "7"),
        (("--contract-size", "0.025"), "0.025"),
    ],
)
def test_aggregates_of_coin_margined_contracts(
    tmp_path: Path, given: tuple[str, ...], size: str
) -> None:
    tape = contracts(71, "GNUUSD_PERP")
    trades = write_aggregates(tmp_path / "GNUUSD_PERP-aggTrades.csv", tape)
    ran = replay(tmp_path / "run", trades, "--intervals=1m", *given)
    # A size that nobody gave is the documents', and nothing here bears it out.
    assert ran.exit_code == (0 if given else 3), ran.output
    assert ("contract_size_assumed" in ran.output) == (not given)
    assert stored(ran.folder) == base_amounts(tape, Decimal(size))


@pytest.mark.parametrize("size", [1, 10, 100])
def test_a_size_that_is_not_the_documents(tmp_path: Path, size: int) -> None:
    tape = [
        replace(one, quote_quantity=base_of(one, Decimal(size)))
        for one in contracts(76, "GNUUSD_PERP")
    ]
    rows = ["id,price,qty,base_qty,time,is_buyer_maker"]
    for one in tape:
        maker, time = str(one.buyer_is_maker).lower(), one.time_ns // 1_000_000
        rows.append(f"{one.id},{one.price},{one.quantity},{one.quote},{time},{maker}")
    raw = write_rows(tmp_path / "GNUUSD_PERP-trades.csv", rows)
    klines = write_klines(tmp_path / "GNUUSD_PERP-1m.csv", candles(tape))
    aggregates = write_aggregates(tmp_path / "GNUUSD_PERP-aggTrades.csv", tape)
    for file in (raw, klines):
        assert command("inspect", file).exit_code == 0
    for words in ((), ("--contract-size", str(size))):
        given = ["--klines", klines, "--intervals=1m", "--force", *words]
        ran = replay(tmp_path / "run", aggregates, *given)
        assert ran.exit_code == (0 if words or size == 10 else 1), ran.output
        assert replay(tmp_path / "run", raw, *given).exit_code == 0
    # One row of another size than all the others is still found.
    for file, name in ((raw, "base_qty"), (klines, "quote_volume")):
        rows = file.read_text().splitlines()
        place, fields = rows[0].split(",").index(name), rows[5].split(",")
        fields[place] = str(Decimal(fields[place]) * 10)
        write_rows(file, [*rows[:5], ",".join(fields), *rows[6:]])
    assert "quote_not_product x 1:" in command("inspect", raw).output
    assert "quote_outside_of_prices" in command("inspect", klines).output


@pytest.mark.parametrize("size", [1, 10, 50])
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
    assert stored(ran.folder) == base_amounts(tape, Decimal(size))


@pytest.mark.parametrize("written", ["7", '"0.025"'])
def test_a_size_in_a_scenario(tmp_path: Path, written: str) -> None:
    tape = contracts(73, "GNUUSD_PERP")
    trades = write_aggregates(tmp_path / "GNUUSD_PERP-aggTrades.csv", tape)
    (tmp_path / "sizes.toml").write_text(f"contract_size = {written}\n")
    words = ("--intervals=1m", "--scenario", tmp_path / "sizes.toml", "--audit=off")
    ran = replay(tmp_path / "run", trades, *words)
    assert ran.exit_code == 0, ran.output
    assert stored(ran.folder) == base_amounts(tape, Decimal(written.strip('"')))


def test_a_size_that_is_a_float_in_a_scenario(tmp_path: Path) -> None:
    (tmp_path / "sizes.toml").write_text("contract_size = 0.1\n")
    trades = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
    ran = replay(tmp_path / "run", trades, "--scenario", tmp_path / "sizes.toml")
    assert ran.exit_code == 2
    assert "expected a whole number, or a decimal as text, found 0.1" in ran.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        *(
            (("--contract-size", text), f"unknown contract size {text}: expected a number above 0")
            for text in ("0", "-1", "ten", "nan", "inf", "0.0000000000000000001", "1e20")
        ),
        (("--contract-size", "10", "--market", "um"), "a contract size is for the market cm"),
    ],
)
def test_a_size_that_is_none(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    trades = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
    ran = replay(tmp_path / "run", trades, *words)
    assert ran.exit_code == 2
    assert told in ran.output


@pytest.mark.parametrize("size", ["10", "100", "0.1"])
@pytest.mark.parametrize("wrong", [None, 0, 33, -1])
def test_a_base_quantity_of_another_size(tmp_path: Path, size: str, wrong: int | None) -> None:
    tape = contracts(75, "GNUUSD_PERP")
    rows = ["id,price,qty,base_qty,time,is_buyer_maker"]
    odd = None if wrong is None else tape[wrong]
    for one in tape:
        base = (one.quantity * Decimal(size) / one.price).quantize(UNIT, ROUND_HALF_UP)
        base *= 2 if one is odd else 1
        words = (one.id, one.price, one.quantity, base, one.time_ns // 1_000_000)
        rows.append(",".join([*map(str, words), str(one.buyer_is_maker).lower()]))
    trades = tmp_path / "GNUUSD_PERP-trades.csv"
    trades.write_text("\n".join(rows) + "\n")
    ran = replay(tmp_path / "run", trades, "--intervals=1m", "--audit=off")
    assert ran.exit_code == (0 if wrong is None else 3), ran.output
    assert ("contract size" in " ".join(ran.output.split())) == (wrong is not None)


@pytest.mark.parametrize(
    ("size", "words", "code"),
    [
        (100, (), 0),
        (10, (), 3),
        (10, ("--contract-size", "10"), 0),
        (100, ("--contract-size", "10"), 3),
    ],
)
def test_base_quantities_of_another_size_than_is_known(
    tmp_path: Path, size: int, words: tuple[str, ...], code: int
) -> None:
    """The documents name BTCUSD contracts with 100 USD: a file that says else contradicts them."""
    tape = contracts(77, "BTCUSD_PERP")
    rows = ["id,price,qty,base_qty,time,is_buyer_maker"]
    for one in tape:
        maker, time = str(one.buyer_is_maker).lower(), one.time_ns // 1_000_000
        base = base_of(one, Decimal(size))
        rows.append(f"{one.id},{one.price},{one.quantity},{base},{time},{maker}")
    file = write_rows(tmp_path / "BTCUSD_PERP-trades.csv", rows)
    ran = replay(tmp_path / "run", file, "--intervals=1m", "--audit=off", *words)
    assert (ran.exit_code, "of another contract size" in ran.output) == (code, code == 3), (
        ran.output
    )
