"""A kline service like klagg, small: the same calls in the same order, the same layout of tables.

    python service.py --rest http://127.0.0.1:8080 --stream ws://127.0.0.1:8080 --db klines.db

It fills up by REST, listens to aggregate trades, makes klines of them, and stores every final.
It stops at SIGTERM, with everything stored, and prints what it did as one line of JSON. Needs
aiohttp. `--startup continue` and `--finals mpsc --auditor` are klagg's own ways, which lose.
"""

from __future__ import annotations

import argparse
import asyncio
import decimal
import json
import signal
import sqlite3
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import aiohttp
from bars import LENGTHS, Aggregator, Bar, open_ms
from channel import Broadcast, Closed, Lagged, Mpsc, Receiver
from clock import Clock
from exchange import Exchange, Refused, messages
from store import Store

INTERVALS = "1m,5m,30m,1h,4h,1d,1w"
CAPACITY, BUFFER, FLUSH_MS = 10_000, 5_000, 1_000
# klagg fills days and weeks up from when the exchange began.
BEGINNING_MS = 1_567_900_800_000
TRIES, PARALLEL = 20, (20, 200)
# A stream counts as complete from the klines that open so long after it was connected.
MARGIN_MS = 2_000
WRITE_TRIES = 5


class Service:
    """One run of the service."""

    def __init__(self, given: argparse.Namespace, exchange: Exchange, store: Store) -> None:
        self.given, self.exchange, self.store = given, exchange, store
        self.intervals = given.intervals.split(",")
        self.clock = Clock(None if given.clock == "messages" else float(given.clock))
        design = Broadcast if given.finals == "broadcast" else Mpsc
        self.finals: Broadcast[Bar] | Mpsc[Bar] = design(CAPACITY)
        self.aggregator = Aggregator(self.intervals, self.publish, self.again)
        self.symbols: list[str] = []
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self.asked: asyncio.Queue[tuple[str, str, int]] = asyncio.Queue()
        self.asked_for: set[tuple[str, str, int]] = set()
        self.buffer: list[Bar] = []
        names = "backfilled refetched not_refetched connects lagged audited gaps late_ms"
        self.counts = dict.fromkeys(names.split(), 0)

    def publish(self, bar: Bar) -> None:
        """Send a final to who listens; one that may lack trades is asked for by REST first."""
        if bar.whole or self.given.startup == "continue":
            self.finals.send(bar)
        else:
            self.again(bar.symbol, bar.interval, bar.open_ms)

    def again(self, symbol: str, interval: str, opened: int) -> None:
        """Ask for a kline by REST, now that it is over."""
        wanted = (symbol, interval, opened)
        if self.given.startup != "continue" and wanted not in self.asked_for:
            self.asked_for.add(wanted)
            self.asked.put_nowait(wanted)

    async def start(self) -> None:
        """Fill up in two rounds, and learn the symbols and the time.

        Raises Refused.
        """
        symbols = await self._symbols()
        if self.given.clock != "1":
            # What is faster than the machine's clock has no time of its own yet.
            self.clock.synchronized(await self.exchange.server_ms(), self.clock.local_ms())
        for parallel in PARALLEL:
            await self._backfill(symbols, parallel)
            symbols = await self._symbols()
        self.symbols = symbols
        for symbol in self.symbols:
            for interval in self.intervals:
                await self._seed(symbol, interval)
        self.clock.synchronized(await self.exchange.server_ms(), self.clock.local_ms())

    async def _symbols(self) -> list[str]:
        for number in range(TRIES):
            try:
                return await self.exchange.symbols()
            except Refused as error:
                say("exchange_info_failed", number=number, error=str(error))
                await asyncio.sleep(1)
        raise Refused(f"no answer of exchangeInfo in {TRIES} tries")

    async def _backfill(self, symbols: list[str], parallel: int) -> None:
        gate = asyncio.Semaphore(parallel)

        async def one(symbol: str, interval: str) -> None:
            async with gate:
                await self._fill(symbol, interval)

        await asyncio.gather(*(one(s, i) for s in symbols for i in self.intervals))

    async def _fill(self, symbol: str, interval: str) -> None:
        now = self.clock.now_ms()
        latest = self.store.latest_open_ms(symbol, interval)
        start = BEGINNING_MS if interval in ("1d", "1w") else now - 1000 * LENGTHS[interval]
        start = start if latest is None else latest
        try:
            rows = await self.exchange.history(symbol, interval, start, now)
        except Refused as error:
            say("backfill_failed", symbol=symbol, interval=interval, error=str(error))
            return
        self.store.write_rows(symbol, interval, rows)
        self.counts["backfilled"] += len(rows)
        self.aggregator.seed(Bar.of_row(symbol, interval, rows[-1]))

    async def _seed(self, symbol: str, interval: str) -> None:
        """See that what REST gave is over, or that it is the kline that forms now."""
        latest = self.store.latest_open_ms(symbol, interval)
        if latest is not None and latest < open_ms(interval, self.clock.now_ms()):
            self.again(symbol, interval, latest)

    async def trades(self) -> None:
        """Listen to the aggregate trades of all symbols on one connection, again and again.

        Raises Refused where no connection is had in as many rounds as were allowed.
        """
        failed = 0
        while True:
            names = "/".join(f"{symbol.lower()}@aggTrade" for symbol in self.symbols)
            try:
                self.socket = await self.exchange.open(f"/stream?streams={names}")
            except Refused as error:
                failed += 1
                say("connect_failed", failed=failed, error=str(error))
                if failed > self.given.retries:
                    raise
                # 1, 2, 4, 8 seconds, then 5 and over again.
                await asyncio.sleep((1, 2, 4, 8, 5)[(failed - 1) % 5] * self.given.pace)
                continue
            failed = 0
            self.counts["connects"] += 1
            since = self.clock.now_ms() + MARGIN_MS
            self.aggregator.complete_from = dict.fromkeys(self.symbols, since)
            async for message in messages(self.socket):
                self._take(message)
            self.aggregator.interrupted()
            say("disconnected", code=self.socket.close_code)
            await asyncio.sleep(0.1)

    def _take(self, message: Any) -> None:
        data = message.get("data") if isinstance(message, dict) else None
        if isinstance(data, dict) and data.get("e") == "aggTrade":
            self.clock.note(int(data["E"]))
            if data["s"] in self.aggregator.complete_from:
                self.aggregator.trade(data)

    async def listings(self) -> None:
        """Listen to the tickers of all symbols, and subscribe to those that are new."""
        failed = 0
        while failed <= self.given.retries:
            try:
                socket = await self.exchange.open("/ws")
            except Refused as error:
                failed += 1
                say("tickers_failed", error=str(error))
                await asyncio.sleep(self.given.pace)
                continue
            await socket.send_json({"method": "SUBSCRIBE", "params": ["!miniTicker@arr"], "id": 1})
            async for message in messages(socket):
                for ticker in message if isinstance(message, list) else ():
                    self.clock.note(int(ticker["E"]))
                    if ticker["s"].endswith("USDT") and ticker["s"] not in self.symbols:
                        await self._list(ticker["s"])
            failed += 1
            await asyncio.sleep(self.given.pace)

    async def _list(self, symbol: str) -> None:
        self.symbols.append(symbol)
        if self.socket is not None and not self.socket.closed:
            streams = [f"{symbol.lower()}@aggTrade"]
            request = {"method": "SUBSCRIBE", "params": streams, "id": self.clock.local_ms()}
            await self.socket.send_json(request)
            self.aggregator.complete_from[symbol] = self.clock.now_ms() + MARGIN_MS

    async def ticks(self) -> None:
        """Close what is over, some time after each minute, and store what forms."""
        while True:
            minute = self.clock.now_ms() // 60_000 * 60_000 + 60_000
            due = minute + self.grace_ms()
            await self.clock.until(due)
            # On a machine that does not keep up: trades of the minute may be unread yet.
            self.counts["late_ms"] = max(self.counts["late_ms"], self.clock.now_ms() - due)
            self.aggregator.tick(self.clock.now_ms())
            self._write(self.aggregator.forming())

    def grace_ms(self) -> int:
        """Return how long after a minute its last trades may come."""
        return max(self.given.grace, int(2 * self.clock.delay_ms) + 100)

    async def time(self) -> None:
        """Ask for the exchange's time at the thirtieth second of each local minute."""
        while not self.clock.follows_messages:
            local = self.clock.local_ms()
            await self.clock.sleep((90_000 - local % 60_000) % 60_000 or 60_000)
            before = self.clock.local_ms()
            try:
                self.clock.synchronized(await self.exchange.server_ms(), before)
            except Refused as error:
                say("time_failed", error=str(error))

    async def refetch(self) -> None:
        """Store klines that may lack trades as REST gives them, once they are over."""
        while True:
            symbol, interval, opened = await self.asked.get()
            await self.clock.until(opened + LENGTHS[interval] + MARGIN_MS)
            for _ in range(TRIES):
                try:
                    row = await self.exchange.kline(symbol, interval, opened)
                except Refused as error:
                    say("refetch_failed", symbol=symbol, interval=interval, error=str(error))
                    row = None
                if row is not None:
                    bar = Bar.of_row(symbol, interval, row)
                    self.finals.send(bar)
                    self.aggregator.settle(bar)
                    self.counts["refetched"] += 1
                    break
                await self.clock.sleep(5_000)
            else:
                self.counts["not_refetched"] += 1
            self.asked_for.discard((symbol, interval, opened))

    async def writer(self, receiver: Receiver[Bar]) -> None:
        """Store finals in batches; ends when the channel is closed and drained.

        Raises sqlite3.Error where several tries in a row fail.
        """
        timer = asyncio.create_task(self._flushes())
        try:
            while True:
                try:
                    # Not in one line: the buffer is another one after the wait.
                    bar = await receiver.receive()
                    self.buffer.append(bar)
                except Lagged as lag:
                    self.counts["lagged"] += lag.missed
                    say("DATA_LOSS", missed=lag.missed)
                except Closed:
                    break
                if len(self.buffer) >= BUFFER:
                    self._flush()
        finally:
            timer.cancel()
        self._flush()

    async def _flushes(self) -> None:
        while True:
            await self.clock.sleep(FLUSH_MS)
            self._flush()

    def _flush(self) -> None:
        # What cannot be written stays in the buffer for the next time.
        if self.buffer and self._write(self.buffer):
            self.buffer = []

    def _write(self, bars: list[Bar]) -> bool:
        try:
            self.store.write(bars)
        except sqlite3.Error as error:
            self.failures = getattr(self, "failures", 0) + 1
            say("write_failed", rows=len(bars), error=str(error))
            if self.failures >= WRITE_TRIES:
                raise
            return False
        self.failures = 0
        return True

    async def auditor(self, receiver: Receiver[Bar]) -> None:
        """Count the finals, and the steps between them that are not one interval."""
        last: dict[tuple[str, str], int] = {}
        while True:
            try:
                bar = await receiver.receive()
            except Lagged as lag:
                say("DATA_LOSS", auditor=lag.missed)
                continue
            except Closed:
                return
            self.counts["audited"] += 1
            before = last.get((bar.symbol, bar.interval))
            if before is not None and bar.open_ms > before + LENGTHS[bar.interval]:
                self.counts["gaps"] += 1
            last[bar.symbol, bar.interval] = bar.open_ms

    def summary(self) -> dict[str, Any]:
        """Return what the service did."""
        made = self.aggregator
        return {
            "trades": made.trades,
            "finals": made.finals,
            "late": made.late,
            "duplicates": made.duplicates,
            "lost_in_queue": self.finals.lost,
            "rows": self.store.rows,
            "not_written": len(self.buffer),
            **self.counts,
        }


async def run(given: argparse.Namespace) -> int:
    """Run the service until it is stopped, or something ends it."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    socks = None
    if given.socks:
        host, _, port = given.socks.rpartition(":")
        socks = (host or "127.0.0.1", int(port))
    store = Store(given.db)
    async with Exchange(given.rest, given.stream, socks, given.ca) as exchange:
        service = Service(given, exchange, store)
        code = await _supervised(service, stop)
    store.close()
    print(json.dumps(service.summary()), flush=True)
    return code


async def _supervised(service: Service, stop: asyncio.Event) -> int:
    stopped = asyncio.create_task(stop.wait())
    if not await _ended(service.start(), stopped):
        return 0 if stop.is_set() else 1
    listeners = [asyncio.create_task(service.writer(service.finals.subscribe()))]
    if service.given.auditor:
        listeners.append(asyncio.create_task(service.auditor(service.finals.subscribe())))
    producers = [
        asyncio.create_task(job)
        for job in (service.trades(), service.listings(), service.ticks(), service.time())
    ]
    producers += [asyncio.create_task(service.refetch()) for _ in range(20)]
    essential = {producers[0], producers[2], *listeners, stopped}
    done, _ = await asyncio.wait(essential, return_when=asyncio.FIRST_COMPLETED)
    for task in producers:
        task.cancel()
    await asyncio.gather(*producers, return_exceptions=True)
    service.finals.close()
    ends = await asyncio.gather(*listeners, return_exceptions=True)
    errors = [e for e in (*ends, *(t.exception() for t in done - {stopped})) if e is not None]
    for error in dict.fromkeys(map(str, errors)):
        say("stopped_by", error=error)
    return 1 if errors else 0


async def _ended(job: Coroutine[Any, Any, None], stopped: asyncio.Task[bool]) -> bool:
    """Wait for a job, or for being stopped before it is done; tell whether it was done."""
    task = asyncio.create_task(job)
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False
    if error := task.exception():
        say("start_failed", error=f"{type(error).__name__}: {error}")
        return False
    return True


def say(event: str, **values: object) -> None:
    """Write a line of the log."""
    print(json.dumps({"event": event, **values}), file=sys.stderr, flush=True)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rest", default="https://fapi.binance.com")
    parser.add_argument("--stream", default="wss://fstream.binance.com:443")
    parser.add_argument("--db", type=Path, required=True)
    parser.add_argument("--intervals", default=INTERVALS)
    parser.add_argument("--socks", help="HOST:PORT of a SOCKS5 proxy")
    parser.add_argument("--ca", help="a file of certificates to trust")
    parser.add_argument("--finals", choices=("broadcast", "mpsc"), default="broadcast")
    parser.add_argument("--auditor", action="store_true", help="listen beside the writer")
    parser.add_argument("--startup", choices=("refetch", "continue"), default="refetch")
    parser.add_argument("--clock", default="1", help="times as fast as the machine's, or messages")
    parser.add_argument("--grace", type=int, default=100, help="milliseconds after a minute")
    parser.add_argument("--retries", type=int, default=10, help="of a lost connection")
    parser.add_argument("--pace", type=float, default=1.0, help="of the waits between them")
    decimal.getcontext().prec = 60
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
