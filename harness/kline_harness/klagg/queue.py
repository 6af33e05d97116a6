"""The older design of klagg's channel of finals: one consumer, and the newest are refused.

Source of the rules: docs/klagg.md, "The writer of finals".
"""

from __future__ import annotations

from typing import Any, cast

from kline_harness.columns import Columns, Rows
from kline_harness.klagg import mpsc
from kline_harness.simulation.channels import Lost, Received, ReceiverLike
from kline_harness.simulation.segments import Batch


class QueueChannel:
    """One consumer; what it has not taken waits, and what finds no room is refused.

    The queue exists before its consumer: nothing is missed by starting late. Whoever else
    subscribes receives nothing.
    """

    design = "mpsc"

    def __init__(self, name: str, capacity: int, sole_consumer: str) -> None:
        self.name = name
        self.published = 0
        self.capacity = capacity
        self._sole_consumer = sole_consumer
        self.unsent = 0
        self._sender: mpsc.QueueSender[Any]
        self._receiver: mpsc.QueueReceiver[Any]
        self._sender, self._receiver = mpsc.channel(capacity)
        self._refused: Lost = []
        self.refused = 0

    @property
    def sent(self) -> int:
        """Return how many values were taken by the queue."""
        return self._sender.statistics().sent

    def publish(self, table: Columns, start: int, stop: int) -> None:
        """Offer rows of a table; the newest are refused when there is no room."""
        rows: Rows[Any] = Rows(table, start, stop)
        self.published += len(rows)
        try:
            accepted = self._sender.send_many(cast("Batch[Any]", rows))
        except mpsc.SendClosed:
            self.unsent += len(rows)
            return
        if accepted < len(rows):
            self._refused.append(rows[accepted:])
            self.refused += len(rows) - accepted

    def subscribe(self, consumer: str) -> tuple[ReceiverLike | None, int]:
        """Return the one receiver to the one consumer."""
        return (self._receiver if consumer == self._sole_consumer else None), 0

    def close(self) -> None:
        """End it: what waits can still be received."""
        self._sender.drop()

    def received(self, consumer: str) -> Received:
        """Return what became of everything sent."""
        if consumer != self._sole_consumer:
            return Received(0, 0, 0, 0, self.sent, 0)
        s = self._receiver.statistics()
        return Received(s.delivered, 0, 0, s.depth + s.abandoned, 0, s.depth_peak)

    def lost(self, consumer: str) -> Lost:
        """Return the values that were refused."""
        return self._refused if consumer == self._sole_consumer else []
