"""What subscribed streams send, over a real socket, against the files and an exact oracle."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from tests.exchange.loopback import DAY, RAW, T0, every_second, serve, whole_run


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read an archive with nothing of the project's."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_every_aggregate_is_sent_once_in_order_as_it_stands_in_the_file() -> None:
    sent = serve([DAY], lambda client: whole_run(client, "/ws/alfausdt@aggTrade"))
    rows = rows_of(DAY)
    assert len(sent) == len(rows) > 10_000
    for message, row in zip(sent, rows, strict=True):
        assert message["e"] == "aggTrade"
        assert message["s"] == "ALFAUSDT"
        assert message["a"] == int(row["agg_trade_id"])
        assert Decimal(message["p"]) == Decimal(row["price"])
        assert Decimal(message["q"]) == Decimal(row["quantity"])
        assert (message["f"], message["l"]) == (
            int(row["first_trade_id"]),
            int(row["last_trade_id"]),
        )
        assert message["T"] == message["E"] == int(row["transact_time"])
        assert message["m"] is (row["is_buyer_maker"] == "true")
    # The decimals of the symbol, in every message.
    assert {(len(m["p"].split(".")[1]), len(m["q"].split(".")[1])) for m in sent} == {(2, 3)}


def test_raw_trades_and_aggregates_come_in_one_order_of_time() -> None:
    streams = ["alfausdt@aggTrade", "alfausdt@trade"]
    sent = serve([DAY, RAW], lambda client: whole_run(client, "/ws", streams))
    assert [m["a"] for m in sent if m["e"] == "aggTrade"] == [
        int(row["agg_trade_id"]) for row in rows_of(DAY)
    ]
    assert [m["t"] for m in sent if m["e"] == "trade"] == [int(row["id"]) for row in rows_of(RAW)]
    times = [m["T"] for m in sent]
    assert times == sorted(times)


def test_klines_are_those_of_the_exchange_and_form_from_the_trades() -> None:
    streams = ["alfausdt@kline_1m", "alfausdt@kline_1h", "alfausdt_perpetual@continuousKline_5m"]
    sent = serve([DAY], lambda client: whole_run(client, "/market/ws", streams))
    finals: dict[str, list[dict[str, object]]] = defaultdict(list)
    forming: dict[tuple[str, int], list[dict[str, object]]] = defaultdict(list)
    for message in sent:
        kline = message["k"]
        if kline["x"]:
            finals[kline["i"]].append(kline)
        else:
            forming[kline["i"], kline["t"]].append(kline)
    names = ("o", "h", "l", "c", "v", "q", "n", "V", "Q")
    columns = (
        *("open", "high", "low", "close", "volume", "quote_volume", "count"),
        *("taker_buy_volume", "taker_buy_quote_volume"),
    )
    for interval in ("1m", "5m", "1h"):
        theirs = {
            int(row["open_time"]): [Decimal(row[name]) for name in columns]
            for row in rows_of(DAY.with_name(f"ALFAUSDT-{interval}-2024-05-15.zip"))
        }
        ours = {int(str(k["t"])): [Decimal(str(k[n])) for n in names] for k in finals[interval]}
        assert len(ours) == len(finals[interval])
        assert ours == {time: theirs[time] for time in ours}
        assert len(ours) >= len(theirs) - 1
    # The last that was said of a kline that traded is never more than its final, and grows.
    for (interval, open_time), states in forming.items():
        counts = [int(str(state["n"])) for state in states]
        assert counts == sorted(counts)
        final = [k for k in finals[interval] if k["t"] == open_time]
        assert not final or counts[-1] <= int(str(final[0]["n"]))


@pytest.mark.parametrize("speed", [None, 600])
def test_what_is_sent_does_not_depend_on_the_pace(tmp_path: Path, speed: int | None) -> None:
    path = every_second(tmp_path, 150)
    streams = ["btcusdt@aggTrade", "btcusdt@kline_1m", "!miniTicker@arr"]
    paced = serve([path], lambda client: whole_run(client, "/ws", streams), speed=speed)
    other = serve([path], lambda client: whole_run(client, "/ws", streams), speed=7_000)
    assert paced == other
    assert [m["a"] for m in paced if isinstance(m, dict) and m["e"] == "aggTrade"] == list(
        range(1, 151)
    )
    assert sum(isinstance(message, list) for message in paced) == 150
    finals = [m["k"] for m in paced if isinstance(m, dict) and m["e"] == "kline" and m["k"]["x"]]
    assert [(k["t"], k["n"]) for k in finals] == [(T0, 60), (T0 + 60_000, 60), (T0 + 120_000, 30)]
