"""Replays of what the catalogue has: several symbols and intervals, months, other markets."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kline_harness.cli import run as command
from kline_harness.errors import UsageError
from kline_harness.history.catalogue import Catalogue
from kline_harness.history.fetch import FetchResult, fetch
from kline_harness.history.selection import items_of, parse_selection
from kline_harness.storage.dataset import KlineDataset

from tests.history.archive_server import (
    Archive,
    Stored,
    day_ms,
    gz,
    klines_text,
    next_day,
    packed,
    trades_text,
)
from tests.run_files import whole_run

DAY = "2024-07-18"


def bring(
    archive: Archive, catalogue: Catalogue, text: str, klines: str = "", period: str = "daily"
) -> FetchResult:
    selection = parse_selection(text)
    data = "trades" if selection.market.startswith("bybit") else "aggTrades"
    wanted = items_of(selection, [data], klines, [period])
    return fetch(catalogue, wanted, archive.settings())


def replayed(out: Path, *words: str) -> tuple[int, dict[str, Any]]:
    more = ("--audit", "off", "--no-report", "--out", str(out))
    code = command(["replay", *words, *more])
    return code, whole_run(out)


def put(archive: Archive, folder: str, data: str, symbol: str, when: str, text: str) -> None:
    name = f"{symbol}-{data}-{when}"
    kind = data if "Trades" in data else "klines"
    below = f"{kind}/{symbol}" if kind == data else f"klines/{symbol}/{data}"
    archive.put(f"data/{folder}/{below}/{name}.zip", packed(f"{name}.csv", text))


def hours_text(day: str) -> str:
    """The 1h klines of `trades_text`, by hand: each price of seven is there in every hour."""
    lines = [klines_text(day).split("\n", 1)[0]]
    for hour in range(24):
        first = (day_ms(day) // 60_000) + hour * 60
        prices = [100 + (first + n) % 7 for n in range(60)]
        opened = day_ms(day) + hour * 3_600_000
        quote = f"{sum(2 * price + 1 for price in prices)}.00000"
        ohlc = f"{prices[0]}.50,106.50,100.50,{prices[-1]}.50"
        lines.append(f"{opened},{ohlc},120.000,{opened + 3_599_999},{quote},60,120.000,{quote},0")
    return "\n".join(lines) + "\n"


def test_several_symbols_and_intervals_in_one_replay(
    archive: Archive, catalogue: Catalogue, tmp_path: Path
) -> None:
    words = []
    for symbol in ("BTCUSDT", "ETHUSDT"):
        put(archive, "futures/um/daily", "aggTrades", symbol, DAY, trades_text(DAY))
        put(archive, "futures/um/daily", "1m", symbol, DAY, klines_text(DAY))
        put(archive, "futures/um/daily", "1h", symbol, DAY, hours_text(DAY))
        words.append(f"um:{symbol}:{DAY}")
        assert bring(archive, catalogue, words[-1], "1m,1h").exit_code == 0
    code, run = replayed(tmp_path / "run", *words, "--intervals", "1m,1h")
    found = {(s["symbol"], s["interval"]): s["identical"] for s in run["comparison"]["series"]}
    expected = {"1m": 1_440, "1h": 24}
    assert found == {(s, i): n for s in ("BTCUSDT", "ETHUSDT") for i, n in expected.items()}
    assert code == 0


@pytest.mark.parametrize(
    ("market", "folder", "symbol"),
    [
        ("spot", "spot", "BTCUSDT"),
        ("um", "futures/um", "BTCUSDT"),
        ("cm", "futures/cm", "BTCUSD_PERP"),
    ],
)
def test_markets_have_folders_of_their_own(
    archive: Archive, catalogue: Catalogue, tmp_path: Path, market: str, folder: str, symbol: str
) -> None:
    text = trades_text(DAY)
    if market == "spot":
        # Spot files have no header, and the column that tells of the best match.
        text = "".join(f"{line},true\n" for line in text.splitlines()[1:])
    put(archive, f"{folder}/daily", "aggTrades", symbol, DAY, text)
    days = f"{market}:{symbol}:{DAY}"
    assert bring(archive, catalogue, days).exit_code == 0
    code, run = replayed(tmp_path / "run", days, "--intervals", "1m")
    assert code == 3
    (given,) = run["inputs"]
    assert (given["rows"], given["symbols"], given["market"]) == (1_440, [symbol], market)


def test_a_month_is_one_file_of_a_replay(
    archive: Archive, catalogue: Catalogue, tmp_path: Path
) -> None:
    text = trades_text("2023-02-01", 28)
    put(archive, "futures/um/monthly", "aggTrades", "BTCUSDT", "2023-02", text)
    put(
        archive,
        "futures/um/monthly",
        "1m",
        "BTCUSDT",
        "2023-02",
        klines_text("2023-02-01", 28),
    )
    days = "um:BTCUSDT:2023-02-01..2023-02-28"
    assert bring(archive, catalogue, days, "1m", "monthly").exit_code == 0
    code, run = replayed(tmp_path / "run", days, "--intervals", "1m")
    assert [one["path"] for one in run["inputs"]] == [
        "BTCUSDT-aggTrades-2023-02.zip",
        "BTCUSDT-1m-2023-02.zip",
    ]
    assert [one["identical"] for one in run["comparison"]["series"]] == [28 * 1_440]
    assert code == 0
    # A part of the month is not taken from the month's file.
    with pytest.raises(UsageError, match="2023-02-01"):
        command(["replay", "um:BTCUSDT:2023-02-01..2023-02-27"])
    # Nor is a day that stands in both counted twice.
    put(archive, "futures/um/daily", "aggTrades", "BTCUSDT", "2023-02-03", text.split("x")[0])
    bring(archive, catalogue, "um:BTCUSDT:2023-02-03")
    with pytest.raises(UsageError, match=r"2023-02-03: expected one file of each day, found"):
        command(["replay", days, "um:BTCUSDT:2023-02-03"])


def test_a_day_of_two_ranges_is_taken_once(
    archive: Archive, catalogue: Catalogue, tmp_path: Path
) -> None:
    for n in range(3):
        put(
            archive,
            "futures/um/daily",
            "aggTrades",
            "BTCUSDT",
            next_day(DAY, n),
            trades_text(next_day(DAY, n)),
        )
    bring(archive, catalogue, f"um:BTCUSDT:{DAY}..{next_day(DAY, 2)}")
    ranges = (f"{DAY}..{next_day(DAY)}", f"{next_day(DAY)}..{next_day(DAY, 2)}")
    _, run = replayed(
        tmp_path / "run", *(f"um:BTCUSDT:{days}" for days in ranges), "--intervals", "1m"
    )
    assert [one["path"][-14:-4] for one in run["inputs"]] == [next_day(DAY, n) for n in range(3)]
    assert sum(one["rows"] for one in run["inputs"]) == 3 * 1_440


def put_bybit(archive: Archive, folder: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        archive.put(f"{folder}/{name}", gz(text), checksum=False)
    page = "".join(f'<a href="{name}">{name}</a>' for name in files).encode()
    archive.files[f"{folder}/"] = Stored(page, '"p"')


def stored(out: Path) -> list[dict[str, Any]]:
    names = ("open", "high", "low", "close", "volume", "quote_volume", "count")
    rows: list[dict[str, Any]] = KlineDataset(out / "klines").read().to_pylist()
    rows.sort(key=lambda row: row["open_time"])
    return [{name: row[name] for name in names} for row in rows if row["count"]]


SPOT = "id,timestamp,price,volume,side\n"
SPOT_ROWS = (
    "1,1721260800123,67500.1,0.5,buy\n2,1721260830000,67510.2,0.25,sell\n"
    "3,1721260861000,67505.0,1,buy\n"
)


@pytest.mark.parametrize(
    ("name", "period"), [(f"BTCUSDT_{DAY}.csv.gz", "daily"), ("BTCUSDT-2024-07.csv.gz", "monthly")]
)
def test_bybit_spot(
    archive: Archive, catalogue: Catalogue, tmp_path: Path, name: str, period: str
) -> None:
    put_bybit(archive, "spot/BTCUSDT", {name: SPOT + SPOT_ROWS})
    days = DAY if period == "daily" else "2024-07-01..2024-07-31"
    result = bring(archive, catalogue, f"bybit-spot:BTCUSDT:{days}", period=period)
    assert [(one.item.name, one.state) for one in result.files] == [(name, "whole")]
    assert result.exit_code == 0
    # The ids are the exchange's own and nothing is to be compared: the checks alone decide.
    code, run = replayed(tmp_path / "run", f"bybit-spot:BTCUSDT:{days}", "--intervals", "1m")
    assert code == 0
    assert run["comparison"] is None
    assert run["inputs"][0]["source"] == "bybit"
    first, second = stored(tmp_path / "run")
    values = ("67500.1", "67510.2", "67500.1", "67510.2", "0.75", "50627.6", 2)
    assert tuple(first.values()) == (*map(Decimal, values[:6]), values[6])
    assert (second["open"], second["volume"], second["count"]) == (Decimal(67505), 1, 1)


def test_bybit_days_with_uuids_in_one_replay(
    archive: Archive, catalogue: Catalogue, tmp_path: Path
) -> None:
    head = (
        "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
        "foreignNotional\n"
    )
    row = "{}.5,BTCUSDT,Buy,0.002,{},PlusTick,{:08x}-0c2f-5c4e-9c3a-000000000001,1,0.002,1\n"
    files = {}
    for n, day in enumerate((DAY, next_day(DAY))):
        start = day_ms(day) // 1000
        rows = [row.format(start + 60 * k, 100 + k % 7, n * 2_000 + k) for k in range(1_440)]
        files[f"BTCUSDT{day}.csv.gz"] = head + "".join(rows)
    put_bybit(archive, "trading/BTCUSDT", files)
    days = f"bybit-um:BTCUSDT:{DAY}..{next_day(DAY)}"
    assert bring(archive, catalogue, days).exit_code == 0
    code, run = replayed(tmp_path / "run", days, "--intervals", "1m")
    assert [one["rows"] for one in run["inputs"]] == [1_440, 1_440]
    found = stored(tmp_path / "run")
    assert [one["open"] for one in found] == [100 + k % 7 for k in range(1_440)] * 2
    assert {(one["volume"], one["count"]) for one in found} == {(Decimal("0.002"), 1)}
    assert code == 3
