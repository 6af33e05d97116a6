"""A run of the server, from files to ``served.json``, whatever ends it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kline_harness.errors import OutputError, UsageError
from kline_harness.exchange.clock import speed_of, wall_ns
from kline_harness.exchange.market import MarketState
from kline_harness.exchange.recorded import Recorded
from kline_harness.exchange.server import ExchangeServer, ServeOptions
from kline_harness.exchange.service import Service, ServiceClock, probe, service_words
from kline_harness.exchange.socks import SocksProxy
from kline_harness.exchange.stream_names import Routes
from kline_harness.exchange.tls import AUTHORITY_FILE, server_context
from kline_harness.exchange.wire import WireFaults
from kline_harness.exit_codes import ending
from kline_harness.replay.decode import encode
from kline_harness.replay.scenario_file import scenario_of
from kline_harness.units import NS_PER_DAY, NS_PER_SECOND, utc_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SERVICE_LEFT = 1


@dataclass(frozen=True, slots=True)
class _Run:
    """What the command asks for beside how the market is served."""

    out: Path | None
    tls: bool
    socks: tuple[int, ...]
    words: tuple[str, ...] | None
    clock: ServiceClock


def serve_files(given: argparse.Namespace) -> int:
    """Read the files, serve them, and write what was served."""
    speed = speed_of(given.speed)
    start_ns = None if given.start is None else instant_of(given.start)
    scenario = scenario_of(given.scenario, market=given.market)
    faults = WireFaults.of(scenario.faults, scenario.seed)
    words = None
    if given.run is not None:
        words = tuple(service_words(given.run, speed, given.rebase))
    if any(number is not None and number < 0 for number in (given.hold, given.linger)):
        raise UsageError("serve: expected no number below 0 after --hold and --linger")
    if given.out is not None:
        make_folder(given.out)
    recorded = Recorded.open(given.archives, scenario, faults.names())
    try:
        days = moved_to_today(recorded) if given.rebase else 0
        start_ns = start_of(recorded, start_ns, days, now=given.rebase)
        # Where the service's clock is ours, or both are the machine's, time waits for nobody.
        waits = 0 if given.rebase or words else 1
        options = ServeOptions(
            speed=speed,
            routes=Routes(given.routes or "both"),
            host=given.host,
            port=given.port,
            hold=waits if given.hold is None else given.hold,
            linger_seconds=2.0 if given.linger is None else given.linger,
            rebase_days=days,
            scenario={"seed": scenario.seed, "faults": encode(scenario.faults)},
        )
        clock = ServiceClock(start_ns, None if given.rebase else speed)
        run = _Run(given.out, given.tls, tuple(given.socks), words, clock)
        market = MarketState(recorded, start_ns)
        return asyncio.run(_serve(market, options, faults, run))
    finally:
        recorded.close()


async def _serve(market: MarketState, options: ServeOptions, faults: WireFaults, run: _Run) -> int:
    ended = _Ended()
    async with AsyncExitStack() as stack:
        stack.callback(market.store.close)
        folder = run.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        context = server_context(folder) if run.tls else None
        server = ExchangeServer(market, options, context, faults)
        if run.out is not None:
            stack.callback(lambda: print(server.record().write(folder), flush=True))
        stack.push_async_callback(server.stop)
        await listen(server, options)
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
            await service.start(folder if run.tls else None)
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
    what = f"{recorded.trades.rows:,} trades of {len(server.market.symbols)} symbols"
    start = utc_text(server.market.reached_ns)
    lines = [f"serving {what} ({recorded.market}) from {start} on {place}"]
    if context is not None:
        lines.append(f"TLS: clients have to trust {folder / AUTHORITY_FILE}")
    if silent := recorded.without_source():
        lines.append(f"the files cannot give the streams {', '.join(silent)}: they stay silent")
    if "aggTrade" not in recorded.spools:
        lines.append("raw trades: the stream aggTrade has each as an aggregate of its own")
    if recorded.not_sent:
        lines.append(f"{recorded.not_sent:,} rows of the files are no trades and are not sent")
    return "\n".join(lines)


def moved_to_today(recorded: Recorded) -> int:
    """Move the recording by whole days so that its first day is today; return how many."""
    first_ns = recorded.trades.first_ns
    assert first_ns is not None
    days = wall_ns() // NS_PER_DAY - first_ns // NS_PER_DAY
    recorded.move(days)
    return days


def start_of(recorded: Recorded, start_ns: int | None, days: int, *, now: bool) -> int:
    """Return where the live part begins: as asked, at this moment, or with the first trade.

    Raises UsageError where that is after the last trade.
    """
    first_ns, last_ns = recorded.trades.first_ns, recorded.trades.last_ns
    assert first_ns is not None
    assert last_ns is not None
    if start_ns is not None:
        start_ns += days * NS_PER_DAY
    elif now:
        start_ns = wall_ns() // NS_PER_SECOND * NS_PER_SECOND
    else:
        return first_ns // NS_PER_SECOND * NS_PER_SECOND
    if start_ns > last_ns:
        raise UsageError(
            f"serve: expected a start before the last trade at {utc_text(last_ns)}, found "
            f"{utc_text(start_ns)}"
        )
    return start_ns


def instant_of(text: str) -> int:
    """Return an instant in nanoseconds of text such as ``2024-05-15T06:00:00Z``.

    Raises UsageError.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageError(f"serve: expected an instant such as 2024-05-15T06:00:00Z, found {text!r}")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def make_folder(folder: Path) -> None:
    """Make the folder of ``served.json``.

    Raises OutputError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
