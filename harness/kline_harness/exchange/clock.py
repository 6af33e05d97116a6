"""The server's clock: virtual time at a multiple of real time, paused, stepped or at full speed."""

from __future__ import annotations

import asyncio
import time

from kline_harness.errors import UsageError
from kline_harness.units import NS_PER_MILLISECOND, NS_PER_MINUTE, NS_PER_SECOND

# How much of a second on the wall is served, or fed, at once where time is paced.
PACE_NS = 50 * NS_PER_MILLISECOND

# Where a server's clock is told, and led.
CLOCK_PATH = "/kline-harness/clock"


class VirtualClock:
    """Says what time it is at the exchange.

    With a `speed` of N, N virtual seconds pass a second; without one (None) time is where the
    serving has come to, which waits for nobody but its clients. It stands until `resume`.
    Which trades are served in which order does not depend on it, only when.
    """

    def __init__(self, start_ns: int, speed: int | None) -> None:
        self.speed = speed
        self._at_ns = start_ns
        self._since: float | None = None
        self._limit_ns: int | None = None
        self._changed = asyncio.Event()

    @property
    def paused(self) -> bool:
        """Whether time stands, after a step too."""
        return self._since is None or self._limit_ns == self.now_ns()

    @property
    def limit_ns(self) -> int | None:
        """The instant at which a step ends, if one is under way."""
        return self._limit_ns

    def now_ns(self) -> int:
        """Return the virtual time."""
        if self._since is None or self.speed is None:
            return self._at_ns
        elapsed_ns = int((_wall() - self._since) * NS_PER_SECOND) * self.speed
        now_ns = self._at_ns + elapsed_ns
        return now_ns if self._limit_ns is None else min(now_ns, self._limit_ns)

    def minute(self) -> int:
        """Return the clock minute that limits of requests count in.

        Where virtual time does not keep pace with the wall it is the wall's: a client that was
        refused must be able to wait for the next one.
        """
        if self._since is None or self.speed is None:
            return int(_wall() // 60)
        return self.now_ns() // NS_PER_MINUTE

    def wall_seconds(self, virtual_ns: int) -> float:
        """Return how long a virtual time lasts; at full speed as long as in real time."""
        return virtual_ns / NS_PER_SECOND / (self.speed or 1)

    def pause(self) -> None:
        """Let time stand."""
        self._at_ns = self.now_ns()
        self._since = None
        self._wake()

    def resume(self) -> None:
        """Let time pass."""
        if self._since is None or self._limit_ns is not None:
            self._at_ns = self.now_ns()
            self._since = _wall()
            self._limit_ns = None
            self._wake()

    def step(self, by_ns: int) -> None:
        """Let that much time pass, and stand again."""
        self._at_ns = self.now_ns()
        self._since = _wall()
        self._limit_ns = self._at_ns + by_ns
        self._wake()

    async def until(self, instant_ns: int) -> None:
        """Wait until it is that late."""
        await self.reached(instant_ns, instant_ns)

    async def reached(self, instant_ns: int, after_ns: int) -> int:
        """Wait until it is that late, or until a step ends that goes beyond `after_ns`.

        Return which of the two it is: the instant, or where the step ended.
        """
        while True:
            self._changed.clear()
            end_ns = instant_ns if self._limit_ns is None else min(instant_ns, self._limit_ns)
            here = end_ns == instant_ns or end_ns > after_ns
            if here:
                if self._since is not None and self.speed is None:
                    self._at_ns = max(self._at_ns, end_ns)
                if self.now_ns() >= end_ns:
                    # Whoever else has work to do gets to it.
                    await asyncio.sleep(0)
                    return end_ns
            stands = self._since is None or self.speed is None or not here
            left = None if stands else self.wall_seconds(end_ns - self.now_ns())
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                continue

    def _wake(self) -> None:
        self._changed.set()


def speed_of(text: str) -> int | None:
    """Return the speed of an option: a whole number of at least 1, or None for max.

    Raises UsageError.
    """
    if text == "max":
        return None
    number = text.removesuffix("x").removeprefix("x")
    if not (number.isascii() and number.isdigit()) or int(number) < 1:
        raise UsageError(f"--speed: expected a speed of 1 or more, or max, found {text!r}")
    return int(number)


def monotonic_ns() -> int:
    """Return the time of a monotonic clock in nanoseconds, for durations."""
    return time.monotonic_ns()


def wall_ns() -> int:
    """Return what the machine's clock says."""
    return time.time_ns()


def _wall() -> float:
    return asyncio.get_running_loop().time()
