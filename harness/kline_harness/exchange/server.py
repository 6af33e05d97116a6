"""The server: one port for REST and websockets, fed slice by slice as virtual time goes on."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from kline_harness.exchange.clock import CLOCK_PATH, PACE_NS, VirtualClock, monotonic_ns
from kline_harness.exchange.connection import Connection
from kline_harness.exchange.frames import Frames, trade_frames
from kline_harness.exchange.limits import BAN_MINUTES, RequestLimits, weight_of
from kline_harness.exchange.market import MINI_TICKERS, MarketState, Slice
from kline_harness.exchange.rest import RestApi, RestReply, error_reply
from kline_harness.exchange.served import Served, ServedRequest
from kline_harness.exchange.sockets import Sockets
from kline_harness.exchange.stream_names import Routes, address_of
from kline_harness.exchange.wire import WireFaults
from kline_harness.units import INT64_MAX, NS_PER_MILLISECOND, NS_PER_MINUTE, NS_PER_SECOND

# Where time is paced, the least of a second on the wall that is sent at once, and the most of it
# that goes to sending: what is sent at once comes late by its own length.
_LEAST_PACE_NS = 5 * NS_PER_MILLISECOND
_PART = 5
# A request line of 500 streams has 10.5 kB; the exchange takes 1,024 of them.
LINE_BYTES = 65_536
_FAMILIES = {"um": "/fapi/v1/", "spot": "/api/v3/"}
# python-binance asks for these of spot when it serves futures.
_ALSO = {"/api/v3/ping": "ping", "/api/v3/time": "time"}


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How the market is served.

    `hold` streams must be subscribed to before time passes. A client that reads nothing for
    `stall_seconds` is disconnected. After the end, sockets stay open for `linger_seconds`.
    """

    speed: int | None = None
    routes: Routes = Routes.BOTH
    host: str = "127.0.0.1"
    port: int = 0
    hold: int = 1
    stall_seconds: float = 10.0
    linger_seconds: float = 2.0
    weight_limit: int | None = None
    rebase_days: int = 0
    scenario: dict[str, Any] = field(default_factory=dict)


class ExchangeServer:
    """Serves a market once, from its start to its end."""

    def __init__(
        self,
        market: MarketState,
        options: ServeOptions,
        tls: ssl.SSLContext | None = None,
        faults: WireFaults | None = None,
    ) -> None:
        self.faults = faults or WireFaults()
        self.market = market
        self.options = options
        self.port = 0
        self.clock = VirtualClock(market.reached_ns, options.speed)
        self.sockets = Sockets(
            market, self.clock, options.routes, options.stall_seconds, self.faults
        )
        self.complete = False
        # The most by which anything was sent later than its time, in virtual nanoseconds.
        self.late_ns = 0
        self._pace_ns = _LEAST_PACE_NS
        self._tls = tls
        self._started_ns = market.reached_ns
        self._rest = RestApi(market)
        self._limits = RequestLimits(market.recorded.market, options.weight_limit)
        self._requests: Counter[tuple[str, int]] = Counter()
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen; return the port.

        Raises OSError where the port cannot be had.
        """
        app = web.Application(client_max_size=LINE_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Frames are made ahead for every client: none is compressed.
        runner = web.AppRunner(
            app, access_log=None, max_line_size=LINE_BYTES, max_field_size=LINE_BYTES
        )
        await runner.setup()
        self._runner = runner
        site = web.TCPSite(runner, self.options.host, self.options.port, ssl_context=self._tls)
        await site.start()
        self.port = int(runner.addresses[0][1])
        return self.port

    async def run(self) -> None:
        """Serve the recording to its end, once as many streams are subscribed as are held for."""
        await self.sockets.subscribed(self.options.hold)
        if self.clock.limit_ns is None:
            self.clock.resume()
        end_ns = self.market.recorded.end_ns
        # The last klines are over at the next whole minute.
        end_ns = -(-end_ns // NS_PER_MINUTE) * NS_PER_MINUTE
        pings = asyncio.create_task(self.sockets.keep_alive())
        try:
            while self.market.reached_ns < end_ns:
                await self._serve_slice(end_ns)
            await self.sockets.flush()
            self.complete = True
            await asyncio.sleep(self.options.linger_seconds)
        finally:
            pings.cancel()

    async def stop(self) -> None:
        """Close every connection and the port."""
        await self.sockets.close_all()
        if self._runner is not None:
            await self._runner.cleanup()

    def record(self) -> Served:
        """Return what was served, so far."""
        subscriptions = [row for one in self.sockets.all for row in one.subscriptions()]
        frames: Counter[str] = Counter()
        for row in subscriptions:
            frames[row.stream] += row.messages
        speed = self.options.speed
        recorded = self.market.recorded
        requests = sorted(self._requests.items())
        return Served(
            market=recorded.market,
            archives=recorded.files,
            symbols=tuple(self.market.symbols),
            speed="max" if speed is None else str(speed),
            routes=self.options.routes.value,
            rebase_days=self.options.rebase_days,
            scenario=self.options.scenario,
            started_ns=self._started_ns,
            ended_ns=self.market.reached_ns,
            complete=self.complete,
            frames=dict(sorted(frames.items())),
            connections=tuple(one.record() for one in self.sockets.all),
            subscriptions=tuple(subscriptions),
            faults=self.faults.records(),
            requests=tuple(ServedRequest(name, status, n) for (name, status), n in requests),
            late_ns=self.late_ns,
            slow_clients=sum(one.closed_by == "slow" for one in self.sockets.all),
            without_source=recorded.without_source(),
        )

    async def _serve_slice(self, end_ns: int) -> None:
        minis = any(MINI_TICKERS in one.streams for one in self.sockets.open())
        most = None if self.options.speed is None else self._pace_ns * self.options.speed
        reached_ns = self.market.reached_ns
        await self.sockets.retire(reached_ns)
        await self.sockets.strike(reached_ns)
        cuts = (
            self.clock.limit_ns,
            self.sockets.next_retirement_ns(),
            self.faults.next_ns(reached_ns),
        )
        for instant in cuts:
            if instant is not None and instant > reached_ns:
                most = min(most or INT64_MAX, instant - reached_ns)
        until = min(end_ns, self.market.next_end_ns(most))
        until = await self.clock.reached(until, reached_ns)
        began_ns = monotonic_ns()
        happened = self.market.advance(until, sorted(self.sockets.series()), minis)
        self._send(happened)
        if self.options.speed is not None:
            self.late_ns = max(self.late_ns, self.clock.now_ns() - happened.start_ns)
            took_ns = monotonic_ns() - began_ns
            self._pace_ns = min(PACE_NS, max(_LEAST_PACE_NS, _PART * took_ns))
        await self.sockets.drained()

    def _send(self, happened: Slice) -> None:
        made: dict[tuple[str, bool], Frames] = {}
        connections = self.sockets.open()

        def frames(kind: str, combined: bool) -> Frames:
            if (kind, combined) not in made:
                mine = [one for one in connections if one.address.combined == combined]
                chosen = mine[0].chosen[kind].copy()
                for one in mine[1:]:
                    chosen |= one.chosen[kind]
                tape = happened.trades[kind]
                if not chosen.all():
                    tape = tape.take(chosen[tape.symbol])
                market = self.market.recorded.market
                made[kind, combined] = trade_frames(tape, kind, market=market, combined=combined)
            return made[kind, combined]

        self.faults.missed(happened, connections)
        touched = self.faults.touches(happened.start_ns, happened.end_ns)
        for one in connections:
            if one.silent:
                continue
            if touched:
                messages = one.messages_of(happened, frames)
                one.write_messages(self.faults.changed(one, messages, happened.end_ns))
            else:
                one.write_slice(happened, frames)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == CLOCK_PATH:
            return await self._control(request)
        address = address_of(path, request.query)
        if address is not None:
            return await self.sockets.serve(request, address)
        family = _FAMILIES[self.market.recorded.market]
        endpoint = _ALSO.get(path) or path.removeprefix(family)
        if endpoint not in self._rest.endpoints or not (path.startswith(family) or path in _ALSO):
            self._requests[path, 404] += 1
            return web.Response(status=404, text="<html><body>404 Not found</body></html>")
        return self._answer(request, endpoint)

    def _answer(self, request: web.Request, endpoint: str) -> web.Response:
        market = self.market.recorded.market
        weight = weight_of(endpoint, market, request.query)
        minute = self.clock.minute()
        charge = self._limits.charge(request.remote or "", weight, minute)
        headers = {"X-MBX-USED-WEIGHT-1M": str(charge.used)}
        now_ns = self.clock.now_ns()
        refusal = charge.refusal or self.faults.refused(endpoint, now_ns)
        if refusal is None:
            stated_ns = self.faults.stated_time_ns(now_ns) if endpoint == "time" else now_ns
            reply = self._rest.answer(endpoint, request.query, stated_ns)
        else:
            until = charge.banned_until_minute or minute + BAN_MINUTES
            reply = self._refused(request.remote or "", refusal, until)
            headers["Retry-After"] = str(60 - self.clock.now_ns() // NS_PER_SECOND % 60)
        self._requests[request.path, reply.status] += 1
        return web.Response(
            body=reply.body,
            status=reply.status,
            headers=headers,
            content_type="application/json",
        )

    def _refused(self, address: str, status: int, until_minute: int) -> RestReply:
        if status == 418:
            until = until_minute * NS_PER_MINUTE // NS_PER_MILLISECOND
            words = f"Way too many requests; IP({address}) banned until {until}."
            return error_reply(418, -1003, words + " Please use the websocket for live updates.")
        if status >= 500:
            return error_reply(
                status, -1000, "An unknown error occurred while processing the request."
            )
        if status == 451:
            return error_reply(451, 0, "Service unavailable from a restricted location.")
        words = (
            f"Too many requests; current limit of IP({address}) is {self._limits.limit} requests "
            "per minute. Please use the websocket for live updates to avoid polling the API."
        )
        return error_reply(429, -1003, words)

    async def _control(self, request: web.Request) -> web.Response:
        """Pause, resume or step the clock; answer with its state."""
        if request.method == "POST":
            try:
                self._lead(await request.json())
            except (AttributeError, KeyError, TypeError, ValueError):
                expected = '{"do": "pause"}, {"do": "resume"} or {"do": "step", "by_ns": 1 or more}'
                return web.Response(status=400, text=f"expected {expected}\n")
        state = {
            "now_ns": self.clock.now_ns(),
            "reached_ns": self.market.reached_ns,
            "paused": self.clock.paused,
            "complete": self.complete,
            "rebase_days": self.options.rebase_days,
        }
        return web.Response(text=json.dumps(state), content_type="application/json")

    def _lead(self, asked: Any) -> None:
        """Do what is asked of the clock.

        Raises ValueError, or what Python does for JSON of other types.
        """
        if asked.get("do") == "pause":
            self.clock.pause()
        elif asked.get("do") == "resume":
            self.clock.resume()
        elif asked.get("do") == "step" and type(asked["by_ns"]) is int and asked["by_ns"] > 0:
            self.clock.step(asked["by_ns"])
        else:
            raise ValueError(asked)


__all__ = ["CLOCK_PATH", "Connection", "ExchangeServer", "ServeOptions"]
