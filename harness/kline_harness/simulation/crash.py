"""A consumer that crashes and is started again, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kline_harness.columns import Rows
from kline_harness.simulation.listener import Listening
from kline_harness.units import Window


@dataclass(slots=True)
class CrashingConsumer:
    """Hands a consumer what comes outside of its crash; what comes inside is lost, and reported.

    At the crash `crash` is called once, before anything later is handed on. After the restart
    the consumer learns, as after a lag, how many values it missed; `lost_rows` of them were
    delivered to the dead consumer.
    """

    consumer: Listening
    deliver: Callable[[int, Rows[Any]], None]
    down: Window
    crash: Callable[[int], None]
    name: str = field(init=False)
    timer_period_ns: int | None = field(init=False)
    missed: int = field(init=False, default=0)
    lost_rows: int = field(init=False, default=0)
    _crashed: bool = field(init=False, default=False)
    _told: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.name = self.consumer.name
        self.timer_period_ns = self.consumer.timer_period_ns

    def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
        """Hand rows on, or lose them."""
        if self._is_down(now_ns):
            self.missed += len(rows)
            self.lost_rows += len(rows)
            return
        self._tell(now_ns)
        self.deliver(now_ns, rows)

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Hand a lag on, or lose it with the rest."""
        if self._is_down(now_ns):
            self.missed += missed
            return
        self._tell(now_ns)
        self.consumer.on_lag(now_ns, missed)

    def on_timer(self, now_ns: int) -> None:
        """Hand the timer on."""
        if not self._is_down(now_ns):
            self.consumer.on_timer(now_ns)

    def rows_until_flush(self) -> None:
        """Return None: what comes before the crash and what after it is told by its instant."""

    def on_close(self, now_ns: int) -> None:
        """Close the consumer, which is up again by then."""
        self._is_down(now_ns)
        self._tell(now_ns)
        self.consumer.on_close(now_ns)

    def _is_down(self, now_ns: int) -> bool:
        if now_ns >= self.down.from_ns and not self._crashed:
            self._crashed = True
            self.crash(now_ns)
        return self.down.from_ns <= now_ns < self.down.until_ns

    def _tell(self, now_ns: int) -> None:
        if self.missed > self._told:
            self.consumer.on_lag(now_ns, self.missed - self._told)
            self._told = self.missed
