"""What a quote volume can be: within volume x [low, high], to the last digit that is stated."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cases.made import HEADER, candles, traded, write_klines
from tests.oracle import OracleKline
from tests.replays import Ran, command


def inspected(folder: Path, rows: list[OracleKline], name: str = "GNUUSDT") -> Ran:
    return command("inspect", write_klines(folder / f"{name}-1m.csv", rows))


def test_real_sums_are_within(tmp_path: Path) -> None:
    for seed in range(41, 49):
        ran = inspected(tmp_path, candles(traded(seed, minutes=40, per_minute=1 + seed % 5)))
        assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize("field", ["quote_volume", "taker_buy_quote_volume"])
@pytest.mark.parametrize("by", ["0.001", "-0.001"])
def test_one_unit_beyond_the_prices(tmp_path: Path, field: str, by: str) -> None:
    rows = candles(traded(51))
    one = rows[4]
    volume = one.volume if field == "quote_volume" else one.taker_buy_volume
    price = one.high if Decimal(by) > 0 else one.low
    at_edge: dict[str, Any] = {field: volume * price}
    edge = replace(one, **at_edge)
    at_edge[field] += Decimal(by)
    beyond = replace(one, **at_edge)
    # The takers' part and the rest go with the whole: at its edge they have theirs.
    if field == "quote_volume":
        parts: dict[str, Any] = {"taker_buy_quote_volume": one.taker_buy_volume * price}
        edge, beyond = replace(edge, **parts), replace(beyond, **parts)
        assert inspected(tmp_path, [*rows[:4], edge, *rows[5:]]).exit_code == 0
    ran = inspected(tmp_path, [*rows[:4], beyond, *rows[5:]])
    assert ran.exit_code == 1
    assert "quote_outside_of_prices x 1" in ran.output


def test_what_takers_did_not_buy_is_held_too(tmp_path: Path) -> None:
    rows = candles(traded(52))
    one = rows[2]
    moved = one.taker_buy_volume * (one.high - one.low) + 1
    wrong = replace(one, quote_volume=one.volume * one.low, taker_buy_quote_volume=moved)
    wrong = replace(wrong, taker_buy_quote_volume=one.taker_buy_volume * one.high)
    assert one.high > one.low
    ran = inspected(tmp_path, [*rows[:2], wrong, *rows[3:]])
    assert ran.exit_code == 1
    assert "quote_outside_of_prices x 1" in ran.output


def rounded(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits))


@pytest.mark.parametrize("digits", [0, 1, 2])
def test_rounded_quotes_are_no_error(tmp_path: Path, digits: int) -> None:
    rows = [
        replace(
            one,
            quote_volume=rounded(one.quote_volume, digits),
            taker_buy_quote_volume=rounded(one.taker_buy_quote_volume, digits),
        )
        for one in candles(traded(53, minutes=40))
    ]
    assert inspected(tmp_path, rows).exit_code == 0


def test_a_quote_that_rounds_to_nothing_is_no_error(tmp_path: Path) -> None:
    rows = candles(traded(54))
    zero = Decimal(0)
    price = Decimal("0.001")
    dust = replace(
        rows[3],
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal("0.3"),
        taker_buy_volume=zero,
        quote_volume=zero,
        taker_buy_quote_volume=zero,
    )
    others = [
        replace(
            one,
            quote_volume=rounded(one.quote_volume, 2),
            taker_buy_quote_volume=rounded(one.taker_buy_quote_volume, 2),
        )
        for one in rows
    ]
    ran = inspected(tmp_path, [*others[:3], dust, *others[4:]])
    assert "count_volume_mismatch" not in ran.output
    large = replace(dust, volume=Decimal("300.0"))
    ran = inspected(tmp_path, [*others[:3], large, *others[4:]])
    assert ran.exit_code == 1
    assert "count_volume_mismatch" in ran.output


def inverse(one: OracleKline, contract: int) -> OracleKline:
    """The same prices, of contracts settled in the base asset; the quote is the base amount."""
    volume = rounded(one.volume * 10, 0)
    taker = rounded(volume / 3, 0)
    middle = (one.high + one.low) / 2
    return replace(
        one,
        volume=volume,
        taker_buy_volume=taker,
        quote_volume=rounded(volume * contract / middle, 8),
        taker_buy_quote_volume=rounded(taker * contract / middle, 8),
    )


@pytest.mark.parametrize(("symbol", "contract"), [("BTCUSD_PERP", 100), ("GNUUSD_241227", 10)])
def test_contracts_settled_in_the_base_asset(tmp_path: Path, symbol: str, contract: int) -> None:
    rows = [inverse(one, contract) for one in candles(traded(55))]
    ran = inspected(tmp_path, rows, symbol)
    assert ran.exit_code == 0, ran.output
    linear = replace(rows[1], quote_volume=rows[1].volume * rows[1].low)
    linear = replace(linear, taker_buy_quote_volume=rows[1].taker_buy_volume * rows[1].low)
    ran = inspected(tmp_path, [rows[0], linear, *rows[2:]], symbol)
    assert ran.exit_code == 1
    assert "quote_outside_of_prices x 1" in ran.output


def test_without_volumes_nothing_is_said(tmp_path: Path) -> None:
    columns = [name for name in HEADER if name != "volume"]
    path = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(traded(56)), columns=columns)
    assert "quote_outside_of_prices" not in command("inspect", path).output
