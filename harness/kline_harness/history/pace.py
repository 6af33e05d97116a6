"""When requests may go out, when a transfer has stalled, and when a file was seen.

The only file of this room that reads a clock. How long anything takes never changes what is
fetched; the instants at which files were seen stand in the catalogue and nowhere else.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class Pace:
    """A token bucket of one token: requests of all threads at most `per_second`, evenly spaced."""

    def __init__(self, per_second: float) -> None:
        self._gap_s = 1 / per_second
        self._free_s = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether everything is to be left where it is."""
        return self._ended.is_set()

    def end(self) -> None:
        """Wake whoever waits; nobody waits from now on."""
        self._ended.set()

    def wait(self) -> None:
        """Return when the next request may go out."""
        while not self.ended:
            with self._lock:
                now = time.monotonic()
                delay = self._free_s - now
                if delay <= 0:
                    self._free_s = now + self._gap_s
                    return
            self._ended.wait(delay)

    def pause(self, seconds: float) -> None:
        """Wait before a request is sent again."""
        self._ended.wait(seconds)

    def hold(self, seconds: float) -> None:
        """Let no request of any thread go out for so long: the server asked for it."""
        with self._lock:
            self._free_s = max(self._free_s, time.monotonic() + seconds)


class Stall:
    """Tells when fewer than `bytes_min` bytes came within `seconds`."""

    def __init__(self, seconds: float, bytes_min: int) -> None:
        self._seconds, self._bytes_min = seconds, bytes_min
        self._begin, self._count = time.monotonic(), 0

    def stalled(self, count: int) -> bool:
        """Count some bytes; tell whether the transfer is too slow to go on with."""
        self._count += count
        now = time.monotonic()
        if now - self._begin < self._seconds:
            return False
        slow = self._count < self._bytes_min
        self._begin, self._count = now, 0
        return slow


def now_text() -> str:
    """Return the present instant in UTC, such as 2024-07-19T08:00:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
