"""The older design of klagg's channel of finals: one consumer, and the newest are refused.

Source of the rules: docs/klagg.md, "The writer of finals"; documentation of tokio 1.24.2,
`sync::mpsc`, `Sender::try_send` and `Receiver::recv`. The capacity is not rounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, cast

from kline_harness.columns import Columns, Rows
from kline_harness.simulation.broadcast import Closed, Empty
from kline_harness.simulation.channels import Lost, Received, ReceiverLike
from kline_harness.simulation.segments import Batch


class QueueReceiver:
    """The one receiving end: what waits, in the order sent, as slices of the batches sent."""

    def __init__(self) -> None:
        self.waker: Callable[[], None] | None = None
        self.taken = 0
        self.depth_peak = 0
        self.has_left = False
        self._waiting: deque[Rows[Any]] = deque()
        self._depth = 0
        self._closed = False

    def accept(self, rows: Rows[Any]) -> None:
        """Let rows wait, of which there is at least one."""
        self._waiting.append(rows)
        self._depth += len(rows)
        self.depth_peak = max(self.depth_peak, self._depth)
        self._wake()

    def close(self) -> None:
        """Take no more; what waits can still be received."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self.waker is not None:
            self.waker()

    def try_recv_many(self, limit: int | None = None) -> Batch[Any]:
        """Return the next rows, at least one and at most `limit`: a slice of one batch sent.

        Raises Closed when nothing waits and nothing can come, Empty when nothing waits.
        """
        if not self._waiting:
            raise Closed("the channel is closed") if self._closed else Empty("nothing to receive")
        rows = self._waiting.popleft()
        if limit is not None and limit < len(rows):
            self._waiting.appendleft(rows[limit:])
            rows = rows[:limit]
        self._depth -= len(rows)
        self.taken += len(rows)
        return cast("Batch[Any]", rows)

    def drop(self) -> None:
        """Leave; what waits is not received any more."""
        self.has_left = True
        self.waker = None

    def __len__(self) -> int:
        """Rows that wait."""
        return self._depth


class QueueChannel:
    """One consumer; what it has not taken waits, and what finds no room is refused.

    The queue exists before its consumer: nothing is missed by starting late. Whoever else
    subscribes receives nothing.
    """

    design = "mpsc"

    def __init__(self, name: str, capacity: int, sole_consumer: str) -> None:
        self.name = name
        self.capacity = capacity
        self.published = self.sent = self.unsent = self.refused = 0
        self._sole_consumer = sole_consumer
        self._receiver = QueueReceiver()
        self._refused: Lost = []

    def publish(self, table: Columns, start: int, stop: int) -> None:
        """Offer rows of a table; the newest are refused when there is no room."""
        rows: Rows[Any] = Rows(table, start, stop)
        self.published += len(rows)
        if self._receiver.has_left:
            self.unsent += len(rows)
            return
        accepted = min(len(rows), self.capacity - len(self._receiver))
        if accepted:
            self.sent += accepted
            self._receiver.accept(rows[:accepted])
        if accepted < len(rows):
            self._refused.append(rows[accepted:])
            self.refused += len(rows) - accepted

    def subscribe(self, consumer: str) -> tuple[ReceiverLike | None, int]:
        """Return the one receiver to the one consumer."""
        return (self._receiver if consumer == self._sole_consumer else None), 0

    def close(self) -> None:
        """End it: what waits can still be received."""
        self._receiver.close()

    def received(self, consumer: str) -> Received:
        """Return what became of everything sent."""
        if consumer != self._sole_consumer:
            return Received(0, 0, 0, 0, self.sent, 0)
        one = self._receiver
        return Received(one.taken, 0, 0, len(one), 0, one.depth_peak)

    def lost(self, consumer: str) -> Lost:
        """Return the values that were refused."""
        return self._refused if consumer == self._sole_consumer else []
