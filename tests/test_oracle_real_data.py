"""The oracle against klines that the exchange itself, or an independent tool, made."""

from __future__ import annotations

import csv
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.oracle import feed_klines, klines, next_open, open_time
from tests.real_data import (
    DATA,
    MS,
    archive_aggregates,
    archive_trades,
    kline_file,
    needs_real_data,
    nine_fields,
    recorded_trades,
)


@needs_real_data
@pytest.mark.parametrize("symbol", ["BTC", "ETH"])
@pytest.mark.parametrize("layout", ["archive", "recording", "feed"])
def test_complete_minutes_equal_the_exchange(symbol: str, layout: str) -> None:
    folder = DATA / f"um-{symbol.lower()}usdt-20240718"
    if layout == "archive":
        trades = list(archive_trades(folder / f"{symbol}USDT-trades-2024-07-18_19.csv"))
    else:
        trades = list(recorded_trades(folder / f"{symbol}USDT-trade-stream.txt.gz"))
    if layout == "feed":
        rows = feed_klines(trades, ["1m"])[("ALFAUSDT", "1m")].klines
    else:
        rows = klines(trades, "1m")
    official = kline_file(folder / f"{symbol}USDT-1m-2024-07-18_19.csv")
    # The first and last minute are partial: the recording starts and ends within them.
    complete = rows[1:-1]
    assert len(complete) == 7
    for row in complete:
        assert nine_fields(row) == official[row.open_time_ns]


@needs_real_data
@pytest.mark.parametrize(("interval", "traded"), [("1m", 2469), ("5m", 706)])
def test_aggregates_of_59_hours_equal_an_independent_tool(interval: str, traded: int) -> None:
    folder = DATA / "spot-xrpeth-20191011"
    trades = archive_aggregates(folder / "XRPETH-aggTrades-2019-10-11_13.csv")
    ours = {row.open_time_ns: row for row in klines(trades, interval) if row.count}
    with (folder / f"freqtrade-{interval}.csv").open(newline="") as lines:
        theirs = {int(row["date"]) * MS: row for row in csv.DictReader(lines)}
    assert len(ours) == traded
    assert ours.keys() == theirs.keys()
    for opened, kline in ours.items():
        for name in ("open", "high", "low", "close", "volume"):
            assert getattr(kline, name) == Decimal(theirs[opened][name])


@needs_real_data
def test_exchange_klines_open_where_the_calendar_says() -> None:
    files = sorted((DATA / "spot-klines-btcusdt-20230121").glob("*.csv"))
    assert len(files) == 11
    for path in files:
        interval = path.name.split("-")[1]
        with path.open(newline="") as lines:
            for row in csv.reader(lines):
                opened, last_ms = int(row[0]) * MS, int(row[6]) * MS
                assert open_time(interval, opened) == opened
                assert next_open(interval, opened) == last_ms + MS


@needs_real_data
@pytest.mark.parametrize(("interval", "rows"), [("1d", 3064), ("1w", 439)])
def test_exchange_days_and_weeks_open_where_the_calendar_says(interval: str, rows: int) -> None:
    path = DATA / "spot-klines-btcusdt-1d-1w" / f"BTCUSDT_{interval}.csv"
    with path.open(newline="") as lines:
        opens = [int(row["open_time"]) * MS for row in csv.DictReader(lines)]
    assert len(opens) == rows
    for opened, following in pairwise(opens):
        assert open_time(interval, opened) == opened
        assert next_open(interval, opened) == following
