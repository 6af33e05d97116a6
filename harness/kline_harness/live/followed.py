"""A service under `serve`, followed: what it was served, and what it stores of that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from kline_harness.archives import ExchangeKlines
from kline_harness.errors import UsageError, UserError
from kline_harness.exchange.clock import CLOCK_PATH
from kline_harness.exchange.collected import moved, served_by
from kline_harness.exchange.stores import StoredSeries, StoreOptions, read_store
from kline_harness.interfaces import FeedSlice
from kline_harness.live.model import LiveRun
from kline_harness.live.pace import FeedGate, Seek, cut_at, first_ns
from kline_harness.nouns import counted
from kline_harness.units import NS_PER_DAY, NS_PER_MINUTE

_ASKED_SECONDS = 0.1
_ANSWER_SECONDS = 5.0
_READ_SECONDS = 1.0


class FollowingGate(FeedGate):
    """Lets through what a server has served, when it has; its clock is led instead of ours."""

    def __init__(self, address: str, findings: Callable[[], int]) -> None:
        super().__init__(1, findings)
        self.follows = True
        self._url = address.rstrip("/") + CLOCK_PATH
        # By how many days the server has moved the times of the files.
        self.rebase_days = 0
        self._reached_ns: int | None = None
        self._gone = False

    def begin(self) -> None:
        """Ask the server where it is.

        Raises UsageError where none answers.
        """
        if self._called(self._asked()) is None and self._gone:
            raise UsageError(f"watch: --follow: expected a `serve` at {self._url}, found none")

    def pause(self) -> None:
        """Let the server's time stand."""
        self._lead({"do": "pause"})

    def resume(self) -> None:
        """Let the server's time pass."""
        self._lead({"do": "resume"})

    def run_at(self, speed: int | None) -> None:
        """Leave the server's speed as it is."""

    def seek(self, target: Seek) -> None:
        """Let a minute pass on the server, from tick to tick."""
        if target is Seek.TICK:
            self._lead({"do": "step", "by_ns": NS_PER_MINUTE})

    def _next(self, rest: FeedSlice) -> tuple[FeedSlice, FeedSlice]:
        served_ns = self._called(self._served(first_ns(rest)))
        return (rest, rest.cut(len(rest))[1]) if served_ns is None else cut_at(rest, served_ns)

    async def _served(self, instant_ns: int) -> int | None:
        """Wait until more than an instant was served; return how far, None where it is over."""
        while not self._gone:
            if self._reached_ns is not None and self._reached_ns > instant_ns:
                return self._reached_ns
            await self._asked()
            if self._reached_ns is None or self._reached_ns <= instant_ns:
                await asyncio.sleep(_ASKED_SECONDS)
        return None

    async def _asked(self, order: dict[str, Any] | None = None) -> int | None:
        """Ask the server where it is, or lead its clock; one that is not there has served all."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session:
                asked = (
                    session.get(self._url) if order is None else session.post(self._url, json=order)
                )
                async with asked as answer:
                    state = await answer.json()
            self.rebase_days = int(state["rebase_days"])
            self._reached_ns = int(state["reached_ns"]) - self.rebase_days * NS_PER_DAY
            self.held = bool(state["paused"])
            self._gone = bool(state["complete"])
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
            self._gone = True
        return self._reached_ns

    def _lead(self, order: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self._asked(order))
        task.add_done_callback(lambda _: None)


class StoreReader:
    """Reads a service's store again and again, in a thread of its own.

    Its times are moved back by the days that `gate` tells.
    """

    def __init__(
        self, address: str, model: Callable[[], LiveRun | None], gate: FollowingGate
    ) -> None:
        self._address, self._model, self._gate = address, model, gate
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="store")

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read a last time, and end."""
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            last = self._ends.is_set()
            model = self._model()
            if model is not None:
                self._read(model)
            if last:
                return
            self._ends.wait(_READ_SECONDS)

    def _read(self, model: LiveRun) -> None:
        try:
            content = read_store(self._address, model.symbols, StoreOptions())
        except UserError as error:
            # It may not be there yet, or be in the middle of being written.
            with model.lock:
                model.store_said = str(error)
            return
        with model.lock:
            said = f"{content.name} holds {counted(content.rows, 'row')}"
            bad = f", {len(content.bad):,} of them no klines" if content.bad else ""
            model.store_said = said + bad
            klines = self._moved_back(content.series)
            kinds = {one.klines.interval.text for one in content.series}
            if others := sorted(kinds - {one.interval.text for one in klines}):
                model.store_said += f"; {', '.join(others)}: other klines, by the rebase"
            entries, finals = model.findings.entries, model.finals
            model.stored.take(klines, finals, entries, model.intervals, model.now_ns)

    def _moved_back(self, series: Sequence[StoredSeries]) -> list[ExchangeKlines]:
        """Return klines at the times of the files, but for those of other trades by the rebase."""
        days = self._gate.rebase_days
        kept = [one for one in series if served_by(one.klines.interval, days) == 0]
        return [moved(one, -days * NS_PER_DAY).klines for one in kept]
