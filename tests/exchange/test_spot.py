"""Spot: its addresses, streams, limits and numbers, against an oracle of the same trades."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from kline_harness.replay.scenario import Scenario

from tests.exchange.behaviours import REST, STREAMS, behaves
from tests.exchange.loopback import T0, Client, every_second, serve, whole_run
from tests.replays import command

SPOT = Scenario(market="spot")
SECONDS = 130


@behaves(
    REST,
    "spot: /api/v3 and not /fapi; exchangeInfo without contracts, of one symbol if asked",
    "spot: a limit of weight of 6,000; klines cost 2, aggTrades 4, exchangeInfo 20",
    "spot: klines of one second, with eight decimals; no continuousKlines",
    "spot: trades say M, and isBestMatch",
)
def test_requests(tmp_path: Path) -> None:
    path = every_second(tmp_path, SECONDS)
    k = "/api/v3/klines?symbol=BTCUSDT&interval="

    async def use(client: Client) -> Any:
        await whole_run(client, "/ws/btcusdt@aggTrade")
        asked = ["/api/v3/exchangeInfo?symbol=BTCUSDT", f"{k}1s&limit=3", f"{k}1m"]
        asked += ["/api/v3/aggTrades?symbol=BTCUSDT&limit=1", "/fapi/v1/exchangeInfo"]
        asked += ["/api/v3/continuousKlines?pair=BTCUSDT&contractType=PERPETUAL&interval=1m"]
        asked += ["/api/v3/exchangeInfo?symbol=NONE", "/api/v3/ticker/24hr?symbol=BTCUSDT"]
        found = []
        for one in asked:
            try:
                found.append(await client.reply(one))
            except json.JSONDecodeError:
                found.append((404, None, {}))
        return found

    info, seconds, minutes, trades, futures, continuous, unknown, ticker = serve(
        [path], use, scenario=SPOT
    )
    (symbol,) = info[1]["symbols"]
    assert symbol["isSpotTradingAllowed"] is True
    assert "contractType" not in symbol
    assert info[1]["rateLimits"][0]["limit"] == 6_000
    weights = [int(one[2]["X-MBX-USED-WEIGHT-1M"]) for one in (info, seconds, minutes, trades)]
    assert weights == [20, 22, 24, 28]
    assert futures[0] == continuous[0] == 404
    assert unknown[1]["code"] == -1121
    # The newest three seconds of 130 trades, one in the middle of each, until the next minute.
    assert [row[0] for row in seconds[1]] == [T0 + at * 1000 for at in (177, 178, 179)]
    assert all(row[8] == 0 for row in seconds[1])
    first = minutes[1][0]
    sizes = [Decimal(k % 9 + 1) / 1000 for k in range(60)]
    assert first[1:5] == ["100.25000000"] * 4
    assert first[5] == f"{sum(sizes):.8f}"
    assert first[7] == f"{sum(sizes) * Decimal('100.25'):.8f}"
    assert trades[1][0]["M"] is True
    assert trades[1][0]["p"] == "100.25000000"
    assert Decimal(ticker[1]["lastPrice"]) == Decimal("100.25")


@behaves(
    STREAMS,
    "spot: aggTrade and trade with eight decimals, M, and without nq and st",
    "spot: klines of a second are over every second",
    "spot: the old addresses carry everything",
)
def test_streams(tmp_path: Path) -> None:
    path = every_second(tmp_path, SECONDS)
    streams = ["btcusdt@aggTrade", "btcusdt@kline_1s", "btcusdt@kline_1m"]
    address = f"/stream?streams={'/'.join(streams)}"

    async def use(client: Client) -> Any:
        found = await whole_run(client, address)
        client.server.record().write(tmp_path / "run")
        return found

    messages = serve([path], use, scenario=SPOT)
    trades = [one["data"] for one in messages if one["stream"] == streams[0]]
    assert [one["a"] for one in trades] == list(range(1, SECONDS + 1))
    assert {one["p"] for one in trades} == {"100.25000000"}
    assert all(one["M"] is True and "nq" not in one and "st" not in one for one in trades)
    closed = [one["data"]["k"] for one in messages if one["data"].get("k", {}).get("x")]
    seconds = [one for one in closed if one["i"] == "1s"]
    assert [one["t"] for one in seconds] == [T0 + at * 1000 for at in range(180)]
    assert [one["n"] for one in seconds] == [1] * SECONDS + [0] * (180 - SECONDS)
    assert [one["n"] for one in closed if one["i"] == "1m"] == [60, 60, 10]
    capture = tmp_path / "capture.jsonl"
    lines = [json.dumps(one["data"]) for one in messages if "k" in one["data"]]
    capture.write_text("\n".join(lines) + "\n")
    options = ("--run", tmp_path / "run", "--out", tmp_path / "out", "--no-report")
    ran = command("collect", capture, *options, "--settle", "0s", folder=tmp_path / "out")
    assert ran.exit_code == 0, ran.output
    assert ran.check("comparison")["counts"]["identical"] == 183
