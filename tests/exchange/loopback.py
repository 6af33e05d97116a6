"""A server in the test's own process, on a real socket, and what a client of it receives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from kline_harness.exchange.market import MarketState
from kline_harness.exchange.recorded import Recorded
from kline_harness.exchange.server import ExchangeServer, ServeOptions
from kline_harness.exchange.wire import WireFaults
from kline_harness.replay.decode import encode
from kline_harness.replay.scenario import Scenario

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "um-day"
DAY = FIXTURES / "ALFAUSDT-aggTrades-2024-05-15.zip"
RAW = FIXTURES / "ALFAUSDT-trades-2024-05-15.zip"
T0 = 1_715_731_200_000
S = 1_000_000_000
# Prices and quantities as an archive writes them; the finest has two and three decimals.
HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


def aggregates(folder: Path, rows: Sequence[str], symbol: str = "BTCUSDT") -> Path:
    """Write an archive of aggregate trades, as the exchange does."""
    path = folder / f"{symbol}-aggTrades-2024-05-15.csv"
    path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return path


def every_second(
    folder: Path, seconds: int, symbol: str = "BTCUSDT", first: int = 1, price: str = "100.25"
) -> Path:
    """Write an archive with one trade in the middle of each second."""
    rows = [
        f"{first + k},{price},0.{k % 9 + 1:03d},{first + k},{first + k},{T0 + k * 1000 + 500},"
        f"{'true' if k % 2 else 'false'}"
        for k in range(seconds)
    ]
    return aggregates(folder, rows, symbol)


@dataclass
class Client:
    """A client of a server that runs in the same loop."""

    server: ExchangeServer
    session: aiohttp.ClientSession

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.server.port}{path}"

    async def get(self, path: str) -> Any:
        """Return the body of a reply."""
        return (await self.reply(path))[1]

    async def reply(self, path: str) -> tuple[int, Any, Any]:
        """Return status, body and headers of a reply."""
        async with self.session.get(self.url(path)) as reply:
            return reply.status, await reply.json(content_type=None), reply.headers

    def connect(self, path: str, **more: Any) -> Any:
        """Open a websocket."""
        return self.session.ws_connect(self.url(path, "ws"), max_msg_size=0, **more)


@asynccontextmanager
async def server_of(
    paths: Sequence[Path],
    *,
    start_ns: int | None = None,
    scenario: Scenario | None = None,
    tls: Any = None,
    rebase_days: int = 0,
    **options: Any,
) -> AsyncIterator[Client]:
    """Serve files; time stands until `run` is called or awaited."""
    chosen = scenario or Scenario()
    faults = WireFaults.of(chosen.faults, chosen.seed)
    recorded = Recorded.open(paths, chosen, faults.names())
    recorded.move(rebase_days)
    first_ns = recorded.trades.first_ns
    assert first_ns is not None
    market = MarketState(recorded, first_ns // S * S if start_ns is None else start_ns)
    asked = {"seed": chosen.seed, "faults": encode(chosen.faults)}
    asked_for = {"scenario": asked, "rebase_days": rebase_days}
    options = {"linger_seconds": 0.0, **asked_for, **options}
    server = ExchangeServer(market, ServeOptions(**options), tls, faults)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(server, session)
    finally:
        await server.stop()
        market.store.close()
        recorded.close()


def serve(paths: Sequence[Path], use: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
    """Serve files to a client, and return what it returns."""

    async def run() -> Any:
        async with asyncio.timeout(300), server_of(paths, **options) as client:
            return await use(client)

    # In a thread of its own: a browser that another test holds has a loop in this one.
    with ThreadPoolExecutor(1) as own:
        return own.submit(asyncio.run, run()).result()


async def ask(ws: Any, method: str, params: Any = None, **more: Any) -> Any:
    """Send a request on a websocket and return the answer."""
    body = {"method": method, **({} if params is None else {"params": params}), **more}
    await ws.send_str(json.dumps(body))
    return json.loads((await ws.receive()).data)


async def whole_run(client: Client, path: str = "/ws", streams: Sequence[str] = ()) -> list[Any]:
    """Connect, subscribe, let the recording run to its end, and return every message."""
    messages = []
    async with client.connect(path) as ws:
        if streams:
            await ask(ws, "SUBSCRIBE", list(streams), id=1)
        run = asyncio.create_task(client.server.run())
        stop = asyncio.create_task(_stop_after(run, client.server))
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                messages.append(json.loads(message.data))
        await stop
    return messages


async def _stop_after(run: asyncio.Task[None], server: ExchangeServer) -> None:
    await run
    await server.sockets.close_all()
