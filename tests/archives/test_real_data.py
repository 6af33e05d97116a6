"""The real recordings and files, against the plainest reading of them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from kline_harness.archives import open_trades, read_klines
from kline_harness.kline import FIELDS
from kline_harness.tape import TradeKind

from tests.archives.files import Row, read, rows_of
from tests.archives.test_klines import HEADER, values
from tests.oracle import OracleTrade
from tests.real_data import (
    DATA,
    archive_aggregates,
    archive_trades,
    needs_real_data,
    text_lines,
)

pytestmark = needs_real_data

MS = 1_000_000
KLINE_FILES = sorted(DATA.glob("*klines*/*.csv*")) + sorted(DATA.glob("um-*usdt-*/*-1m-*.csv"))
RECORDINGS = sorted(DATA.glob("*/*-trade-stream.txt.gz"))


def row(trade: OracleTrade, symbol: str) -> Row:
    """The oracle's trade as a reader's row."""
    return Row(
        trade.id,
        trade.price,
        trade.quantity,
        trade.quote,
        trade.first_id,
        trade.last_id,
        trade.time_ns,
        trade.buyer_is_maker,
        TradeKind[trade.kind],
        symbol,
    )


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize("block_bytes", [10_000, 4 << 20])
def test_usd_m_trades(symbol: str, block_bytes: int) -> None:
    path = DATA / f"um-{symbol.lower()}-20240718" / f"{symbol}-trades-2024-07-18_19.csv"
    expected = [row(trade, symbol) for trade in archive_trades(path)]
    assert len(expected) == {"BTCUSDT": 10_701, "ETHUSDT": 13_655}[symbol]
    assert read(path, block_bytes=block_bytes) == expected
    info = open_trades(path).peek()
    assert (info.market, info.unit, info.header, info.coverage) == ("um", "ms", True, None)


@pytest.mark.parametrize("block_bytes", [10_000, 4 << 20])
def test_spot_aggregates(block_bytes: int) -> None:
    path = DATA / "spot-xrpeth-20191011" / "XRPETH-aggTrades-2019-10-11_13.csv"
    expected = [row(trade, "XRPETH") for trade in archive_aggregates(path)]
    assert len(expected) == 12_477
    assert read(path, block_bytes=block_bytes) == expected
    info = open_trades(path).peek()
    assert (info.market, info.unit, info.header) == ("spot", "ms", False)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.parent.name)
def test_recordings(path: Path) -> None:
    receive_ns = 1_000 if path.parent.name.startswith("spot") else 1
    coin_margined = path.parent.name.startswith("cm")
    expected, arrivals = [], []
    for line in text_lines(path):
        arrival, message = line.split(" ", 1)
        data = json.loads(message)["data"]
        price, quantity = Decimal(data["p"]), Decimal(data["q"])
        quote = price * quantity
        if coin_margined:
            quote = (100 * quantity / price).quantize(Decimal("1e-8"), "ROUND_HALF_UP")
        kind = TradeKind[data.get("X", "MARKET")]
        ids = (data["t"], data["t"])
        time_ns, maker = data["T"] * MS, data["m"]
        expected.append(
            Row(data["t"], price, quantity, quote, *ids, time_ns, maker, kind, data["s"])
        )
        arrivals.append(int(arrival) * receive_ns)
    tapes = list(open_trades(path).chunks())
    assert rows_of(tapes) == expected
    assert [time for tape in tapes for time in tape.arrival_ns.tolist()] == arrivals
    assert len(expected) > 3_000


def test_there_is_every_market_among_the_recordings() -> None:
    assert {open_trades(path).peek().market for path in RECORDINGS} == {"spot", "um", "cm"}


@pytest.mark.parametrize("path", KLINE_FILES, ids=lambda path: path.name)
def test_klines(path: Path) -> None:
    lines = [line.split(",") for line in text_lines(path)]
    names = HEADER.split(",")
    if not lines[0][0].isdigit():
        names = [{"trades": "count"}.get(name, name) for name in lines.pop(0)]
    klines = read_klines(path)
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    known = [name for name in FIELDS if name in names]
    assert list(klines.fields) == known
    expected = [{name: Decimal(row[name]) for name in known} for row in rows]
    assert [{name: v[name] for name in known} for v in values(klines)] == expected
    unit_ns = 1_000 if len(rows[0]["open_time"]) == 16 else MS
    assert klines.batch.open_time_ns.tolist() == [int(r["open_time"]) * unit_ns for r in rows]
    assert klines.close_time_ns.tolist() == [(int(r["close_time"]) + 1) * unit_ns for r in rows]
    assert klines.symbol == path.name[: len(klines.symbol)]
    assert f"{klines.symbol}-{klines.interval}" in path.name.replace("_", "-")


def test_klines_of_another_source() -> None:
    for minutes, count in ((1, 2_469), (5, 706)):
        path = DATA / "spot-xrpeth-20191011" / f"freqtrade-{minutes}m.csv"
        klines = read_klines(path, symbol="XRPETH")
        assert (len(klines.batch), klines.interval.text) == (count, f"{minutes}m")
        volumes = [Decimal(line.split(",")[5]) for line in text_lines(path)[1:]]
        assert [value["volume"] for value in values(klines)] == volumes
