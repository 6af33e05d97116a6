"""The server of the live page, on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import socket as socket_options
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from kline_harness.errors import UsageError
from kline_harness.exchange.loop_thread import LoopThread
from kline_harness.live.frames import PageView, hello
from kline_harness.live.model import LiveRun
from kline_harness.live.pace import FeedGate, Seek
from kline_harness.report.candles import candle_scripts, stylesheet
from kline_harness.units import INT64_MAX, NS_PER_MILLISECOND

HOST = "127.0.0.1"
# At most 20 frames a second.
_FRAME_SECONDS = 0.05
# Fewer where the run is as fast as it goes: drawing takes what the run could have.
_HURRIED_SECONDS = 0.2
# A page that has not read a frame for so long is disconnected.
STALL_SECONDS = 5.0
# What may wait in the system for a page that does not read.
_WAITING_BYTES = 65_536
# What a page says is short.
_MESSAGE_BYTES = 4_096
_PAGE = Path(__file__).parent / "page"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SPEED_MAX = 1_000_000


class LiveServer:
    """Serves pages of one run after another; what they ask for changes its pace alone."""

    def __init__(self, port: int, pace: FeedGate, stall_seconds: float = STALL_SECONDS) -> None:
        self.port = port
        self.pace = pace
        self.pages = 0
        self.dropped: list[str] = []
        # Set while no page is open, and once a page has asked for the end.
        self.nobody = threading.Event()
        self.ended = threading.Event()
        self.nobody.set()
        self.model: LiveRun | None = None
        self.stall_seconds = stall_seconds
        self._thread: LoopThread | None = None
        self._runner: web.AppRunner | None = None
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.port}/"

    def start(self) -> None:
        """Listen, in a thread of its own.

        Raises UsageError where the port cannot be had.
        """
        self._thread = LoopThread("live page")
        self.pace.loop = self._thread.loop
        try:
            self._thread.ask(self._listen())
        except OSError as error:
            self.stop()
            place = f"{HOST}:{self.port}"
            raise UsageError(f"watch: {place} cannot be listened on: {error.strerror}") from error

    def stop(self) -> None:
        """Close every page, and the port."""
        if self._thread is not None:
            self._thread.ask(self._close())
            self._thread.end()
            self._thread = None

    def show(self, model: LiveRun) -> None:
        """Show a run; pages that are open begin anew."""
        self.model = model

    async def _listen(self) -> None:
        app = web.Application(client_max_size=_MESSAGE_BYTES, middlewares=[self._guarded])
        library, component = candle_scripts()
        texts = {
            "/": ("text/html", (_PAGE / "live.html").read_text("utf-8")),
            "/live.js": ("text/javascript", (_PAGE / "live.js").read_text("utf-8")),
            "/candles.js": ("text/javascript", component),
            "/lightweight-charts.js": ("text/javascript", library),
            "/page.css": ("text/css", stylesheet()),
        }
        for path, (kind, text) in texts.items():
            app.router.add_get(path, _sends(kind, text))
        # Browsers ask for it whatever a page says.
        app.router.add_get("/favicon.ico", _sends("image/x-icon", ""))
        app.router.add_get("/socket", self._serve_page)
        app.router.add_get(r"/{name:report[a-z0-9-]*\.html}", self._report)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port).start()
        self.port = int(self._runner.addresses[0][1])

    async def _close(self) -> None:
        for socket in list(self._sockets):
            with suppress(TimeoutError, OSError):
                await asyncio.wait_for(socket.close(code=1001, message=b"the watch is over"), 1)
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guarded(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answer this machine's own pages alone: another site's could ask loopback too."""
        hosts = {f"{HOST}:{self.port}", f"localhost:{self.port}"}
        origin = request.headers.get("Origin")
        foreign = origin is not None and origin.removeprefix("http://") not in hosts
        if foreign or request.headers.get("Host") not in hosts:
            raise web.HTTPForbidden(text="this page is served to its own machine alone")
        return await handler(request)

    async def _report(self, request: web.Request) -> web.StreamResponse:
        """Send a page of the run folder, once it is written."""
        outcome = None if self.model is None else self.model.outcome
        path = None if outcome is None else outcome.directory / request.match_info["name"]
        if path is None or not path.is_file():
            raise web.HTTPNotFound(text="the report is there when the run is over")
        return web.FileResponse(path)

    async def _serve_page(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=_MESSAGE_BYTES, compress=False)
        await socket.prepare(request)
        _keep_short(request)
        name = request.query.get("page", "")[:40]
        view = PageView()
        self.pages += 1
        self.nobody.clear()
        self._sockets.add(socket)
        sending = asyncio.create_task(self._send(request, socket, view, name))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._asked(view, message.data)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self._sockets.discard(socket)
            self.pages -= 1
            if not self.pages:
                self.nobody.set()
        return socket

    async def _send(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        view: PageView,
        name: str,
    ) -> None:
        """Send a page what changed, until it is gone, or does not read."""
        shown: LiveRun | None = None
        while not socket.closed:
            model = self.model
            if model is not None:
                messages: list[dict[str, Any] | None] = []
                if model is not shown:
                    shown = model
                    view.begin()
                    messages.append(hello(model, self.pace) | {"dropped": name in self.dropped})
                messages.append(view.frame(model, self.pace, asyncio.get_running_loop().time()))
                for message in messages:
                    if message is None:
                        continue
                    text = json.dumps(message | {"pages": self.pages}, separators=(",", ":"))
                    try:
                        await asyncio.wait_for(socket.send_str(text), self.stall_seconds)
                    except TimeoutError:
                        self._drop(request, name)
                        return
            hurries = self.pace.speed is None and not self.pace.held
            await asyncio.sleep(_HURRIED_SECONDS if hurries else _FRAME_SECONDS)

    def _drop(self, request: web.Request, name: str) -> None:
        """Disconnect a page that does not read; it is told so when it comes again."""
        self.dropped.append(name)
        said = f"a page that read nothing for {self.stall_seconds:g} s was disconnected"
        print(said, file=sys.stderr, flush=True)
        if request.transport is not None:
            request.transport.abort()

    def _asked(self, view: PageView, text: str) -> None:
        """Do what a page asks for; what is not understood is left alone."""
        try:
            asked = json.loads(text)
        except ValueError:
            return
        if not isinstance(asked, dict):
            return
        pace, value = self.pace, asked.get("value")
        acts: dict[str, Callable[[], None]] = {
            "pause": pace.pause,
            "resume": pace.resume,
            "step": lambda: pace.seek(Seek.TICK),
            "finding": lambda: pace.seek(Seek.FINDING),
            "end": self.ended.set,
        }
        act = acts.get(str(asked.get("do")))
        if act is not None:
            act()
        elif asked.get("do") == "speed" and (speed := _speed(value)) is not False:
            pace.run_at(speed)
        elif asked.get("do") == "look":
            view.look(_instant(asked.get("at_ms")))
        elif asked.get("do") == "choose" and self.model is not None:
            at_ns = _instant(asked.get("at_ms"))
            with self.model.lock:
                symbol, interval = str(asked.get("symbol")), str(asked.get("interval"))
                view.choose(self.model, symbol, interval, at_ns)


def _keep_short(request: web.Request) -> None:
    """Let little wait for a page that reads slowly: it is sent what is new when it gets to it."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket_options.SOL_SOCKET, socket_options.SO_SNDBUF, _WAITING_BYTES)


def _speed(value: Any) -> int | bool | None:
    """Return a speed that a page asks for, None for as fast as it goes, False for nonsense."""
    if value == "max":
        return None
    is_speed = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _SPEED_MAX
    return int(value) if is_speed else False


def _instant(at_ms: Any) -> int | None:
    """Return a time that a page asks for in milliseconds, None for none and for nonsense."""
    is_time = isinstance(at_ms, int | float) and abs(at_ms) < INT64_MAX // NS_PER_MILLISECOND
    return int(at_ms) * NS_PER_MILLISECOND if is_time else None


def _sends(kind: str, text: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }

    async def send(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind, charset="utf-8", headers=headers)

    return send
