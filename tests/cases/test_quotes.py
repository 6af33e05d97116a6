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


def inverse(one: OracleKline, contract: int | Decimal) -> OracleKline:
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


def of_contracts(size: str, seed: int = 57) -> list[OracleKline]:
    return [inverse(one, Decimal(size)) for one in candles(traded(seed))]


def altered(rows: list[OracleKline], place: int, by: str) -> list[OracleKline]:
    one = rows[place]
    wrong = replace(one, quote_volume=one.quote_volume * Decimal(by))
    return [*rows[:place], wrong, *rows[place + 1 :]]


@pytest.mark.parametrize("size", ["1", "50", "0.3"])
def test_contracts_of_another_exchange_and_their_size(tmp_path: Path, size: str) -> None:
    rows = of_contracts(size)
    path = write_klines(tmp_path / "GNUUSD-1m.csv", rows)
    given = command("inspect", path, "--contract-size", size)
    assert given.exit_code == 0, given.output
    other = command("inspect", path, "--contract-size", "77")
    assert other.exit_code == 1
    assert "quote_outside_of_prices x 12" in other.output
    wrong = write_klines(tmp_path / "wrong" / "GNUUSD-1m.csv", altered(rows, 3, "1.2"))
    ran = command("inspect", wrong, "--contract-size", size)
    assert ran.exit_code == 1
    assert "quote_outside_of_prices x 1" in ran.output


def test_contracts_of_a_size_that_nobody_gave_are_not_checked(tmp_path: Path) -> None:
    told = "quote volumes of GNUUSD: contracts of a size that was not given"
    path = write_klines(tmp_path / "GNUUSD-1m.csv", of_contracts("7"))
    ran = command("inspect", path, "--json")
    assert ran.exit_code == 0, ran.output
    assert told in ran.output
    given = command("inspect", path, "--json", "--contract-size=7")
    assert told not in given.output
    # A spot market of the same name has the rule, and a row that breaks it.
    spot = write_klines(tmp_path / "spot" / "GNUUSD-1m.csv", altered(candles(traded(58)), 2, "2"))
    ran = command("inspect", spot, "--json")
    assert ran.exit_code == 1
    assert told not in ran.output
    assert "quote_outside_of_prices" in ran.output


def test_compare_holds_both_sides_to_their_prices(tmp_path: Path) -> None:
    rows = of_contracts("7")
    ours = write_klines(tmp_path / "GNUUSD-1m.csv", rows)
    theirs = write_klines(tmp_path / "theirs" / "GNUUSD-1m.csv", rows)
    ran = command("compare", ours, "--klines", theirs, "--contract-size", "7")
    assert ran.exit_code == 0, ran.output
    unknown = command("compare", ours, "--klines", theirs)
    assert unknown.exit_code == 0
    assert "not checked: quote volumes of GNUUSD" in unknown.output
    # Both sides the same, and both impossible.
    wrong = altered(rows, 5, "0.8")
    ours = write_klines(tmp_path / "GNUUSD-1m.csv", wrong)
    theirs = write_klines(tmp_path / "theirs" / "GNUUSD-1m.csv", wrong)
    ran = command("compare", ours, "--klines", theirs, "--contract-size", "7")
    assert ran.exit_code == 1, ran.output
    assert "1 kline's quote volume in GNUUSD-1m.csv not within volume x [low, high]" in ran.output


@pytest.mark.parametrize("digits", [0, 2])
def test_a_row_rounded_more_than_the_others_is_no_error(tmp_path: Path, digits: int) -> None:
    rows = candles(traded(59, per_minute=1))
    # One trade a minute: its quote is exact, so that any rounding leaves the one price.
    place = next(p for p, one in enumerate(rows) if one.quote_volume % Decimal("0.01"))
    fewer = replace(
        rows[place],
        quote_volume=rounded(rows[place].quote_volume, digits),
        taker_buy_quote_volume=rounded(rows[place].taker_buy_quote_volume, digits),
    )
    ran = inspected(tmp_path, [*rows[:place], fewer, *rows[place + 1 :]])
    assert ran.exit_code == 0, ran.output
    # Further off than what it states.
    off = replace(fewer, quote_volume=fewer.quote_volume + 2 * Decimal(1).scaleb(-digits))
    ran = inspected(tmp_path, [*rows[:place], off, *rows[place + 1 :]])
    assert ran.exit_code == 1
    assert "quote_outside_of_prices x 1" in ran.output


def test_rows_of_floats_beside_rounded_ones(tmp_path: Path) -> None:
    rows = candles(traded(60, per_minute=1))
    some = []
    for place, one in enumerate(rows):
        # Even rows went through a binary float; odd ones were rounded to 2 decimals.
        quote = Decimal(repr(float(one.volume) * float(one.close) * 1.1 / 1.1))
        taker = quote if one.taker_buy_volume else Decimal(0)
        if place % 2:
            quote, taker = rounded(one.quote_volume, 2), rounded(one.taker_buy_quote_volume, 2)
        some.append(replace(one, quote_volume=quote, taker_buy_quote_volume=taker))
    assert any(len(one.quote_volume.as_tuple().digits) >= 16 for one in some)
    ran = inspected(tmp_path, some)
    assert ran.exit_code == 0, ran.output
