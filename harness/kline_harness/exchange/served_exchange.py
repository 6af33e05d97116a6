"""A server of recorded trades in a thread of this process."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

from kline_harness.errors import UsageError
from kline_harness.exchange.market import MarketState
from kline_harness.exchange.recorded import Recorded
from kline_harness.exchange.serve_run import (
    instant_of,
    listen,
    make_folder,
    moved_to_today,
    start_of,
)
from kline_harness.exchange.served import Served
from kline_harness.exchange.server import ExchangeServer, ServeOptions
from kline_harness.exchange.socks import SocksProxy
from kline_harness.exchange.stream_names import Routes
from kline_harness.exchange.tls import AUTHORITY_FILE, server_context
from kline_harness.exchange.wire import WireFaults
from kline_harness.replay.decode import encode
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.scenario_file import scenario_of

T = TypeVar("T")
Archive: TypeAlias = "str | PathLike[str]"
_STOP_SECONDS = 30.0
# What sockets may take to be closed once that was asked for.
_CLOSING_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is served, and how."""

    archives: tuple[Path, ...]
    speed: int | None
    start: str | None
    out: Path | None
    routes: str
    port: int
    hold: int
    linger_seconds: float
    tls: bool
    socks: bool
    rebase: bool
    scenario: Scenario


def scenario_from(given: Scenario | str | Path | None, market: str | None) -> Scenario:
    """Return a scenario, or that of a file, for a market where one is named."""
    if isinstance(given, Scenario):
        return given if market is None else replace(given, market=market)
    return scenario_of(None if given is None else Path(given), market=market)


class ServedExchange:
    """The exchange on loopback, from when it is made until `stop`.

    `rest` and `stream` are the addresses for a client; `socks_port` that of a SOCKS5 proxy which
    leads the exchange's host names there, and `authority` the certificate to trust with TLS, both
    None where they were not asked for.
    """

    def __init__(self, serving: Serving) -> None:
        self.socks_port: int | None = None
        self.authority: Path | None = None
        self._out = serving.out
        self._stack = AsyncExitStack()
        self._stopped = False
        if serving.out is not None:
            make_folder(serving.out)
        recorded, market, options, faults = _opened(serving)
        self._stack.callback(recorded.close)
        self._stack.callback(market.store.close)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._server = self._ask(self._started(serving, market, options, faults))
        except BaseException:
            self._end()
            raise
        self._run: Future[None] = asyncio.run_coroutine_threadsafe(self._server.run(), self._loop)
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
        self._loop.call_soon_threadsafe(self._server.clock.pause)

    def resume(self) -> None:
        """Let time pass."""
        self._loop.call_soon_threadsafe(self._server.clock.resume)

    def step(self, by_ns: int) -> None:
        """Let that much virtual time pass, and stand again."""
        self._loop.call_soon_threadsafe(self._server.clock.step, by_ns)

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

    async def _started(
        self, serving: Serving, market: MarketState, options: ServeOptions, faults: WireFaults
    ) -> ExchangeServer:
        context = None
        if serving.tls:
            folder = serving.out or Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            context = server_context(folder)
            self.authority = folder / AUTHORITY_FILE
        server = ExchangeServer(market, options, context, faults)
        self._stack.push_async_callback(server.stop)
        await listen(server, options)
        if serving.socks:
            proxy = SocksProxy(server.port)
            self._stack.push_async_callback(proxy.stop)
            self.socks_port = await proxy.start(0)
        return server

    async def _closed(self) -> None:
        await self._stack.aclose()
        # A task that never began cannot close what it was given.
        await asyncio.sleep(_CLOSING_SECONDS)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # Sockets that were cut off are closed by the loop's next steps.
        await asyncio.sleep(_CLOSING_SECONDS)

    async def _recorded(self) -> Served:
        return self._server.record()

    def _ask(self, job: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(_STOP_SECONDS)

    def _end(self) -> None:
        self._stopped = True
        try:
            self._ask(self._closed())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_SECONDS)
            self._loop.close()


def _opened(serving: Serving) -> tuple[Recorded, MarketState, ServeOptions, WireFaults]:
    names = [one.value for one in Routes]
    if serving.routes not in names:
        raise UsageError(f"serve: expected routes {', '.join(names)}, found {serving.routes!r}")
    if serving.speed is not None and serving.speed < 1:
        raise UsageError(f"serve: expected a speed of 1 or more, or None, found {serving.speed}")
    start_ns = None if serving.start is None else instant_of(serving.start)
    scenario = serving.scenario
    faults = WireFaults.of(scenario.faults, scenario.seed)
    recorded = Recorded.open(serving.archives, scenario, faults.names())
    try:
        days = moved_to_today(recorded) if serving.rebase else 0
        start_ns = start_of(recorded, start_ns, days, now=serving.rebase)
        market = MarketState(recorded, start_ns)
    except BaseException:
        recorded.close()
        raise
    options = ServeOptions(
        speed=serving.speed,
        routes=Routes(serving.routes),
        port=serving.port,
        hold=serving.hold,
        linger_seconds=serving.linger_seconds,
        rebase_days=days,
        scenario={"seed": scenario.seed, "faults": encode(scenario.faults)},
    )
    return recorded, market, options, faults


def serve(
    archives: Archive | Sequence[Archive],
    *,
    speed: int | None = 1,
    market: str | None = None,
    start: str | None = None,
    out: Archive | None = None,
    routes: str = "both",
    port: int = 0,
    hold: int = 1,
    linger: float = 2.0,
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
    folder = None if out is None else Path(out)
    serving = Serving(
        archives=tuple(Path(one) for one in given),
        speed=speed,
        start=start,
        out=folder,
        routes=routes,
        port=port,
        hold=0 if rebase and hold == 1 else hold,
        linger_seconds=linger,
        tls=tls,
        socks=socks,
        rebase=rebase,
        scenario=scenario_from(scenario, market),
    )
    return ServedExchange(serving)
