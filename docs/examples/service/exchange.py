"""The exchange as the service sees it: REST and websocket calls, TLS, SOCKS5."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

# The total and connect timeouts of klagg's REST client, in seconds of the machine.
TOTAL_S, CONNECT_S = 5, 2
HANDSHAKE_S = 15
Row = list[Any]


class Refused(Exception):
    """The exchange, or the way to it, did not give what was asked for."""


class Exchange:
    """One exchange: `rest` and `stream` are its addresses, such as https://fapi.binance.com.

    With `socks`, a host and a port, every connection goes through a SOCKS5 proxy, which resolves
    the names. `authority` is a file of certificates that are trusted beside the system's.
    """

    def __init__(
        self, rest: str, stream: str, socks: tuple[str, int] | None, authority: str | None
    ) -> None:
        self.rest, self.stream = rest.rstrip("/"), stream.rstrip("/")
        self._tunnels = None if socks is None else Tunnels(*socks)
        self._context: ssl.SSLContext | bool = True
        if authority is not None:
            self._context = ssl.create_default_context()
            self._context.load_verify_locations(authority)
        self._session: aiohttp.ClientSession | None = None
        self.requests = 0

    async def __aenter__(self) -> Exchange:
        connector = aiohttp.TCPConnector(
            limit=200, resolver=self._tunnels, ssl=self._context, use_dns_cache=False
        )
        timeout = aiohttp.ClientTimeout(total=TOTAL_S, sock_connect=CONNECT_S)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._session is not None
        await self._session.close()
        if self._tunnels is not None:
            await self._tunnels.close()

    async def get(self, path: str, **parameters: str | int) -> Any:
        """Return the answer of a REST endpoint.

        Raises Refused for any status but 200, no answer in time, and no connection.
        """
        assert self._session is not None
        self.requests += 1
        try:
            async with self._session.get(self.rest + path, params=parameters) as answer:
                text = await answer.text()
                if answer.status != 200:
                    raise Refused(f"{path}: status {answer.status}: {text[:200]}")
                return json.loads(text)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Refused(f"{path}: {type(error).__name__}: {error}") from error

    async def symbols(self) -> list[str]:
        """Return the perpetuals that are traded, as klagg chooses them."""
        answer = await self.get("/fapi/v1/exchangeInfo")
        return [
            one["symbol"]
            for one in answer["symbols"]
            if one["contractType"] == "PERPETUAL" and one["status"] == "TRADING"
        ]

    async def server_ms(self) -> int:
        """Return the exchange's time."""
        return int((await self.get("/fapi/v1/time"))["serverTime"])

    async def history(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> list[Row]:
        """Return klines from a time to another, a thousand at a time.

        Raises Refused where there is none: an empty answer is a failure to klagg.
        """
        rows: list[Row] = []
        while start_ms <= end_ms:
            found = await self.get(
                "/fapi/v1/continuousKlines",
                pair=symbol,
                contractType="PERPETUAL",
                interval=interval,
                limit=1000,
                startTime=start_ms,
                endTime=end_ms,
            )
            if not found:
                break
            rows += found
            start_ms = int(found[-1][6]) + 1
            if len(found) < 1000:
                break
        if not rows:
            raise Refused(f"{symbol} {interval}: an empty answer")
        return rows

    async def kline(self, symbol: str, interval: str, open_ms: int) -> Row | None:
        """Return one kline again, now that it is over."""
        found = await self.get(
            "/fapi/v1/klines",
            symbol=symbol,
            interval=interval,
            startTime=open_ms,
            endTime=open_ms,
            limit=1,
        )
        return next((row for row in found if int(row[0]) == open_ms), None)

    async def open(self, path: str) -> aiohttp.ClientWebSocketResponse:
        """Connect to a stream.

        Raises Refused.
        """
        assert self._session is not None
        try:
            return await asyncio.wait_for(
                self._session.ws_connect(self.stream + path, autoping=True, max_msg_size=0),
                HANDSHAKE_S,
            )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Refused(f"{path[:60]}: {type(error).__name__}: {error}") from error


async def messages(socket_: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Any]:
    """Yield what comes on a socket until it ends; what is no JSON is left out, as klagg does."""
    async for message in socket_:
        if message.type is aiohttp.WSMsgType.TEXT:
            try:
                yield json.loads(message.data)
            except ValueError:
                continue


class Tunnels(AbstractResolver):
    """Leads every host through a SOCKS5 proxy: each gets a port of this machine that is its.

    So that names are resolved by the proxy, and certificates checked against them, with nothing
    but what aiohttp offers.
    """

    def __init__(self, host: str, port: int) -> None:
        self._proxy = (host, port)
        self._servers: dict[tuple[str, int], asyncio.Server] = {}
        self._lock = asyncio.Lock()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the port that leads to a host."""
        async with self._lock:
            server = self._servers.get((host, port))
            if server is None:

                async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    await self._carry(host, port, reader, writer)

                server = await asyncio.start_server(carry, "127.0.0.1", 0)
                self._servers[host, port] = server
        local = server.sockets[0].getsockname()[1]
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=local,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Close every port."""
        for server in self._servers.values():
            server.close()

    async def _carry(
        self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            there, back = await asyncio.open_connection(*self._proxy)
        except OSError:
            writer.close()
            return
        try:
            await _connect(there, back, host, port)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            back.close()
            writer.close()


async def _connect(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
) -> None:
    """Ask a SOCKS5 proxy for a connection (RFC 1928: no authentication, CONNECT, a name)."""
    writer.write(b"\x05\x01\x00")
    if await reader.readexactly(2) != b"\x05\x00":
        raise OSError("the proxy asks for authentication")
    name = host.encode("idna")
    writer.write(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big"))
    head = await reader.readexactly(4)
    if head[1] != 0:
        raise OSError(f"the proxy refused {host}: code {head[1]}")
    length = {1: 4, 4: 16}.get(head[3]) or (await reader.readexactly(1))[0]
    await reader.readexactly(length + 2)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
