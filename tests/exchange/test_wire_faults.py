"""Faults of the wire: each strikes as it says, is counted, and shows in what a client receives."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kline_harness.errors import UsageError
from kline_harness.exchange.served import ServedFault
from kline_harness.faults.disk import DiskFull
from kline_harness.faults.fault import Fault
from kline_harness.faults.trades import DropTrades
from kline_harness.faults.wire import (
    WireClose,
    WireDelay,
    WireDisconnect,
    WireDuplicate,
    WireFault,
    WireGap,
    WireHalfOpen,
    WireReorder,
    WireRepeatedAnswer,
    WireRequestRefused,
    WireRoutesRetired,
    WireServerShutdown,
    WireServerTime,
    WireStreamsMax,
    WireSymbolName,
)
from kline_harness.replay import replay
from kline_harness.replay.scenario import Scenario

from tests.exchange.behaviours import ROUTES, SEEN, STREAMS, behaves
from tests.exchange.loopback import DAY, T0, Client, S, ask, every_second, serve, whole_run

NS0 = T0 * 1_000_000
AGG = "btcusdt@aggTrade"


def struck(folder: Path, *faults: Fault, seconds: int = 40) -> tuple[list[Any], Any]:
    """Serve a trade a second with faults; return the messages, and the record of the run."""

    async def use(client: Client) -> Any:
        return await whole_run(client, f"/ws/{AGG}"), client.server.record()

    found: tuple[list[Any], Any] = serve(
        [every_second(folder, seconds)], use, scenario=Scenario(faults=faults)
    )
    return found


def ids(messages: list[Any]) -> list[int]:
    return [one["a"] for one in messages]


WINDOW: dict[str, Any] = {"from_ns": NS0 + 10 * S, "until_ns": NS0 + 20 * S}
# Trade k is made half a second after second k - 1: 11 to 20 lie in the window.
WHOLE = list(range(1, 41))


def test_a_gap_is_withheld_and_counted(tmp_path: Path) -> None:
    messages, record = struck(tmp_path, WireGap(**WINDOW))
    assert ids(messages) == [*range(1, 11), *range(21, 41)]
    touched = {AGG: [[11, 20]]}
    assert record.faults == (ServedFault("wire_gap", 0, 10, NS0 + 10_500_000_000, False, touched),)
    assert record.frames == {AGG: 30}


def test_a_gap_of_another_symbol_has_no_effect(tmp_path: Path) -> None:
    messages, record = struck(tmp_path, WireGap(symbol="ETHUSDT", **WINDOW))
    assert ids(messages) == WHOLE
    assert record.faults[0].effects == 0


def test_duplicates_come_twice_in_a_row(tmp_path: Path) -> None:
    messages, record = struck(tmp_path, WireDuplicate(**WINDOW))
    assert ids(messages) == sorted([*WHOLE, *range(11, 21)])
    assert record.faults[0].effects == 10
    assert record.frames == {AGG: 50}


def test_a_drawn_fault_strikes_the_same_trades_whatever_the_pace(tmp_path: Path) -> None:
    async def use(client: Client) -> Any:
        return ids(await whole_run(client, f"/ws/{AGG}"))

    path = every_second(tmp_path, 300)
    scenario = Scenario(faults=(WireGap(rate=0.3), WireReorder(rate=0.2)), seed=5)
    found = [serve([path], use, scenario=scenario, speed=speed) for speed in (None, 900, 2_000)]
    assert found[0] == found[1] == found[2]
    assert 150 < len(found[0]) < 260
    assert found[0] != sorted(found[0])
    other = Scenario(faults=scenario.faults, seed=6)
    assert serve([path], use, scenario=other) != found[0]


def test_reordered_messages_change_places_with_the_next(tmp_path: Path) -> None:
    messages, record = struck(tmp_path, WireReorder(from_ns=NS0 + 10 * S, until_ns=NS0 + 11 * S))
    assert ids(messages) == [*range(1, 11), 12, 11, *range(13, 41)]
    assert record.faults[0].effects == 1


def test_delayed_messages_are_overtaken(tmp_path: Path) -> None:
    fault = WireDelay(from_ns=NS0 + 10 * S, until_ns=NS0 + 12 * S, by_ns=5 * S)
    messages, record = struck(tmp_path, fault)
    assert ids(messages) == [*range(1, 11), 13, 14, 15, 16, 11, 17, 12, *range(18, 41)]
    assert record.faults[0].effects == 2


@behaves(STREAMS, "a server that shuts down says serverShutdown before it closes")
def test_a_shutdown_is_announced_and_then_closes(tmp_path: Path) -> None:
    fault = WireServerShutdown(at_ns=NS0 + 10 * S, lead_ns=5 * S)
    messages, record = struck(tmp_path, fault)
    assert messages[10] == {"event": {"e": "serverShutdown", "E": T0 + 10_000}}
    assert ids(messages[:10] + messages[11:]) == list(range(1, 16))
    (connection,) = record.connections
    assert (connection.closed_by, connection.close_code) == ("fault", 1001)
    assert connection.closed_ns == NS0 + 15 * S
    assert record.faults[0].detected is False


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (WireClose(at_ns=NS0 + 10 * S), 1008),
        (WireClose(at_ns=NS0 + 10 * S, code=1012), 1012),
        (WireDisconnect(at_ns=NS0 + 10 * S), None),
    ],
)
def test_a_socket_that_is_ended(tmp_path: Path, fault: WireFault, code: int | None) -> None:
    messages, record = struck(tmp_path, fault)
    assert ids(messages) == list(range(1, 11))
    (connection,) = record.connections
    assert (connection.closed_by, connection.close_code) == ("fault", code)
    assert (connection.closed_ns, record.faults[0].effects) == (NS0 + 10 * S, 1)


async def _run_and_close(client: Client) -> None:
    await client.server.run()
    await client.server.sockets.close_all()


def test_who_reconnects_has_noticed_and_what_was_missed_is_not_sent_again(tmp_path: Path) -> None:
    fault = WireDisconnect(at_ns=NS0 + 10 * S, down_ns=10 * S)

    async def use(client: Client) -> Any:
        server, seen, refusals = client.server, [], 0
        run = asyncio.create_task(_run_and_close(client))
        while not run.done():
            try:
                async with client.connect(f"/ws/{AGG}") as ws:
                    async for message in ws:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            seen.append(json.loads(message.data)["a"])
            except aiohttp.WSServerHandshakeError as refused:
                # 404: the server is about to stop.
                refusals += refused.status == 503
                await asyncio.sleep(0.02)
        await run
        return seen, refusals, server.record()

    scenario = Scenario(faults=(fault,))
    seen, refusals, record = serve(
        [every_second(tmp_path, 60)], use, scenario=scenario, speed=20, hold=0
    )
    assert refusals > 0
    assert seen[:10] == list(range(1, 11))
    assert seen[10] > 20
    assert seen[10:] == list(range(seen[10], 61))
    assert (record.faults[0].effects, record.faults[0].detected) == (1, True)


def test_a_half_open_socket_says_nothing_and_stays_open(tmp_path: Path) -> None:
    messages, record = struck(tmp_path, WireHalfOpen(at_ns=NS0 + 10 * S))
    assert ids(messages) == list(range(1, 11))
    assert record.connections[0].closed_by == "end"
    assert (record.faults[0].effects, record.faults[0].detected) == (1, False)


@pytest.mark.parametrize("status", [418, 429, 451, 500, 503])
@behaves(SEEN, "a request may be refused with 418, 429, 451 or a 5xx, with code and words")
def test_refused_requests(tmp_path: Path, status: int) -> None:
    fault = WireRequestRefused(status=status, count=2, endpoint="klines")

    async def use(client: Client) -> Any:
        path = "/fapi/v1/klines?symbol=BTCUSDT&interval=1m"
        replies = [await client.reply(path) for _ in range(4)]
        return [one[0] for one in replies], replies[0][1], client.server.record()

    statuses, body, record = serve(
        [every_second(tmp_path, 3)], use, scenario=Scenario(faults=(fault,))
    )
    assert statuses == [status, status, 200, 200]
    assert body["msg"]
    assert (record.faults[0].effects, record.faults[0].detected) == (2, True)
    counts = {(one.endpoint, one.status): one.count for one in record.requests}
    assert counts == {("/fapi/v1/klines", status): 2, ("/fapi/v1/klines", 200): 2}


@pytest.mark.parametrize("backwards", [False, True])
def test_the_servers_time_steps(tmp_path: Path, backwards: bool) -> None:
    fault = WireServerTime(at_ns=NS0, by_ns=90 * S, backwards=backwards)

    async def use(client: Client) -> Any:
        return (await client.get("/fapi/v1/time"))["serverTime"], client.server.record()

    time, record = serve([every_second(tmp_path, 3)], use, scenario=Scenario(faults=(fault,)))
    assert time == T0 + (-90_000 if backwards else 90_000)
    assert record.faults[0].effects == 1


def test_answers_are_repeated(tmp_path: Path) -> None:
    async def use(client: Client) -> Any:
        async with client.connect("/ws") as ws:
            found = [await ask(ws, "SUBSCRIBE", [AGG], id=3)]
            found += [json.loads((await ws.receive()).data) for _ in range(2)]
            return found

    scenario = Scenario(faults=(WireRepeatedAnswer(times=3),))
    assert (
        serve([every_second(tmp_path, 3)], use, scenario=scenario)
        == [{"result": None, "id": 3}] * 3
    )


@behaves(ROUTES, "routes may be retired while a service is connected: it stays acknowledged")
def test_routes_are_retired_while_a_service_is_connected(tmp_path: Path) -> None:
    fault = WireRoutesRetired(at_ns=NS0 + 10 * S)

    async def use(client: Client) -> Any:
        server = client.server
        async with client.connect(f"/ws/{AGG}") as old, client.connect(f"/market/ws/{AGG}") as new:
            await server.run()
            again = await ask(old, "SUBSCRIBE", ["btcusdt@kline_1m"], id=1)
            await server.sockets.close_all()
            found = [[json.loads(m.data)["a"] async for m in ws] for ws in (new,)]
            return again, found[0], server.record()

    again, new, record = serve(
        [every_second(tmp_path, 40)], use, scenario=Scenario(faults=(fault,)), hold=2
    )
    # The answer came behind the ten trades that the old route carried.
    assert again["a"] == 1
    assert new == WHOLE
    streams = {(one.connection, one.stream): one.messages for one in record.subscriptions}
    assert streams[1, AGG] == 10
    assert streams[2, AGG] == 40
    assert record.faults[0].effects == 1


@behaves(
    SEEN,
    "a symbol's name may be Chinese: in exchangeInfo, in requests, in streams and messages",
)
def test_a_symbol_with_chinese_characters(tmp_path: Path) -> None:
    name = "币安人生USDT"

    async def use(client: Client) -> Any:
        info = await client.get("/fapi/v1/exchangeInfo")
        messages = await whole_run(client, f"/ws/{name.lower()}@aggTrade")
        rows = await client.get(f"/fapi/v1/klines?symbol={name}&interval=1m")
        return info["symbols"][0]["symbol"], messages, rows

    listed, messages, rows = serve(
        [every_second(tmp_path, 3)],
        use,
        scenario=Scenario(faults=(WireSymbolName(symbol="BTCUSDT", name=name),)),
    )
    assert listed == name
    assert {one["s"] for one in messages} == {name}
    assert ids(messages) == [1, 2, 3]
    assert rows[0][8] == 3


def test_a_lower_limit_of_streams(tmp_path: Path) -> None:
    async def use(client: Client) -> Any:
        async with client.connect("/ws") as ws:
            first = await ask(ws, "SUBSCRIBE", [AGG, "a@trade"], id=1)
            refused = await ask(ws, "SUBSCRIBE", ["b@trade"], id=2)
            await ws.receive()
            return first, refused["error"]["code"], ws.close_code, client.server.record()

    first, error, code, record = serve(
        [every_second(tmp_path, 3)], use, scenario=Scenario(faults=(WireStreamsMax(streams=2),))
    )
    assert (first["result"], error, code) == (None, 4, 1008)
    assert record.faults[0].effects == 1


def test_a_replay_refuses_faults_of_the_wire_and_the_server_all_others(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wire_gap is a fault of the wire"):
        replay(Scenario(faults=(WireGap(),)), [DAY], [], tmp_path / "run", command="")
    for fault in (DropTrades(rate=0.5), DiskFull()):
        with pytest.raises(UsageError, match=f"{fault.KIND} is no fault of the wire"):
            struck(tmp_path, fault)
