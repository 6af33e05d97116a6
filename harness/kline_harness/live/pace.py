"""The pace of a feed in wall-clock time: a speed, paused, tick by tick, or up to a finding."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from enum import Enum
from typing import Any

import numpy as np

from kline_harness.exchange.clock import PACE_NS, VirtualClock
from kline_harness.interfaces import FeedSlice, Tick
from kline_harness.units import NS_PER_MINUTE

# Where it is not, a feed is cut all the same: a page can look back to the end of each piece, and
# each costs a little. A day has so many pieces, and a longer time no more than the page keeps.
_QUARTER_NS = 15 * NS_PER_MINUTE
_OF_A_DAY, _OF_MORE = 96, 240


class Seek(Enum):
    """Up to what a paused feed is let run."""

    TICK = "tick"
    FINDING = "finding"


class FeedGate:
    """A gate in a feed: it cuts the feed and lets time pass, and changes nothing else of it.

    What is fed in which order does not depend on it (the slice law), only when. `pieces` runs in
    the thread of the simulation; everything else is called in the thread of the event loop.
    `findings` counts what was found so far. One that `follows` is paced from elsewhere.
    """

    def __init__(self, speed: int | None, findings: Callable[[], int]) -> None:
        self.speed = speed
        self.follows = False
        self.hurried_ns = _QUARTER_NS
        self.held = False
        self.seeking: Seek | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._findings = findings
        self._found_before = 0
        self._clock: VirtualClock | None = None
        self._changed = asyncio.Event()

    def pieces(self, feed: Iterable[FeedSlice]) -> Iterator[FeedSlice]:
        """Yield the feed, in pieces, each when its time has come."""
        # A feed that begins anew, where files are in disorder, has a time of its own.
        self._clock = None
        for piece in feed:
            rest = piece
            while len(rest):
                head, rest = self._next(rest)
                yield head
                # Whoever asks for the next one has processed this one.
                self._passed(head)
            if not len(piece):
                yield piece

    def spread(self, span_ns: int) -> None:
        """Cut a feed of this length, ns, into pieces where it runs as fast as it goes."""
        least_ns = max(NS_PER_MINUTE, span_ns // _OF_MORE)
        self.hurried_ns = max(least_ns, min(_QUARTER_NS, span_ns // _OF_A_DAY))

    def pause(self) -> None:
        """Hold the feed."""
        self.held, self.seeking = True, None
        self._wake()

    def resume(self) -> None:
        """Let the feed go on."""
        self.held, self.seeking = False, None
        self._wake()

    def run_at(self, speed: int | None) -> None:
        """Change how many virtual seconds pass in one; None: as fast as it goes."""
        self.speed = speed
        self._wake()

    def seek(self, target: Seek) -> None:
        """Run as fast as it goes up to the next tick or finding, and hold there."""
        self._found_before = self._findings()
        self.held, self.seeking = True, target
        self._wake()

    def _wake(self) -> None:
        # Paced time goes on from where the feed is, not from where it would have been.
        self._clock = None
        self._changed.set()

    def _next(self, rest: FeedSlice) -> tuple[FeedSlice, FeedSlice]:
        """Wait until the first events of a piece are due; return these, and what is left."""
        horizon_ns = None
        if self.held or self.speed is not None:
            horizon_ns = self._called(self._admitted(first_ns(rest)))
        if self.seeking is not None:
            return rest.cut(_through_tick(rest))
        return cut_at(rest, first_ns(rest) + self.hurried_ns if horizon_ns is None else horizon_ns)

    async def _admitted(self, event_ns: int) -> int | None:
        """Wait until an event may pass; return before which instant more may, None for all."""
        while self.seeking is None:
            self._changed.clear()
            if self.held:
                await self._changed.wait()
                continue
            if self.speed is None:
                return None
            if self._clock is None:
                self._clock = VirtualClock(event_ns, self.speed)
                self._clock.resume()
            clock = self._clock
            until_ns = event_ns + PACE_NS * self.speed
            if await self._reached(clock, until_ns):
                return max(until_ns, clock.now_ns())
        return None

    async def _reached(self, clock: VirtualClock, until_ns: int) -> bool:
        """Wait until an instant is due; False where the pace was changed meanwhile."""
        waits = [asyncio.ensure_future(clock.until(until_ns))]
        waits.append(asyncio.ensure_future(self._woken()))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        return not self._changed.is_set()

    async def _woken(self) -> None:
        await self._changed.wait()

    def _passed(self, head: FeedSlice) -> None:
        """Pause the feed again once the tick or finding sought has come."""
        target = self.seeking
        if target is Seek.TICK:
            came = any(isinstance(signal, Tick) for signal in head.signals)
        elif target is Seek.FINDING:
            came = self._findings() > self._found_before
        else:
            return
        if came:
            self.seeking = None

    def _called(self, work: Coroutine[Any, Any, int | None]) -> int | None:
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


class Throttle:
    """Limits calls to one in `seconds`, and to a twentieth of the time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = 0.0

    def run(self, act: Callable[[], None]) -> None:
        """Call `act`, unless too little time has passed since the last call."""
        begin = time.monotonic()
        if begin < self._due:
            return
        act()
        end = time.monotonic()
        self._due = end + max(self._seconds, 20 * (end - begin))


def first_ns(piece: FeedSlice) -> int:
    """Return the instant of the first event of a piece that has one."""
    if piece.signals and (not len(piece.trades) or piece.positions[0] == 0):
        return piece.signals[0].at_ns
    return int(piece.trades.arrival_ns[0])


def cut_at(piece: FeedSlice, horizon_ns: int) -> tuple[FeedSlice, FeedSlice]:
    """Return what comes before an instant, at least one event, and the rest."""
    trades = int(np.searchsorted(piece.trades.arrival_ns, horizon_ns))
    signals = sum(signal.at_ns < horizon_ns for signal in piece.signals)
    return piece.cut(max(1, trades + signals))


def _through_tick(piece: FeedSlice) -> int:
    """Return how many events of a piece there are up to its first tick and with it."""
    for place, (signal, position) in enumerate(zip(piece.signals, piece.positions, strict=True)):
        if isinstance(signal, Tick):
            return position + place + 1
    return len(piece)
