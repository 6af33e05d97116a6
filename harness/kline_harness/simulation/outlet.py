"""A consumer's end of a channel, where what is handed over can be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kline_harness.columns import Rows
from kline_harness.interfaces import Observer
from kline_harness.simulation.listener import Listening


class Outlet:
    """Hands a consumer what a channel has for it, and shows it to the observers first."""

    def __init__(
        self,
        consumer: Listening,
        deliver: Callable[[int, Rows[Any]], None],
        observers: Sequence[Observer] = (),
    ) -> None:
        self.name = consumer.name
        self.timer_period_ns = consumer.timer_period_ns
        self.consumer = consumer
        self._deliver = deliver
        self._observers = observers

    def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
        """Hand rows over."""
        for observer in self._observers:
            observer.on_delivered(self.name, now_ns, rows)
        self._deliver(now_ns, rows)

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Tell the consumer how many values it missed."""
        for observer in self._observers:
            observer.on_lag(self.name, now_ns, missed)
        self.consumer.on_lag(now_ns, missed)

    def on_timer(self, now_ns: int) -> None:
        """Let the consumer do what is due by time."""
        self.consumer.on_timer(now_ns)

    def rows_until_flush(self) -> int | None:
        """Return how many values the consumer may be handed at once."""
        return self.consumer.rows_until_flush()

    def on_close(self, now_ns: int) -> None:
        """Tell the consumer that nothing more comes."""
        self.consumer.on_close(now_ns)
