"""A server of recorded trades in a thread of this process."""

from __future__ import annotations

import tempfile
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

from kline_harness.errors import with_extra

with with_extra("serve", "exchange", "aiohttp", "cryptography"):
    from kline_harness.exchange.loop_thread import LoopThread
    from kline_harness.exchange.opened_market import LINGER_SECONDS, OpenedMarket, Serving
    from kline_harness.exchange.serve_run import listen
    from kline_harness.exchange.served import Served
    from kline_harness.exchange.server import ExchangeServer
    from kline_harness.exchange.socks import SocksProxy
    from kline_harness.exchange.tls import AUTHORITY_FILE, server_context
    from kline_harness.replay.scenario import Scenario
    from kline_harness.replay.scenario_file import scenario_of

T = TypeVar("T")
Archive: TypeAlias = "str | PathLike[str]"
_STOP_SECONDS = 30.0


class ServedExchange:
    """The exchange on loopback, from when it is made until `stop`.

    `rest` and `stream` are the addresses for a client; `socks_port` that of a SOCKS5 proxy which
    leads the exchange's host names there, and `authority` the certificate to trust with TLS, both
    None where they were not asked for.
    """

    def __init__(self, serving: Serving, *, socks: bool = False) -> None:
        self.socks_port: int | None = None
        self.authority: Path | None = None
        self._out = serving.out
        self._stack = AsyncExitStack()
        self._stopped = False
        opened = OpenedMarket.of(serving)
        self._stack.callback(opened.close)
        self._thread = LoopThread("exchange")
        try:
            self._server = self._ask(self._started(opened, socks))
        except BaseException:
            self._end()
            raise
        self._run: Future[None] = self._thread.begin(self._server.run())
        scheme = "s" if serving.tls else ""
        self.rest = f"http{scheme}://127.0.0.1:{self.port}"
        self.stream = f"ws{scheme}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    def wait(self, timeout: float | None = None) -> Served:
        """Wait until the recording was served to its end; return what was served.

        Raises TimeoutError, and what ended the server before.
        """
        self._run.result(timeout)
        return self.record()

    def record(self) -> Served:
        """Return what was served, so far."""
        return self._server.record() if self._stopped else self._ask(self._recorded())

    def pause(self) -> None:
        """Let time stand."""
        self._thread.loop.call_soon_threadsafe(self._server.clock.pause)

    def resume(self) -> None:
        """Let time pass."""
        self._thread.loop.call_soon_threadsafe(self._server.clock.resume)

    def step(self, by_ns: int) -> None:
        """Let that much virtual time pass, and stand again."""
        self._thread.loop.call_soon_threadsafe(self._server.clock.step, by_ns)

    def stop(self) -> Served:
        """Close every connection and the port; write ``served.json``; return what was served."""
        if not self._stopped:
            self._run.cancel()
            try:
                if self._out is not None:
                    self._ask(self._recorded()).write(self._out)
            finally:
                self._end()
        return self._server.record()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _started(self, opened: OpenedMarket, socks: bool) -> ExchangeServer:
        context = None
        if opened.serving.tls:
            folder = self._out or Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            context = server_context(folder)
            self.authority = folder / AUTHORITY_FILE
        server = ExchangeServer(opened.market, opened.options, context, opened.faults)
        self._stack.push_async_callback(server.stop)
        await listen(server, opened.options)
        if socks:
            proxy = SocksProxy(server.port)
            self._stack.push_async_callback(proxy.stop)
            self.socks_port = await proxy.start(0)
        return server

    async def _recorded(self) -> Served:
        return self._server.record()

    def _ask(self, job: Coroutine[Any, Any, T]) -> T:
        return self._thread.ask(job, _STOP_SECONDS)

    def _end(self) -> None:
        self._stopped = True
        try:
            self._ask(self._stack.aclose())
        finally:
            self._thread.end()


def serve(
    archives: Archive | Sequence[Archive],
    *,
    speed: int | None = 1,
    market: str | None = None,
    start: str | None = None,
    out: Archive | None = None,
    routes: str = "both",
    port: int = 0,
    hold: int | None = None,
    linger: float = LINGER_SECONDS,
    tls: bool = False,
    socks: bool = False,
    rebase: bool = False,
    scenario: Scenario | str | Path | None = None,
) -> ServedExchange:
    """Serve recorded trades as the exchange does, on loopback, in a thread of its own.

    The options are those of the verb ``serve``; `speed` None is as fast as the clients read. It
    listens when this returns. As a context manager it is stopped at the end of the block, and
    `out` has ``served.json`` then.

    Raises UserError for anything the caller can mend.
    """
    given = [archives] if isinstance(archives, (str, PathLike)) else list(archives)
    asked = scenario if isinstance(scenario, Scenario) else _scenario_of(scenario)
    serving = Serving(
        archives=tuple(Path(one) for one in given),
        speed=speed,
        scenario=asked if market is None else replace(asked, market=market),
        start=start,
        out=None if out is None else Path(out),
        routes=routes,
        port=port,
        hold=hold,
        linger_seconds=linger,
        tls=tls,
        rebase=rebase,
    )
    return ServedExchange(serving, socks=socks)


def _scenario_of(file: str | Path | None) -> Scenario:
    return scenario_of(None if file is None else Path(file))
