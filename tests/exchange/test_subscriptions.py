"""What clients say on a websocket, and what is answered: ids, lists, limits, closes, pings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kline_harness.exchange.stream_names import Routes

from tests.exchange.behaviours import CLIENTS, PROTOCOL, ROUTES, SEEN, STREAMS, behaves
from tests.exchange.loopback import T0, Client, S, ask, every_second, serve, whole_run

NS0 = T0 * 1_000_000
AGG = "btcusdt@aggTrade"


def talk(folder: Path, use: Callable[[Any, Client], Awaitable[Any]], path: str = "/ws") -> Any:
    """Open one websocket while time stands, and return what `use` returns."""

    async def run(client: Client) -> Any:
        async with client.connect(path) as ws:
            return await use(ws, client)

    return serve([every_second(folder, 5)], run, stall_seconds=1.0)


@behaves(
    STREAMS,
    "SUBSCRIBE and UNSUBSCRIBE are answered with result null and the id",
    "LIST_SUBSCRIPTIONS answers the names of the streams that are on",
)
@behaves(
    CLIENTS,
    "an id comes back as it was given: a whole number, a string, zero, null where it is absent",
    "an id that is used again is answered again",
)
def test_ids_come_back_as_they_were_given(tmp_path: Path) -> None:
    async def use(ws: Any, client: Client) -> list[Any]:
        found = [await ask(ws, "SUBSCRIBE", [AGG], id=one) for one in (1, "a-b", 0, 1, None)]
        found.append(await ask(ws, "SUBSCRIBE", ["btcusdt@kline_1m"]))
        found.append(await ask(ws, "LIST_SUBSCRIPTIONS", id=7))
        found.append(await ask(ws, "UNSUBSCRIBE", [AGG], id=8))
        found.append(await ask(ws, "LIST_SUBSCRIPTIONS", id=9))
        return found

    *plain, listed, gone, rest = talk(tmp_path, use)
    assert plain == [{"result": None, "id": one} for one in (1, "a-b", 0, 1, None, None)]
    assert listed == {"result": [AGG, "btcusdt@kline_1m"], "id": 7}
    assert (gone, rest) == (
        {"result": None, "id": 8},
        {"result": ["btcusdt@kline_1m"], "id": 9},
    )


@behaves(
    SEEN,
    "a name that is no stream is acknowledged and says nothing",
    "a symbol in upper case in a stream's name is acknowledged and says nothing",
    "UNSUBSCRIBE of what is not on is acknowledged",
    "200 names in one request are acknowledged",
)
def test_every_name_is_acknowledged(tmp_path: Path) -> None:
    nonsense = ["nonsense", "BTCUSDT@aggTrade", "btcusdt@kline_7m", "nothing@trade", ""]

    async def use(client: Client) -> Any:
        async with client.connect("/ws") as ws:
            answers = [
                await ask(ws, "SUBSCRIBE", nonsense, id=1),
                await ask(ws, "UNSUBSCRIBE", ["never@aggTrade"], id=2),
                await ask(ws, "SUBSCRIBE", [f"s{k}@trade" for k in range(200)], id=3),
            ]
            await client.server.run()
            await client.server.sockets.close_all()
            return answers, [message.data async for message in ws]

    answers, messages = serve([every_second(tmp_path, 5)], use)
    assert answers == [{"result": None, "id": k} for k in (1, 2, 3)]
    assert messages == []


@behaves(
    SEEN,
    "text that is no JSON is answered with error 3, an unknown method with error 2",
)
def test_requests_that_are_none(tmp_path: Path) -> None:
    async def use(ws: Any, client: Client) -> list[Any]:
        found = []
        for text in ("{", "[]", '{"method":"BUY","id":4}', '{"method":"SUBSCRIBE","id":5}'):
            await ws.send_str(text)
            found.append(json.loads((await ws.receive()).data))
        return found

    found = talk(tmp_path, use)
    assert [(one["error"]["code"], one["id"]) for one in found] == [
        *((3, None), (2, None), (2, 4), (2, 5)),
    ]


@behaves(
    SEEN,
    "a connection has 1,024 streams at most: the next is refused with error 4 and closed with 1008",
    "about 15 requests back to back are answered, then the connection is closed with 1008",
)
def test_limits_of_a_connection(tmp_path: Path) -> None:
    async def many(ws: Any, client: Client) -> Any:
        names = [f"s{k}@trade" for k in range(1_024)]
        first = await ask(ws, "SUBSCRIBE", names, id=1)
        again = await ask(ws, "SUBSCRIBE", names[:3], id=2)
        refused = await ask(ws, "SUBSCRIBE", ["one@more"], id=3)
        closed = await ws.receive()
        return first, again, refused, closed.type, ws.close_code

    first, again, refused, kind, code = talk(tmp_path, many)
    assert (first, again) == ({"result": None, "id": 1}, {"result": None, "id": 2})
    assert refused == {"error": {"code": 4, "msg": "Too many subscriptions"}}
    assert (kind, code) == (aiohttp.WSMsgType.CLOSE, 1008)

    async def fast(ws: Any, client: Client) -> Any:
        for k in range(40):
            await ws.send_str(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": k}))
        answered = [message.data async for message in ws]
        return len(answered), ws.close_code

    assert talk(tmp_path, fast) == (15, 1008)


@behaves(
    PROTOCOL,
    "a client's ping is answered by a pong with the same payload",
)
def test_pings_of_a_client(tmp_path: Path) -> None:
    async def use(client: Client) -> Any:
        async with client.connect("/ws", autoping=False) as ws:
            await ws.ping(b"abc")
            message = await ws.receive()
            return message.type, bytes(message.data)

    assert serve([every_second(tmp_path, 3)], use) == (aiohttp.WSMsgType.PONG, b"abc")


@behaves(
    STREAMS,
    "a ping comes every three minutes of the clock, with the time in milliseconds",
    "a connection without a pong for ten minutes is closed",
)
def test_pings_of_the_server(tmp_path: Path) -> None:
    async def use(client: Client) -> Any:
        async with client.connect(f"/ws/{AGG}", autoping=False) as ws:
            run = asyncio.create_task(client.server.run())
            pings = []
            async for message in ws:
                if message.type is aiohttp.WSMsgType.PING:
                    pings.append(int(message.data))
            run.cancel()
            return pings, client.server.sockets.all[0].record()

    # Ten minutes in half a second; without a pong for five on the wall it is over.
    pings, record = serve([every_second(tmp_path, 9_000)], use, speed=1_200)
    # A busy machine may be late with one, never early.
    assert len(pings) >= 3
    steps = [b - a for a, b in pairwise(pings)]
    assert all(step >= 180_000 for step in steps)
    assert (record.closed_by, record.close_code) == ("server", 1008)


@behaves(
    STREAMS,
    "a connection is closed when it is 24 hours old",
)
def test_a_connection_lives_for_a_day(tmp_path: Path) -> None:
    rows = every_second(tmp_path, 2).read_text().splitlines()
    late = [f"3,1,1,3,3,{T0 + 86_399_000},true", f"4,1,1,4,4,{T0 + 86_400_001},true"]
    path = tmp_path / "BTCUSDT-aggTrades-2024-05-16.csv"
    path.write_text("\n".join([*rows, *late, ""]))

    async def use(client: Client) -> Any:
        messages = await whole_run(client, f"/ws/{AGG}")
        return [one["a"] for one in messages], client.server.sockets.all[0].record()

    ids, record = serve([path], use)
    assert ids == [1, 2, 3]
    assert (record.closed_ns, record.closed_by) == (NS0 + 86_400 * S, "server")


@behaves(
    STREAMS,
    "the streams of an address are on from the handshake: /ws/NAME/NAME and /stream?streams=",
    "on /stream a message is wrapped with its stream's name, on /ws it is not",
    "a request on /stream is answered without the wrapping",
)
@behaves(
    CLIENTS,
    "/stream with empty streams, and /ws/0, are addresses without a stream",
    "a stream in the address that is subscribed to again is sent once",
)
def test_addresses(tmp_path: Path) -> None:
    path = every_second(tmp_path, 3)
    for address, more, wrapped in (
        (f"/ws/{AGG}", [], False),
        (f"/ws/{AGG}/btcusdt@trade", [], False),
        (f"/stream?streams={AGG}", [AGG], True),
        ("/stream?streams=", [AGG], True),
        ("/stream", [AGG], True),
        ("/ws/0", [AGG], False),
        (f"/market/ws/{AGG}", [], False),
        (f"/market/stream?streams={AGG}", [], True),
        ("/market/ws/1", [AGG], False),
    ):

        async def use(client: Client, address: str = address, more: list[str] = more) -> list[Any]:
            return await whole_run(client, address, more)

        sent = serve([path], use)
        if wrapped:
            assert [one["stream"] for one in sent] == [AGG] * 3
            sent = [one["data"] for one in sent]
        assert [one["a"] for one in sent] == [1, 2, 3], address


@behaves(
    ROUTES,
    "the new routes carry each their own kinds: /market aggTrade, klines and miniTicker",
    "/public carries trade",
    "with the old routes retired the handshake and SUBSCRIBE succeed, and aggTrade, klines and "
    "miniTicker send nothing",
    "trade still flows on the old routes",
)
@pytest.mark.parametrize(
    ("routes", "address", "heard"),
    [
        ("both", "/ws", {"aggTrade", "trade", "kline", "24hrMiniTicker"}),
        ("both", "/market/ws", {"aggTrade", "kline", "24hrMiniTicker"}),
        ("both", "/public/ws", {"trade"}),
        ("both", "/private/ws", set()),
        ("retired", "/ws", {"trade"}),
        ("retired", "/market/ws", {"aggTrade", "kline", "24hrMiniTicker"}),
        ("legacy", "/ws", {"aggTrade", "trade", "kline", "24hrMiniTicker"}),
        ("routed", "/market/ws", {"aggTrade", "kline", "24hrMiniTicker"}),
    ],
)
def test_routes(tmp_path: Path, routes: str, address: str, heard: set[str]) -> None:
    (tmp_path / "raw").mkdir()
    raw = tmp_path / "raw" / "BTCUSDT-trades-2024-05-15.csv"
    header = "id,price,qty,quote_qty,time,is_buyer_maker"
    raw.write_text(
        "\n".join([header, *(f"{k},1.00,2.0,2.0,{T0 + k * 400},true" for k in range(9)), ""])
    )
    streams = [AGG, "btcusdt@trade", "btcusdt@kline_1m", "!miniTicker@arr"]

    async def use(client: Client) -> list[Any]:
        return await whole_run(client, address, streams)

    sent = serve([raw], use, routes=Routes(routes))
    kinds = {(one[0] if isinstance(one, list) else one)["e"] for one in sent}
    assert kinds == heard


@behaves(
    ROUTES,
    "an address that does not exist any more, or not yet, is answered 404",
)
@pytest.mark.parametrize(("routes", "address"), [("legacy", "/market/ws"), ("routed", "/ws")])
def test_routes_that_are_not_there(tmp_path: Path, routes: str, address: str) -> None:
    async def use(client: Client) -> int:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.connect(address)
        return refused.value.status

    assert serve([every_second(tmp_path, 3)], use, routes=Routes(routes)) == 404


@behaves(
    STREAMS,
    "from UNSUBSCRIBE on a stream is silent, and the others go on",
)
def test_what_was_sent_to_whom_is_counted(tmp_path: Path) -> None:
    other = every_second(tmp_path, 20, "ETHUSDT", first=100)

    async def use(client: Client) -> Any:
        clock, server = client.server.clock, client.server
        async with client.connect("/ws") as ws:
            await ask(ws, "SUBSCRIBE", [AGG, "ethusdt@aggTrade"], id=1)
            clock.step(10 * S)
            run = asyncio.create_task(server.run())
            while server.market.reached_ns < NS0 + 10 * S:
                await asyncio.sleep(0.01)
            await ws.send_str(json.dumps({"method": "UNSUBSCRIBE", "params": [AGG], "id": 2}))
            seen = []
            while (message := json.loads((await ws.receive()).data)) != {"result": None, "id": 2}:
                seen.append(message["a"])
            clock.resume()
            await run
            await server.sockets.close_all()
            seen += [json.loads(message.data)["a"] async for message in ws]
            return seen, server.record()

    seen, record = serve([every_second(tmp_path, 20), other], use)
    assert sorted(one for one in seen if one < 100) == list(range(1, 11))
    assert sorted(one for one in seen if one >= 100) == list(range(100, 120))
    counts = {one.stream: (one.messages, one.ended_ns) for one in record.subscriptions}
    assert counts == {AGG: (10, NS0 + 10 * S), "ethusdt@aggTrade": (20, None)}
    assert record.frames == {AGG: 10, "ethusdt@aggTrade": 20}
    assert record.complete
    (connection,) = record.connections
    assert (connection.client, connection.closed_by) == ("loopback", "end")
