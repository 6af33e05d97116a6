"""The service's clock: the machine's, faster than it, or that of the messages it receives."""

from __future__ import annotations

import asyncio
import time

_POLL_S = 0.002


class Clock:
    """Milliseconds since 1970, with the exchange's offset added.

    At a `speed` above 1 it runs so many times as fast as the machine's, for a server that is
    paced so; under faketime the machine's own clock is, and the speed is 1. With `speed` None
    it is the time of the newest message that was noted.
    """

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._from_wall, self._from = time.time(), time.monotonic()
        self._noted = 0
        self.offset_ms = 0
        # Half the way to the exchange and back, smoothed as klagg does it.
        self.delay_ms = 0.0

    @property
    def follows_messages(self) -> bool:
        """Whether the time is that of the messages."""
        return self._speed is None

    def local_ms(self) -> int:
        """Return the time without the offset."""
        if self._speed is None:
            return self._noted
        passed = (time.monotonic() - self._from) * self._speed
        return int((self._from_wall + passed) * 1000)

    def now_ms(self) -> int:
        """Return the time of the exchange, as far as it is known."""
        return self.local_ms() + self.offset_ms

    def note(self, time_ms: int) -> None:
        """Learn the time of a message."""
        self._noted = max(self._noted, time_ms)

    def synchronized(self, server_ms: int, before_ms: int) -> None:
        """Take the exchange's time, asked for at a local time."""
        if self._speed is None:
            self.note(server_ms)
            return
        half = (self.local_ms() - before_ms) / 2
        self.delay_ms = half if not self.delay_ms else 0.8 * self.delay_ms + 0.2 * half
        self.offset_ms = server_ms - self.local_ms()

    async def until(self, time_ms: int) -> None:
        """Wait until the time of the exchange is `time_ms`."""
        while (left := time_ms - self.now_ms()) > 0:
            wait = _POLL_S if self._speed is None else max(left / 1000 / self._speed, _POLL_S)
            await asyncio.sleep(wait)

    async def sleep(self, milliseconds: int) -> None:
        """Wait for so long on this clock; on that of the messages for a moment."""
        if self._speed is None:
            await asyncio.sleep(_POLL_S * 5)
        else:
            await asyncio.sleep(milliseconds / 1000 / self._speed)
