"""A run of the server, from files to ``served.json``, whatever ends it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from kline_harness.errors import UsageError
from kline_harness.exchange.clock import speed_of
from kline_harness.exchange.opened_market import OpenedMarket, Serving
from kline_harness.exchange.server import ExchangeServer, ServeOptions
from kline_harness.exchange.service import Service, ServiceClock, probe, service_words
from kline_harness.exchange.socks import SocksProxy
from kline_harness.exchange.stream_names import Routes
from kline_harness.exchange.tls import AUTHORITY_FILE, server_context
from kline_harness.exit_codes import ending
from kline_harness.nouns import counted
from kline_harness.replay.scenario_file import scenario_of
from kline_harness.units import utc_text

_SERVICE_LEFT = 1


@dataclass(frozen=True, slots=True)
class _Run:
    """What the command asks for beside how the market is served."""

    socks: tuple[int, ...]
    words: tuple[str, ...] | None
    clock: ServiceClock


def serve_files(given: argparse.Namespace) -> int:
    """Read the files, serve them, and write what was served."""
    speed = speed_of(given.speed)
    words = None
    if given.run is not None:
        words = tuple(service_words(given.run, speed, given.rebase))
    serving = Serving(
        archives=tuple(given.archives),
        speed=speed,
        scenario=scenario_of(given.scenario, market=given.market),
        start=given.start,
        out=given.out,
        routes=given.routes or Routes.BOTH.value,
        host=given.host,
        port=given.port,
        hold=given.hold,
        linger_seconds=given.linger,
        tls=given.tls,
        rebase=given.rebase,
        leads=words is not None,
    )
    opened = OpenedMarket.of(serving)
    try:
        clock = ServiceClock(opened.market.reached_ns, None if given.rebase else speed)
        return asyncio.run(_serve(opened, _Run(tuple(given.socks), words, clock)))
    finally:
        opened.close()


async def _serve(opened: OpenedMarket, run: _Run) -> int:
    ended, serving = _Ended(), opened.serving
    async with AsyncExitStack() as stack:
        folder = serving.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        context = server_context(folder) if serving.tls else None
        server = ExchangeServer(opened.market, opened.options, context, opened.faults)
        if serving.out is not None:
            stack.callback(lambda: print(server.record().write(folder), flush=True))
        stack.push_async_callback(server.stop)
        await listen(server, opened.options)
        print(_ready(server, context, folder), flush=True)
        for port in run.socks:
            proxy = SocksProxy(server.port)
            stack.push_async_callback(proxy.stop)
            await _listen_socks(proxy, port)
            stack.callback(_say_refused, proxy)
        tasks = {asyncio.create_task(ended.wait())}
        if run.words is not None:
            print(await probe(run.clock), flush=True)
            service = Service(run.words, run.clock, server.port)
            stack.push_async_callback(service.stop)
            await service.start(folder if serving.tls else None)
            tasks.add(asyncio.create_task(_left(service, server)))
        served = asyncio.create_task(server.run())
        stack.push_async_callback(_cancelled, {*tasks, served})
        await asyncio.wait({*tasks, served}, return_when=asyncio.FIRST_COMPLETED)
        if served.done():
            served.result()
    return ended.code(server)


class _Ended:
    """A signal that came: it ends the server between two steps, not in the middle of one."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._came = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._note, number)

    async def wait(self) -> None:
        """Wait for a signal."""
        await self._came.wait()

    def code(self, server: ExchangeServer) -> int:
        """Return the exit code, or raise what the signal stands for."""
        if self.number is not None:
            raise ending(self.number)
        return 0 if server.complete else _SERVICE_LEFT

    def _note(self, number: int) -> None:
        self.number = number
        self._came.set()


async def listen(server: ExchangeServer, options: ServeOptions) -> None:
    """Let a server listen.

    Raises UsageError where the port cannot be had.
    """
    try:
        await server.start()
    except OSError as error:
        place = f"{options.host}:{options.port}"
        raise UsageError(f"serve: {place} cannot be listened on: {error.strerror}") from error


async def _listen_socks(proxy: SocksProxy, port: int) -> None:
    try:
        await proxy.start(port)
    except OSError as error:
        raise UsageError(
            f"serve: --socks {port} cannot be listened on: {error.strerror}"
        ) from error
    print(f"SOCKS5 for the exchange's host names on 127.0.0.1:{proxy.port}", flush=True)


async def _left(service: Service, server: ExchangeServer) -> None:
    code = await service.wait()
    at = utc_text(server.market.reached_ns)
    print(f"the service ended with exit code {code} when it was {at}", flush=True)


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _say_refused(proxy: SocksProxy) -> None:
    for place in sorted(set(proxy.refused)):
        print(f"SOCKS5: refused {place}, {proxy.refused.count(place)} times", flush=True)


def _ready(server: ExchangeServer, context: ssl.SSLContext | None, folder: Path) -> str:
    recorded = server.market.recorded
    place = f"{server.options.host}:{server.port}"
    symbols = counted(len(server.market.symbols), "symbol")
    what = f"{counted(recorded.trades.rows, 'trade')} of {symbols}"
    start = utc_text(server.market.reached_ns)
    lines = [f"serving {what} ({recorded.market}) from {start} on {place}"]
    if context is not None:
        lines.append(f"TLS: clients have to trust {folder / AUTHORITY_FILE}")
    if silent := recorded.without_source():
        lines.append(f"the files cannot give the streams {', '.join(silent)}: they stay silent")
    if "aggTrade" not in recorded.spools:
        lines.append("raw trades: the stream aggTrade has each as an aggregate of its own")
    if recorded.not_sent:
        rows = counted(recorded.not_sent, "row")
        lines.append(f"not sent: {rows} of the files that hold no trade")
    return "\n".join(lines)
