"""Trades and klines on disk: given back as they were given, whatever their scales."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from kline_harness.columns import Instrument
from kline_harness.exchange.kline_store import KlineStore
from kline_harness.exchange.recorded import Recorded
from kline_harness.exchange.spool import SpoolReader, TradeSpool
from kline_harness.interval import CODE, parse_interval
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.replay.scenario import Scenario
from kline_harness.tape import Tape

from tests.exchange.loopback import T0, aggregates

MS = 1_000_000
Said = tuple[int, str, int, Decimal, Decimal]


def rows(symbol: str, first: int, times_ms: list[int], price: str, size: str) -> list[str]:
    return [
        f"{first + k},{price},{size},{first + k},{first + k},{T0 + time},false"
        for k, time in enumerate(times_ms)
    ]


def said(tape: Tape) -> list[Said]:
    """Every trade of a tape, in exact decimals."""
    found = []
    for k in range(len(tape)):
        one = tape.instruments[int(tape.symbol[k])]
        price = Decimal(int(tape.price[k])).scaleb(-one.price_scale)
        size = Decimal(int(tape.quantity[k])).scaleb(-one.quantity_scale)
        row = (int(tape.event_time_ns[k]) // MS - T0, one.symbol, int(tape.trade_id[k]))
        found.append((*row, price, size))
    return found


WIDE = "1234567890123.123456789"


def spool_of(folder: Path) -> tuple[Recorded, TradeSpool]:
    """Three symbols; one has two files of different scales, one numbers beyond 64 bits."""
    minutes = [0, 1, 299_999, 300_000, 700_000]
    files = [
        aggregates(folder, rows("BTCUSDT", 1, minutes, "100.5", "2")),
        aggregates(folder, rows("AAAUSDT", 5, [2, 299_998, 650_000], "7.125", "0.5"), "AAAUSDT"),
        aggregates(folder, rows("WIDEUSDT", 9, [1, 300_001], WIDE, WIDE), "WIDEUSDT"),
    ]
    finer = rows("BTCUSDT", 6, [700_001, 950_000], "100.0625", "1.25")
    (folder / "later").mkdir()
    second = aggregates(folder / "later", finer)
    files.append(second.rename(second.with_name("BTCUSDT-aggTrades-2024-05-16.csv")))
    recorded = Recorded.open(files, Scenario(), {})
    return recorded, recorded.trades


def expected() -> list[Said]:
    found = [
        (t, "BTCUSDT", 1 + k, Decimal("100.5"), Decimal(2))
        for k, t in enumerate([0, 1, 299_999, 300_000, 700_000])
    ]
    found += [
        (t, "AAAUSDT", 5 + k, Decimal("7.125"), Decimal("0.5"))
        for k, t in enumerate([2, 299_998, 650_000])
    ]
    found += [
        (t, "WIDEUSDT", 9 + k, Decimal(WIDE), Decimal(WIDE)) for k, t in enumerate([1, 300_001])
    ]
    found += [
        (t, "BTCUSDT", 6 + k, Decimal("100.0625"), Decimal("1.25"))
        for k, t in enumerate([700_001, 950_000])
    ]
    return sorted(found)


@pytest.mark.parametrize("steps_ms", [[1_000_000], [1, 2, 300_000, 300_001, 700_001, 1_000_000]])
def test_trades_of_many_files_come_in_order_of_time(tmp_path: Path, steps_ms: list[int]) -> None:
    recorded, spool = spool_of(tmp_path)
    try:
        reader, found = SpoolReader(spool), []
        for step in steps_ms:
            found += said(reader.take((T0 + step) * MS))
        assert found == expected()
    finally:
        recorded.close()


def test_trades_of_one_symbol_of_a_stretch_of_time(tmp_path: Path) -> None:
    recorded, spool = spool_of(tmp_path)
    try:
        for symbol in ("BTCUSDT", "AAAUSDT", "WIDEUSDT"):
            found = [one for b in spool.buckets() for one in said(spool.read(b, symbol))]
            assert found == [one for one in expected() if one[1] == symbol]
        assert sum(map(spool.rows_in, spool.buckets())) == len(expected()) == spool.rows
    finally:
        recorded.close()


@pytest.mark.parametrize("most", [1, 2, 5, 100])
def test_a_time_ahead_has_no_more_trades_before_it(tmp_path: Path, most: int) -> None:
    recorded, spool = spool_of(tmp_path)
    try:
        reader, count, far = SpoolReader(spool), 0, (T0 + 10**7) * MS
        while (time_ns := reader.time_ahead_ns(most, far)) is not None:
            taken = len(reader.take(time_ns + 1))
            # The time may be that of the trade after the last, and two were made at one instant.
            assert 1 <= taken <= most + 2
            count += taken
        assert count == spool.rows
    finally:
        recorded.close()


def klines(instrument: Instrument, interval: str, numbers: list[tuple[int, int]]) -> KlineBatch:
    """Klines with all numbers the same, at so many minutes."""
    opens = np.array([(T0 + minute * 60_000) * MS for minute, _ in numbers], dtype=np.int64)
    kind = object if any(value >= 2**62 for _, value in numbers) else np.int64
    values = np.array([value for _, value in numbers], dtype=kind)
    columns = dict.fromkeys(FIELDS, values) | {"count": np.ones(len(numbers), dtype=np.int64)}
    columns |= dict.fromkeys(("first_trade_id", "last_trade_id", "at_ns"), opens)
    columns |= {"open_time_ns": opens, "symbol": np.zeros(len(numbers), dtype=np.int16)}
    columns["interval"] = np.full(len(numbers), CODE[parse_interval(interval)], dtype=np.int8)
    columns["trigger"] = np.zeros(len(numbers), dtype=np.int8)
    return KlineBatch.build((instrument,), columns)


def test_klines_of_several_writes_keep_their_numbers() -> None:
    """Also where the next write, right after it in the file, is of finer scales."""
    store, minute = KlineStore(), parse_interval("1m")
    coarse, fine = Instrument("BTCUSDT", 1, 1, 2), Instrument("BTCUSDT", 2, 3, 5)
    store.add(klines(coarse, "1m", [(0, 15), (1, 25)]))
    # One that is there already is left out, whatever it says.
    store.add(klines(fine, "1m", [(1, 9), (2, 3_500), (3, 4_500)]))
    store.add(klines(fine, "1m", [(4, 10**20)]))
    store.add(klines(fine, "5m", [(0, 1)]))
    try:
        found = [json.loads(row) for row in store.rows("BTCUSDT", minute, None, None, 100)]
        assert [row[0] for row in found] == [T0 + k * 60_000 for k in range(5)]
        opens = [Decimal(row[1]) for row in found]
        assert opens == [Decimal(text) for text in ("1.5", "2.5", "35", "45", f"{10**18}")]
        volumes = [Decimal(row[5]) for row in found]
        assert volumes == [Decimal(text) for text in ("1.5", "2.5", "3.5", "4.5", f"{10**17}")]
        window = (T0 + 60_000) * MS, (T0 + 180_000) * MS
        some = [json.loads(row)[0] for row in store.rows("BTCUSDT", minute, *window, 2)]
        assert some == [T0 + 60_000, T0 + 120_000]
        assert store.rows("BTCUSDT", minute, 2**62, None, 5) == []
        assert len(store.rows("BTCUSDT", parse_interval("5m"), None, None, 5)) == 1
    finally:
        store.close()
