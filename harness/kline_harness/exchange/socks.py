"""A SOCKS5 endpoint that leads the exchange's host names to the server, and refuses all others.

Source of the protocol: RFC 1928. CONNECT only, without authentication.
"""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import suppress

from kline_harness.exchange.tls import HOSTS

_VERSION = 5
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_SUCCEEDED, _NOT_ALLOWED, _NO_COMMAND, _NO_ADDRESS = 0, 2, 7, 8
_NO_METHOD = 0xFF
_HANDSHAKE_SECONDS = 10.0
_BLOCK = 1 << 16


class SocksProxy:
    """Listens on loopback; `refused` names every address that was asked for and is not ours."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.refused: list[str] = []
        self.connected = 0
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> int:
        """Listen; return the port.

        Raises OSError where the port cannot be had.
        """
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                async with asyncio.timeout(_HANDSHAKE_SECONDS):
                    allowed = await self._negotiate(reader, writer)
                if allowed:
                    await self._carry(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _negotiate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        version, methods = await reader.readexactly(2)
        offered = await reader.readexactly(methods)
        if version != _VERSION or 0 not in offered:
            writer.write(bytes((_VERSION, _NO_METHOD)))
            await writer.drain()
            return False
        writer.write(bytes((_VERSION, 0)))
        version, command, _, kind = await reader.readexactly(4)
        host = await _host(reader, kind)
        port = int.from_bytes(await reader.readexactly(2), "big")
        status = _SUCCEEDED
        if host is None:
            status = _NO_ADDRESS
        elif command != _CONNECT:
            status = _NO_COMMAND
        elif host.lower() not in HOSTS:
            status = _NOT_ALLOWED
            self.refused.append(f"{host}:{port}")
        writer.write(bytes((_VERSION, status, 0, _IPV4, 0, 0, 0, 0, 0, 0)))
        await writer.drain()
        return status == _SUCCEEDED

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server, from_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        self.connected += 1
        both = (
            asyncio.create_task(_copy(reader, from_server)),
            asyncio.create_task(_copy(to_server, writer)),
        )
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            from_server.close()


async def _host(reader: asyncio.StreamReader, kind: int) -> str | None:
    if kind == _NAME:
        (length,) = await reader.readexactly(1)
        return (await reader.readexactly(length)).decode("ascii")
    if kind in (_IPV4, _IPV6):
        return str(ipaddress.ip_address(await reader.readexactly(4 if kind == _IPV4 else 16)))
    return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(_BLOCK):
        writer.write(block)
        await writer.drain()
