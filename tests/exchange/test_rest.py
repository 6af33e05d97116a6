"""REST as the exchange answers it: bodies, weights, limits, errors, windows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from kline_harness.interval import parse_interval

from tests.exchange.behaviours import FILES, REST, SEEN, behaves
from tests.exchange.loopback import (
    DAY,
    RAW,
    T0,
    Client,
    S,
    aggregates,
    every_second,
    serve,
    whole_run,
)
from tests.exchange.test_streams import rows_of

NS0 = T0 * 1_000_000
K = "/fapi/v1/klines?symbol=BTCUSDT&interval=1m"


def replies(path: Path, *asked: str, **options: Any) -> list[tuple[int, Any, Any]]:
    """Ask one thing after the other while time stands."""

    async def use(client: Client) -> list[tuple[int, Any, Any]]:
        return [await client.reply(one) for one in asked]

    found: list[tuple[int, Any, Any]] = serve([path], use, **options)
    return found


@behaves(
    REST,
    "ping answers an empty object",
    "time answers serverTime in milliseconds of the clock",
    "exchangeInfo lists every symbol as TRADING and PERPETUAL, with its decimals",
    "exchangeInfo publishes the limit of request weight",
)
def test_the_first_requests_of_a_client(tmp_path: Path) -> None:
    path = every_second(tmp_path, 3)
    ping, time, info = replies(path, "/fapi/v1/ping", "/fapi/v1/time", "/fapi/v1/exchangeInfo")
    assert ping[:2] == (200, {})
    assert time[:2] == (200, {"serverTime": T0})
    (symbol,) = info[1]["symbols"]
    assert (symbol["symbol"], symbol["status"], symbol["contractType"]) == (
        *("BTCUSDT", "TRADING", "PERPETUAL"),
    )
    assert (symbol["pricePrecision"], symbol["quantityPrecision"]) == (2, 3)
    assert symbol["filters"][0]["tickSize"] == "0.01"
    (limit,) = info[1]["rateLimits"]
    assert (limit["rateLimitType"], limit["limit"]) == ("REQUEST_WEIGHT", 2400)


@behaves(
    SEEN,
    "a futures host that is asked for ping of spot answers it, as some clients do first",
    "an address that does not exist is answered 404",
)
def test_addresses_of_the_other_market(tmp_path: Path) -> None:
    path = every_second(tmp_path, 3)
    found = replies(path, "/api/v3/ping", "/api/v3/time")
    assert [one[:2] for one in found] == [(200, {}), (200, {"serverTime": T0})]

    async def status(client: Client) -> int:
        async with client.session.get(client.url("/fapi/v1/nothing")) as reply:
            return reply.status

    assert serve([path], status) == 404


@behaves(
    SEEN,
    "klines cost 1 up to 100 rows, 2 up to 500, 5 up to 1,000 and 10 above",
    "klines without a limit cost 5",
    "aggTrades cost 20; ticker/24hr 1 for one symbol and 40 for all",
    "the weight used this minute stands in the header X-MBX-USED-WEIGHT-1M",
    "a refused request costs its weight too",
)
def test_weights(tmp_path: Path) -> None:
    path = every_second(tmp_path, 3)
    asked = [
        *((f"{K}&limit=100", 1), (f"{K}&limit=101", 2), (f"{K}&limit=500", 2)),
        *((f"{K}&limit=501", 5), (f"{K}&limit=1000", 5), (f"{K}&limit=1001", 10), (K, 5)),
        ("/fapi/v1/aggTrades?symbol=BTCUSDT", 20),
        ("/fapi/v1/ticker/24hr?symbol=BTCUSDT", 1),
        ("/fapi/v1/ticker/24hr", 40),
        *(("/fapi/v1/time", 1), (f"{K}&limit=1501", 10)),
        ("/fapi/v1/klines?symbol=NOTHING&interval=1m&limit=1", 1),
    ]
    used = [int(one[2]["X-MBX-USED-WEIGHT-1M"]) for one in replies(path, *(a for a, _ in asked))]
    assert [b - a for a, b in zip([0, *used], used, strict=False)] == [cost for _, cost in asked]


@behaves(
    SEEN,
    "an unknown symbol is refused with -1121",
    "an unknown interval is refused with -1120, and 1s on futures is one",
    "a limit over 1,500 is refused with -1130",
    "aggTrades from more than 48 hours ago are refused with -4166",
    "a symbol in lower case is accepted",
)
def test_refusals_in_the_words_of_the_exchange(tmp_path: Path) -> None:
    asked = {
        "/fapi/v1/klines?symbol=NOTHING&interval=1m": -1121,
        "/fapi/v1/klines?symbol=BTCUSDT&interval=7m": -1120,
        "/fapi/v1/klines?symbol=BTCUSDT&interval=1s": -1120,
        f"{K}&limit=1501": -1130,
        f"{K}&limit=0": -1130,
        f"{K}&startTime=x": -1130,
        f"/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={T0 - 49 * 3_600_000}": -4166,
        "/fapi/v1/klines?interval=1m": -1102,
        "/fapi/v1/klines?symbol=BTCUSDT": -1102,
        "/fapi/v1/continuousKlines?pair=BTCUSDT&interval=1m": -1102,
    }
    found = replies(every_second(tmp_path, 3), *asked, K.replace("BTCUSDT", "btcusdt"))
    *refused, accepted = found
    assert [(status, body["code"]) for status, body, _ in refused] == [
        (400, code) for code in asked.values()
    ]
    assert refused[0][1]["msg"] == "Invalid symbol."
    assert refused[1][1]["msg"] == "Invalid interval."
    assert accepted[0] == 200


@behaves(
    REST,
    "a parameter that is missing is refused with -1102",
    "a client over the limit of weight is refused with 429 and code -1003",
    "429 and 418 carry Retry-After",
    "a client that goes on after 429 is banned with 418",
)
def test_a_burst_is_refused_and_then_banned(tmp_path: Path) -> None:
    asked = ["/fapi/v1/time"] * 120
    found = replies(every_second(tmp_path, 3), *asked, weight_limit=10)
    assert [one[0] for one in found] == [200] * 10 + [429] * 100 + [418] * 10
    assert {one[1]["code"] for one in found[10:]} == {-1003}
    assert "10 requests per minute" in found[10][1]["msg"]
    assert "banned until" in found[-1][1]["msg"]
    assert all(1 <= int(one[2]["Retry-After"]) <= 60 for one in found[10:])


@behaves(
    REST,
    "the weight used begins anew with each minute of the clock",
)
def test_the_limit_is_of_a_minute_of_the_clock(tmp_path: Path) -> None:
    async def use(client: Client) -> list[int]:
        clock = client.server.clock
        found = [(await client.reply("/fapi/v1/time"))[0] for _ in range(3)]
        clock.step(61 * S)
        await clock.until(NS0 + 61 * S)
        found.append((await client.reply("/fapi/v1/time"))[0])
        return found

    found = serve([every_second(tmp_path, 90)], use, weight_limit=2, speed=3_000)
    assert found == [200, 200, 429, 200]


@behaves(
    REST,
    "klines are arrays of twelve, numbers with decimals as text, times as numbers",
    "startTime and endTime bound the open times, both inclusive",
    "without startTime the newest klines are answered, with it the oldest from there",
    "the last kline is the one that is forming",
    "a window without klines is answered with an empty array",
    "continuousKlines of PERPETUAL are the klines of the pair",
)
def test_windows_of_klines(tmp_path: Path) -> None:
    async def use(client: Client) -> dict[str, Any]:
        base = K + "&limit="
        continuous = K.replace("klines?symbol", "continuousKlines?contractType=PERPETUAL&pair")
        asked = {
            "all": K,
            "newest": base + "2",
            "oldest": base + f"2&startTime={T0}",
            "bounded": f"{K}&startTime={T0 + 60_000}&endTime={T0 + 120_000}",
            "inside": f"{K}&startTime={T0 + 1}&endTime={T0 + 59_999}",
            "before": f"{K}&endTime={T0 - 1}",
            "continuous": continuous,
            "5m": K.replace("1m", "5m"),
        }
        return {name: await client.get(path) for name, path in asked.items()}

    # 200 seconds have passed: three minutes are over, one is forming.
    found = serve([every_second(tmp_path, 300)], use, start_ns=NS0 + 200 * S)
    opens = {name: [row[0] - T0 for row in rows] for name, rows in found.items()}
    assert opens["all"] == [0, 60_000, 120_000, 180_000]
    assert opens["newest"] == [120_000, 180_000]
    assert opens["oldest"] == [0, 60_000]
    assert opens["bounded"] == [60_000, 120_000]
    assert opens["inside"] == opens["before"] == []
    assert found["continuous"] == found["all"]
    # Quantities 0.001 to 0.009, over and over.
    volume = sum(k % 9 + 1 for k in range(60))
    bought = sum(k % 9 + 1 for k in range(0, 60, 2))
    assert found["all"][0] == [
        *(T0, "100.25", "100.25", "100.25", "100.25", f"0.{volume:03d}", T0 + 59_999),
        *(f"{volume * 10025 / 100000:.5f}", 60, f"0.{bought:03d}"),
        *(f"{bought * 10025 / 100000:.5f}", "0"),
    ]
    assert [row[8] for row in found["all"]] == [60, 60, 60, 20]
    (five,) = found["5m"]
    assert (five[0], five[8]) == (T0, 200)


@behaves(
    FILES,
    "klines of REST are those of the exchange, in every field and every interval",
)
def test_klines_of_a_day_are_those_of_the_exchange() -> None:
    intervals = ("1m", "5m", "1h", "4h")

    async def use(client: Client) -> dict[str, Any]:
        await whole_run(client, "/ws/alfausdt@aggTrade")
        market = client.server.market
        return {
            text: market.klines("ALFAUSDT", parse_interval(text), None, None, 1_500)
            for text in intervals
        }

    found = serve([DAY], use)
    for interval in intervals:
        theirs = rows_of(DAY.with_name(f"ALFAUSDT-{interval}-2024-05-15.zip"))
        ours = [json.loads(row) for row in found[interval]]
        assert len(ours) == len(theirs)
        for mine, row in zip(ours, theirs, strict=True):
            assert mine[0] == int(row["open_time"])
            assert mine[6] == int(row["close_time"])
            names = ("open", "high", "low", "close", "volume")
            assert [float(x) for x in mine[1:6]] == [float(row[n]) for n in names]
            assert mine[8] == int(row["count"])
            assert float(mine[7]) == float(row["quote_volume"])


@behaves(
    REST,
    "aggTrades are found by fromId, by a window of time, or as the newest",
    "a window of aggTrades spans an hour at most",
    "trades that have not been made yet are not answered",
    "trades are the newest raw ones",
)
def test_trades_by_id_and_time(tmp_path: Path) -> None:
    base = "/fapi/v1/aggTrades?symbol=BTCUSDT"

    async def use(client: Client) -> list[Any]:
        asked = (
            *("&limit=2", "&fromId=50&limit=3", f"&startTime={T0 + 10_000}&limit=1"),
            f"&startTime={T0 + 10_000}&endTime={T0 + 12_000}",
            f"&startTime={T0}&endTime={T0 + 3_600_001}",
        )
        return [await client.get(base + one) for one in asked]

    found = serve([every_second(tmp_path, 300)], use, start_ns=NS0 + 100 * S)
    assert [[row["a"] for row in rows] for rows in found[:4]] == [
        *([99, 100], [50, 51, 52], [11], [11, 12]),
    ]
    assert found[4]["code"] == -1127
    assert found[1][0] == {
        "a": 50,
        "p": "100.25",
        "q": "0.005",
        "f": 50,
        "l": 50,
        "T": T0 + 49_500,
        "m": True,
    }

    async def raw(client: Client) -> Any:
        await whole_run(client, "/ws/alfausdt@trade")
        return client.server.market.trades(
            "trade", "ALFAUSDT", limit=3, last=True
        ).trade_id.tolist()

    assert serve([DAY, RAW], raw) == [int(row["id"]) for row in rows_of(RAW)[-3:]]


@behaves(
    REST,
    "ticker/24hr states the last 24 hours of a symbol, or of all",
)
def test_the_ticker_of_a_day(tmp_path: Path) -> None:
    rows = [
        f"1,100.00,1.000,1,2,{T0},true",
        f"2,101.50,2.000,3,3,{T0 + 1},false",
        f"3,99.00,1.000,4,4,{T0 + 2},false",
    ]

    async def use(client: Client) -> Any:
        one = await client.get("/fapi/v1/ticker/24hr?symbol=BTCUSDT")
        return one, await client.get("/fapi/v1/ticker/24hr")

    path = aggregates(tmp_path, [*rows, f"4,100.00,1.000,5,5,{T0 + 90_000},true"])
    one, every = serve([path], use, start_ns=NS0 + S)
    assert every == [one]
    expected = {
        "symbol": "BTCUSDT",
        "openPrice": "100.0",
        "lastPrice": "99.0",
        "highPrice": "101.5",
        "lowPrice": "99.0",
        "priceChange": "-1.0",
        "priceChangePercent": "-1.00",
        "volume": "4",
        "quoteVolume": "402.0",
        "count": 4,
        "firstId": 1,
        "lastId": 4,
    }
    assert {name: one[name] for name in expected} == expected


@behaves(
    SEEN,
    "a request line of 1,024 streams is taken, on REST and on websockets",
)
def test_long_request_lines(tmp_path: Path) -> None:
    path = every_second(tmp_path, 3)
    (found,) = replies(path, "/fapi/v1/ping?" + "x" * 60_000)
    assert found[0] == 200

    async def use(client: Client) -> int:
        names = "/".join(f"symbol{k:04d}usdt@aggTrade" for k in range(1_024))
        async with client.connect("/stream?streams=" + names):
            await asyncio.sleep(0)
            return len(client.server.sockets.all[0].streams)

    assert serve([path], use) == 1_024
