"""A run of the server, from files to ``served.json``, whatever ends it."""

from __future__ import annotations

import argparse
import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kline_harness.errors import OutputError, UsageError
from kline_harness.exchange.market import MarketState
from kline_harness.exchange.recorded import Recorded
from kline_harness.exchange.server import ExchangeServer, ServeOptions
from kline_harness.exchange.stream_names import Routes
from kline_harness.exit_codes import EXIT_TERMINATED, Terminated
from kline_harness.replay.decode import encode
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.scenario_file import scenario_of
from kline_harness.units import NS_PER_SECOND, utc_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def serve_files(given: argparse.Namespace) -> int:
    """Read the files, serve them, and write what was served."""
    speed = speed_of(given.speed)
    scenario = scenario_of(given.scenario, market=given.market)
    start_ns = None if given.start is None else instant_of(given.start)
    hold = 1 if given.hold is None else given.hold
    if hold < 0 or (given.linger is not None and given.linger < 0):
        raise UsageError("serve: expected no number below 0 after --hold and --linger")
    options = ServeOptions(
        speed=speed,
        routes=Routes(given.routes or "both"),
        host=given.host,
        port=given.port,
        hold=hold,
        linger_seconds=2.0 if given.linger is None else given.linger,
        scenario=_told(scenario),
    )
    if given.out is not None:
        _make_folder(given.out)
    recorded = Recorded.open(given.archives, scenario)
    market = MarketState(recorded, _start_of(recorded, start_ns))
    try:
        return asyncio.run(_run(market, options, given))
    finally:
        market.close()


async def _run(market: MarketState, options: ServeOptions, given: argparse.Namespace) -> int:
    server = ExchangeServer(market, options)
    ended_by = _listen_to_signals()
    try:
        await server.start()
    except OSError as error:
        raise UsageError(
            f"serve: {options.host}:{options.port} cannot be listened on: {error.strerror}"
        ) from error
    print(_ready(server), flush=True)
    run = asyncio.create_task(server.run())
    waiting = asyncio.create_task(ended_by.wait())
    try:
        await asyncio.wait({run, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            run.result()
    finally:
        for task in (run, waiting):
            task.cancel()
        await asyncio.gather(run, waiting, return_exceptions=True)
        await server.stop()
        if given.out is not None:
            print(server.record().write(given.out), flush=True)
    if ended_by.number == signal.SIGINT:
        raise KeyboardInterrupt
    if ended_by.number == signal.SIGTERM:
        raise Terminated(EXIT_TERMINATED)
    return 0


class _Ended:
    """A signal that came: it ends the server between two steps, not in the middle of one."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._came = asyncio.Event()

    def note(self, number: int) -> None:
        self.number = number
        self._came.set()

    async def wait(self) -> None:
        await self._came.wait()


def _listen_to_signals() -> _Ended:
    ended, loop = _Ended(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.note, number)
    return ended


def _ready(server: ExchangeServer) -> str:
    recorded = server.market.recorded
    silent = recorded.without_source()
    place = f"{server.options.host}:{server.port}"
    what = f"{recorded.trades.rows:,} trades of {len(server.market.symbols)} symbols"
    start = utc_text(server.market.reached_ns)
    lines = [f"serving {what} ({recorded.market}) from {start} on {place}"]
    if silent:
        lines.append(f"the files cannot give the streams {', '.join(silent)}: they stay silent")
    if "aggTrade" not in recorded.spools:
        lines.append("raw trades: the stream aggTrade has each as an aggregate of its own")
    if recorded.not_sent:
        lines.append(f"{recorded.not_sent:,} rows of the files are no trades and are not sent")
    return "\n".join(lines)


def _start_of(recorded: Recorded, start_ns: int | None) -> int:
    first_ns, last_ns = recorded.trades.first_ns, recorded.trades.last_ns
    assert first_ns is not None
    assert last_ns is not None
    if start_ns is None:
        return first_ns // NS_PER_SECOND * NS_PER_SECOND
    if not start_ns <= last_ns:
        raise UsageError(
            f"serve: expected a start before the last trade at {utc_text(last_ns)}, found "
            f"{utc_text(start_ns)}"
        )
    return start_ns


def speed_of(text: str) -> int | None:
    """Return the speed of an option: a whole number of at least 1, or None for max.

    Raises UsageError.
    """
    if text == "max":
        return None
    number = text.removesuffix("x").removeprefix("x")
    if not (number.isascii() and number.isdigit()) or int(number) < 1:
        raise UsageError(f"serve: expected a speed of 1 or more, or max, found {text!r}")
    return int(number)


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
    since = moment - _EPOCH
    return since // timedelta(microseconds=1) * 1_000


def _told(scenario: Scenario) -> dict[str, object]:
    """Return what of a scenario decides what is served."""
    return {"seed": scenario.seed, "faults": encode(scenario.faults)}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
