"""Receiving ends of a broadcast that do not do what they should."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kline_harness.columns import Rows
from kline_harness.replay.assembly import Deliver
from kline_harness.simulation.listener import Listening


@dataclass(slots=True)
class End:
    """An end that hands everything on; a defect changes one of its acts."""

    consumer: Listening
    deliver: Deliver
    name: str = field(init=False)
    timer_period_ns: int | None = field(init=False)
    lagged: bool = field(init=False, default=False)
    earlier: list[Rows[Any]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.consumer.name
        self.timer_period_ns = self.consumer.timer_period_ns

    def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
        self.deliver(now_ns, rows)

    def on_lag(self, now_ns: int, missed: int) -> None:
        self.consumer.on_lag(now_ns, missed)

    def on_timer(self, now_ns: int) -> None:
        self.consumer.on_timer(now_ns)

    def rows_until_flush(self) -> None:
        """Every value is handed over at its own instant."""

    def on_close(self, now_ns: int) -> None:
        self.consumer.on_close(now_ns)


def lag_not_told(consumer: Listening, deliver: Deliver) -> tuple[Listening, Deliver]:
    """Make an end that keeps its lags to itself."""

    class Silent(End):
        def on_lag(self, now_ns: int, missed: int) -> None:
            pass

    end = Silent(consumer, deliver)
    return end, end.on_rows


def lag_miscounted(consumer: Listening, deliver: Deliver) -> tuple[Listening, Deliver]:
    """Make an end that tells one value less than it lost."""

    class Miscounting(End):
        def on_lag(self, now_ns: int, missed: int) -> None:
            super().on_lag(now_ns, missed - 1)

    end = Miscounting(consumer, deliver)
    return end, end.on_rows


def newest_kept(consumer: Listening, deliver: Deliver) -> tuple[Listening, Deliver]:
    """Make an end that after a lag begins with the newest retained value, not the oldest."""

    class Newest(End):
        def on_lag(self, now_ns: int, missed: int) -> None:
            self.lagged = True
            super().on_lag(now_ns, missed)

        def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
            if self.lagged:
                self.lagged = False
                rows = rows[len(rows) - 1 :] if len(rows) > 1 else rows[1:]
            if len(rows):
                super().on_rows(now_ns, rows)

    end = Newest(consumer, deliver)
    return end, end.on_rows


def delivered_twice(consumer: Listening, deliver: Deliver) -> tuple[Listening, Deliver]:
    """Make an end that hands every second delivery on twice."""

    class Twice(End):
        def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
            super().on_rows(now_ns, rows)
            self.lagged = not self.lagged
            if self.lagged:
                super().on_rows(now_ns, rows)

    end = Twice(consumer, deliver)
    return end, end.on_rows


def value_lost(consumer: Listening, deliver: Deliver) -> tuple[Listening, Deliver]:
    """Make an end that loses the last value of a delivery of several."""

    class Losing(End):
        def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
            super().on_rows(now_ns, rows[:-1] if len(rows) > 1 else rows)

    end = Losing(consumer, deliver)
    return end, end.on_rows


def late_sees_old(consumer: Listening, deliver: Deliver) -> tuple[Listening, Deliver]:
    """Make an end whose first delivery begins with what was sent before it subscribed."""

    class Old(End):
        def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
            if not self.earlier and rows.start:
                rows = Rows(rows.base, 0, rows.stop)
            self.earlier.append(rows)
            super().on_rows(now_ns, rows)

    end = Old(consumer, deliver)
    return end, end.on_rows


def order_swapped(consumer: Listening, deliver: Deliver) -> tuple[Listening, Deliver]:
    """Make an end that hands the two halves of a delivery on in the wrong order."""

    class Swapping(End):
        def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
            half = len(rows) // 2
            for part in (rows[half:], rows[:half]):
                if len(part):
                    super().on_rows(now_ns, part)

    end = Swapping(consumer, deliver)
    return end, end.on_rows
