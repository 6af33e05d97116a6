"""Wall-clock times of a run's stages: the only file that reads a clock.

They go to `timings.json` and nowhere else, so that every other file is reproducible.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timings:
    """Adds up the seconds spent in each named stage."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage; the same name adds up."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin

    def total(self) -> float:
        """Return the seconds since the run began."""
        return time.perf_counter() - self._start

    def to_dict(self) -> dict[str, float]:
        """Return every stage and the total in microseconds' precision, for JSON."""
        seconds = self.seconds | {"total": self.total()}
        return {name: round(value, 6) for name, value in seconds.items()}
