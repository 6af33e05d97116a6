"""What a file is, told from a first row with numbers in every exact spelling, and from its name."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from kline_harness.archives import open_trades, read_klines
from kline_harness.errors import InputError

from tests.archives import source_files
from tests.archives.files import exact, read
from tests.archives.source_files import Trade, trades

SPELLINGS = ["3.44e+0", "344E-2", ".344e1", "3.44", "4.", ".4", "3e0", "000.5", "1e-8", "2E+03"]
START_MS = 1_770_112_800_000
D = Decimal


@pytest.mark.parametrize("number", SPELLINGS)
def test_trades_of_every_source(
    number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spelled(digits: int, rows: int = 5) -> list[Trade]:
        first, *others = trades(digits, rows)
        return [replace(first, price=number, quantity=number), *others]

    monkeypatch.setattr(source_files, "trades", spelled)
    made = source_files.sources()
    assert len({source.source for source in made}) == 6
    for source in made:
        path = tmp_path / source.name
        path.write_bytes(source.content)
        assert read(path, symbol=None) == source.rows(), source.name


@pytest.mark.parametrize("number", SPELLINGS)
@pytest.mark.parametrize(
    ("row", "source"),
    [
        ("7,{},{},5,6,1770112800000,true", "binance"),
        ("7,{},{},5,6,1770112800000,1,true", "binance"),
        ("7,{},{},11.8336,1770112800000,false", "binance"),
        ("1770112800.5,9,{},{},1", "gate"),
        ("1770112800,{},{}", "kraken"),
    ],
)
def test_trades_without_a_header(number: str, row: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / "FOXUSDT-trades.csv"
    path.write_text(row.format(number, number) + "\n")
    file = open_trades(path)
    (tape,) = file.chunks()
    (instrument,) = tape.instruments
    assert file.info.source == source
    assert exact(tape.price[0], instrument.price_scale) == D(number)
    assert exact(tape.quantity[0], instrument.quantity_scale) == D(number)


@pytest.mark.parametrize("number", SPELLINGS)
@pytest.mark.parametrize(
    "rest", ["", ",4", ",1770112859999,{0},4,{0},{0},0", ",1770112859999,0,4,0,0,{0}"]
)
def test_klines_without_a_header(number: str, rest: str, tmp_path: Path) -> None:
    path = tmp_path / "FOXUSDT-1m.csv"
    path.write_text(
        f"1770112800000,{number},{number},{number},{number},{number}" + rest.format(number)
    )
    found = read_klines(path)
    assert exact(found.batch.low[0], found.batch.instruments[0].price_scale) == D(number)
    assert exact(found.batch.volume[0], found.batch.instruments[0].quantity_scale) == D(number)


@pytest.mark.parametrize("number", ["+3.44", "3.44e", "e5", "0x1e5", "3e99", "3,4", "nan", "1e5.0"])
def test_what_is_no_exact_number_is_refused_in_a_first_row_too(number: str, tmp_path: Path) -> None:
    path = tmp_path / "FOXUSD.csv"
    path.write_text(f"1770112800,3.5,{number}\n1770112801,3.5,1\n")
    with pytest.raises(InputError):
        list(open_trades(path).chunks())


@pytest.mark.parametrize(
    ("names", "row"),
    [
        ("instrument_name,trade_id,side,size,price,created_time", "FOX-USDT,7,buy,2,10.5,{}"),
        ("instrument_name,trade_id,side,price,size,created_time", "FOX-USDT,7,buy,10.5,2,{}"),
        ("trade_id,side,size,price,created_time", "7,buy,2,10.5,{}"),
    ],
)
def test_both_orders_of_okx_and_klines_beside_them(names: str, row: str, tmp_path: Path) -> None:
    path = tmp_path / "FOX-USDT-trades-2026-02-03.csv"
    path.write_text(f"{names}\n{row.format(START_MS)}\n")
    file = open_trades(path)
    (tape,) = file.chunks()
    (instrument,) = tape.instruments
    assert (file.info.source, instrument.symbol) == ("okx", "FOX-USDT")
    assert exact(tape.price[0], instrument.price_scale) == D("10.5")
    assert exact(tape.quantity[0], instrument.quantity_scale) == 2
    klines = tmp_path / "FOX-USDT-1m.csv"
    klines.write_text(f"open_time,open,high,low,close,volume\n{START_MS},10.5,10.5,10.5,10.5,2\n")
    assert read_klines(klines).symbol == instrument.symbol


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTC-USDT-1m.csv", "BTC-USDT"),
        ("BTC-USDT-SWAP-1H-2026-02.csv", "BTC-USDT-SWAP"),
        ("BTC-USD-260327_5m.csv", "BTC-USD-260327"),
        ("BTC-USDT-1Dutc.csv", "BTC-USDT"),
        ("BTCUSDT-1m-2026-02-03.csv", "BTCUSDT"),
        ("btc-usdt-1m.csv", None),
        ("2026-02-03-1m.csv", None),
        ("klines.csv", None),
    ],
)
def test_the_symbol_in_names_of_klines(name: str, symbol: str | None, tmp_path: Path) -> None:
    path = tmp_path / name
    rows = [f"{START_MS + n * 60_000},1,1,1,1,2" for n in range(2)]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows, ""]))
    if symbol is None:
        with pytest.raises(InputError, match="symbol"):
            read_klines(path)
    else:
        assert read_klines(path).symbol == symbol
