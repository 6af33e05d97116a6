"""All websockets of a server: handshakes, what clients say, pings, back-pressure, closing."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

from aiohttp import WSMsgType, web

from kline_harness.exchange.client_requests import (
    POLICY_VIOLATION,
    STREAMS_MAX,
    TOO_MANY,
    Rules,
    answer,
    subscribe,
)
from kline_harness.exchange.clock import VirtualClock
from kline_harness.exchange.connection import WAITING_BYTES, Connection
from kline_harness.exchange.market import MarketState
from kline_harness.exchange.stream_names import (
    Address,
    Routes,
    by_lower_case,
    exists,
    is_sent,
)
from kline_harness.exchange.wire import WireFaults
from kline_harness.faults.wire import (
    WireClose,
    WireDisconnect,
    WireHalfOpen,
    WireRoutesRetired,
    WireServerShutdown,
    WireStreamsMax,
)
from kline_harness.units import NS_PER_HOUR, NS_PER_MILLISECOND, NS_PER_SECOND

# Source: the exchange's stream documents: a ping every 3 minutes, disconnected without a pong for
# 10 minutes, after 24 hours in any case.
PING_NS = 180 * NS_PER_SECOND
PONG_NS = 600 * NS_PER_SECOND
LIFE_NS = 24 * NS_PER_HOUR
# However fast time is, a client has this long on the wall to answer.
_PONG_LEAST_SECONDS = 5.0
# About 15 requests back to back are answered.
_REQUESTS_MAX = 15
_REQUESTS_SECONDS = 1.0
# Where time is paced: bytes that wait for a client that reads too slowly.
_SLOW_BYTES = 16 << 20
_GOING_AWAY = 1001


class Sockets:
    """Every websocket that was ever opened, in order."""

    def __init__(
        self,
        market: MarketState,
        clock: VirtualClock,
        routes: Routes,
        stall_seconds: float,
        faults: WireFaults,
    ) -> None:
        self.all: list[Connection] = []
        self._market = market
        self._clock = clock
        self._stall = stall_seconds
        self._faults = faults
        self.rules = Rules(
            by_lower_case(market.symbols),
            routes,
            market.recorded.market,
            faults.streams_max(STREAMS_MAX),
        )
        self._changed = asyncio.Event()
        self._closing = False

    def open(self) -> list[Connection]:
        """Return the connections that are open."""
        return [one for one in self.all if one.open]

    def series(self) -> set[tuple[str, str, str]]:
        """Return the streams of klines with a subscriber."""
        return {key for one in self.open() for key in one.series()}

    async def subscribed(self, streams: int) -> None:
        """Wait until that many streams are subscribed to."""
        while sum(len(one.streams) for one in self.open()) < streams:
            self._changed.clear()
            await self._changed.wait()

    async def serve(self, request: web.Request, address: Address) -> web.StreamResponse:
        """Accept a websocket, and listen to it until it is over."""
        if self._closing or not exists(address, self.rules.routes):
            return web.Response(status=404)
        if self._faults.is_down(self._market.reached_ns):
            return web.Response(status=503)
        # Frames are made ahead for all clients, so none can have them compressed.
        ws = web.WebSocketResponse(
            autoping=False, compress=False, timeout=self._stall, max_msg_size=1 << 20
        )
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws
        transport.set_write_buffer_limits(high=WAITING_BYTES)
        connection = Connection(
            len(self.all) + 1,
            address,
            _kind_of(request.remote),
            request.path_qs,
            self._market.reached_ns,
            ws,
            transport,
            self._market.symbols,
        )
        connection.last_pong = _wall()
        self.all.append(connection)
        self._faults.connected(self._market.reached_ns)
        try:
            if not subscribe(
                list(address.streams), connection, self.rules, self._market.reached_ns
            ):
                self._faults.note(WireStreamsMax, self._market.reached_ns)
                self._faults.cut(WireStreamsMax, connection, address.streams)
                await ws.send_str(TOO_MANY)
                await self._close(connection, POLICY_VIOLATION, "server")
            self._changed.set()
            await self._listen(connection)
        finally:
            connection.closed(self._market.reached_ns, ws.close_code, "client")
        return ws

    async def keep_alive(self) -> None:
        """Ping clients, and close connections that do not answer."""
        pinged: dict[int, int] = {}
        while True:
            await asyncio.sleep(0.05)
            now_ns, speed = self._clock.now_ns(), self._clock.speed
            # At full speed a minute is none: the wall's time counts.
            at_ns = int(_wall() * NS_PER_SECOND) if speed is None else now_ns
            limit = max(self._clock.wall_seconds(PONG_NS), _PONG_LEAST_SECONDS)
            for one in self.open():
                if at_ns - pinged.setdefault(one.id, at_ns) >= PING_NS:
                    pinged[one.id] = at_ns
                    with suppress(ConnectionError):
                        await one.ws.ping(b"%d" % (now_ns // NS_PER_MILLISECOND))
                if _wall() - one.last_pong > limit:
                    await self._close(one, POLICY_VIOLATION, "server")

    async def retire(self, reached_ns: int) -> None:
        """Close the connections that are a day old."""
        for one in self.open():
            if reached_ns - one.opened_ns >= LIFE_NS:
                await self._close(one, _GOING_AWAY, "server")

    def next_retirement_ns(self) -> int | None:
        """Return when the oldest connection is a day old."""
        return min((one.opened_ns + LIFE_NS for one in self.open()), default=None)

    async def strike(self, reached_ns: int) -> None:
        """Let the faults of sockets that are due happen."""
        for fault, step in self._faults.due(reached_ns):
            sockets = self.open()
            if isinstance(fault, WireRoutesRetired):
                self.rules = replace(self.rules, routes=Routes.RETIRED)
                sockets = [one for one in sockets if self._silence(one, fault)]
            elif isinstance(fault, WireHalfOpen):
                for one in sockets:
                    one.silent = True
                    self._faults.cut(fault, one, one.streams)
            elif isinstance(fault, WireDisconnect):
                for one in sockets:
                    one.closed(reached_ns, None, "fault")
                    self._faults.cut(fault, one, one.streams)
                    one.transport.abort()
            elif isinstance(fault, WireServerShutdown) and step == 0:
                now = reached_ns // NS_PER_MILLISECOND
                for one in sockets:
                    await one.ws.send_str(f'{{"event":{{"e":"serverShutdown","E":{now}}}}}')
            else:
                code = fault.code if isinstance(fault, WireClose) else _GOING_AWAY
                for one in sockets:
                    self._faults.cut(fault, one, one.streams)
                    await self._close(one, code, "fault")
            if step == 0:
                self._faults.struck(fault, reached_ns, len(sockets))

    def _silence(self, one: Connection, fault: WireRoutesRetired) -> bool:
        """Let the streams of a connection fall silent that the old addresses carry no more."""
        market, route = self.rules.market, one.address.route
        mine = [sub.stream for sub in one.streams.values() if sub.stream is not None]
        gone = [stream for stream in mine if not is_sent(stream, route, Routes.RETIRED, market)]
        for stream in gone:
            one.fall_silent(stream.name)
        self._faults.cut(fault, one, [stream.name for stream in gone])
        return bool(gone)

    async def drained(self) -> None:
        """At full speed, wait for the clients; drop one that does not read."""
        for one in self.open():
            if self._clock.speed is None:
                await self._wait_for(one, WAITING_BYTES)
            elif one.waiting() > _SLOW_BYTES:
                self._drop(one)

    async def flush(self) -> None:
        """Wait until every client has read what it was sent; drop one that does not."""
        for one in self.open():
            await self._wait_for(one, 0)

    async def close_all(self) -> None:
        """Close every connection: the recording is over, or the server stops."""
        self._closing = True
        await asyncio.gather(*(self._close(one, _GOING_AWAY, "end") for one in self.open()))

    async def _listen(self, connection: Connection) -> None:
        ws, recent = connection.ws, deque[float](maxlen=_REQUESTS_MAX)
        async for message in ws:
            if connection.silent:
                continue
            if message.type is WSMsgType.PING:
                await ws.pong(message.data)
            elif message.type is WSMsgType.PONG:
                connection.last_pong = _wall()
            elif message.type is WSMsgType.TEXT:
                if len(recent) == _REQUESTS_MAX and _wall() - recent[0] < _REQUESTS_SECONDS:
                    await self._close(connection, POLICY_VIOLATION, "server", b"Too many requests")
                    return
                recent.append(_wall())
                reply = answer(message.data, connection, self.rules, self._market.reached_ns)
                for _ in range(self._faults.answers(self._market.reached_ns)):
                    await ws.send_str(reply.text)
                self._changed.set()
                if reply.close is not None:
                    self._faults.note(WireStreamsMax, self._market.reached_ns)
                    self._faults.cut(WireStreamsMax, connection, connection.streams)
                    await self._close(connection, reply.close, "server")
                    return

    async def _close(self, one: Connection, code: int, by: str, message: bytes = b"") -> None:
        one.closed(self._market.reached_ns, code, by)
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self._stall):
                await one.ws.close(code=code, message=message)
        one.transport.abort()

    async def _wait_for(self, one: Connection, most: int) -> None:
        seen, since = one.waiting(), _wall()
        while one.open and one.waiting() > most:
            # The transport says when it is drained to its owner alone, which is the library.
            await asyncio.sleep(0.0005)
            if one.waiting() != seen:
                seen, since = one.waiting(), _wall()
            elif _wall() - since > self._stall:
                self._drop(one)

    def _drop(self, one: Connection) -> None:
        one.closed(self._market.reached_ns, None, "slow")
        one.transport.abort()


def _wall() -> float:
    return asyncio.get_running_loop().time()


def _kind_of(remote: str | None) -> str:
    try:
        return "loopback" if ip_address(remote or "").is_loopback else "other"
    except ValueError:
        return "other"
