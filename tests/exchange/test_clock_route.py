"""The clock is led from outside: paused, stepped, resumed, over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from kline_harness.exchange.server import CLOCK_PATH

from tests.exchange.loopback import T0, Client, S, every_second, serve

NS0 = T0 * 1_000_000


async def lead(client: Client, body: Any) -> tuple[int, str]:
    data = body if isinstance(body, str) else json.dumps(body)
    async with client.session.post(client.url(CLOCK_PATH), data=data) as reply:
        return reply.status, await reply.text()


async def at(client: Client, now_ns: int) -> Any:
    """Wait until the clock is there, and see that it stands."""
    while (await client.get(CLOCK_PATH))["reached_ns"] < now_ns:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    return await client.get(CLOCK_PATH)


@pytest.mark.parametrize("speed", [None, 50])
def test_it_stands_steps_and_goes_on(tmp_path: Path, speed: int | None) -> None:
    async def use(client: Client) -> Any:
        heard: list[int] = []
        step = {"do": "step", "by_ns": 20 * S}
        async with client.connect("/ws/btcusdt@aggTrade") as ws:
            # Before the first trade, and again while the server waits for the next.
            assert (await lead(client, step))[0] == 200
            run = asyncio.create_task(client.server.run())
            states = [await at(client, NS0 + 20 * S)]
            for _ in range(20):
                heard.append(json.loads((await ws.receive()).data)["a"])
            await lead(client, step)
            states.append(await at(client, NS0 + 40 * S))
            await lead(client, {"do": "resume"})
            if speed is not None:
                await lead(client, {"do": "pause"})
                paused = await client.get(CLOCK_PATH)
                assert paused["paused"] is True
                await asyncio.sleep(0.2)
                # What it was before may still be under way to the client.
                assert (await client.get(CLOCK_PATH))["now_ns"] == paused["now_ns"]
                await lead(client, {"do": "resume"})
            async for message in ws:
                heard.append(json.loads(message.data)["a"])
                if heard[-1] == 300:
                    break
            await run
            states.append(await client.get(CLOCK_PATH))
        return states, heard

    states, heard = serve([every_second(tmp_path, 300)], use, speed=speed)
    # To the nanosecond, and no further.
    assert [one["now_ns"] for one in states[:2]] == [NS0 + 20 * S, NS0 + 40 * S]
    assert [one["reached_ns"] for one in states[:2]] == [NS0 + 20 * S, NS0 + 40 * S]
    assert [one["paused"] for one in states[:2]] == [True, True]
    assert [one["complete"] for one in states] == [False, False, True]
    assert heard == list(range(1, 301))


@pytest.mark.parametrize(
    "body",
    ["", "no json", "[]", "3", {}, {"do": "jump"}, {"do": "step"}]
    + [{"do": "step", "by_ns": by} for by in (0, -1, "5", 1.5, None, True)],
)
def test_what_is_no_request_is_said(tmp_path: Path, body: Any) -> None:
    async def use(client: Client) -> Any:
        return await lead(client, body), await client.get(CLOCK_PATH)

    (status, text), state = serve([every_second(tmp_path, 3)], use)
    assert status == 400
    assert text.startswith("expected")
    assert state["now_ns"] == NS0
