"""tokio's bounded mpsc channel with non-blocking ends: a full queue refuses the newest value.

The opposite of the broadcast channel's policy, where the oldest is overwritten. The receiving
end has the same `try_recv` and `try_recv_many`, so a consumer runs on either.

Source of the rules: documentation of tokio 1.24.2, `sync::mpsc`, `QueueSender::try_send`,
`QueueReceiver::recv` and `QueueReceiver::close`. The capacity is not rounded. One choice: after
`QueueReceiver.close`, a drained queue is Closed, as `recv` says and as `try_recv` says from tokio
1.47.3 on; before, `try_recv` said Empty as long as a sender lived (tokio issue 7631).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kline_harness.simulation.broadcast import ChannelError, Closed, Empty, HandleDropped
from kline_harness.simulation.segments import Batch, Segment, Segments, check_limit

T = TypeVar("T")

PERMITS_MAX = (2**64 - 1) >> 3


class Full(ChannelError):
    """The queue has no room; `value` is what was sent."""

    def __init__(self, value: object) -> None:
        super().__init__("the channel is full")
        self.value = value


class SendClosed(Closed):
    """The receiver is closed or gone; `value` is what was sent, the whole batch for a batch."""

    def __init__(self, value: object) -> None:
        super().__init__("the channel's receiver is closed")
        self.value = value


@dataclass(frozen=True, slots=True)
class Statistics:
    """What became of every value offered.

    Invariant, at any moment: sent = delivered + depth + abandoned.

    sent: accepted; rejected: handed back or cut off, not in sent; depth: waiting;
    abandoned: waiting when the receiver was dropped.
    """

    sent: int
    delivered: int
    rejected: int
    depth: int
    depth_peak: int
    abandoned: int

    @property
    def balanced(self) -> bool:
        """Whether every value accepted is accounted for."""
        return self.sent == self.delivered + self.depth + self.abandoned


class _Channel(Generic[T]):
    """What all ends share: the queue between `position` and the tail, and the counters."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.segments: Segments[T] = Segments()
        self.position = 0
        self.senders = 0
        self.receiver_closed = False
        self.waker: Callable[[], None] | None = None
        self.rejected = 0
        self.depth_peak = 0
        self.abandoned = 0

    @property
    def depth(self) -> int:
        return self.segments.tail - self.position - self.abandoned

    def accept(self, values: Batch[T], count: int) -> None:
        self.segments.append(values, count)
        self.depth_peak = max(self.depth_peak, self.depth)
        self.wake()

    def wake(self) -> None:
        if self.waker is not None:
            self.waker()

    def statistics(self) -> Statistics:
        return Statistics(
            sent=self.segments.tail,
            delivered=self.position,
            rejected=self.rejected,
            depth=self.depth,
            depth_peak=self.depth_peak,
            abandoned=self.abandoned,
        )


class QueueSender(Generic[T]):
    """A sending end; the channel closes when the last clone is dropped."""

    def __init__(self, shared: _Channel[T]) -> None:
        self._channel = shared
        self._dropped = False
        shared.senders += 1

    def try_send(self, value: T) -> None:
        """Send one value if there is room.

        Raises Full when there is none and SendClosed, which is a Closed, when the receiver is
        closed or gone; both carry the value.
        """
        shared = self._open(1, value)
        if shared.depth == shared.capacity:
            shared.rejected += 1
            raise Full(value)
        shared.accept((value,), 1)

    def send_many(self, values: Batch[T]) -> int:
        """Send a batch, exactly as that many `try_send` with nothing between, at constant cost.

        Returns how many were accepted: the first ones; the tail of the batch is lost and
        counted. The batch is kept as it is, so it must not change afterwards.

        Raises SendClosed, with the whole batch, when the receiver is closed or gone.
        """
        count = len(values)
        if not count:
            return 0
        shared = self._open(count, values)
        accepted = min(count, shared.capacity - shared.depth)
        shared.rejected += count - accepted
        if accepted:
            shared.accept(values if accepted == count else values[:accepted], accepted)
        return accepted

    def _open(self, count: int, handed_back: object) -> _Channel[T]:
        shared = self._live()
        # Closed is looked at before room, as in tokio: a full and closed channel is Closed.
        if shared.receiver_closed:
            shared.rejected += count
            raise SendClosed(handed_back)
        return shared

    def clone(self) -> QueueSender[T]:
        """Return another sender of this channel."""
        return type(self)(self._live())

    def drop(self) -> None:
        """Give this sender up, once; the last drop closes the channel."""
        if self._dropped:
            return
        self._dropped = True
        self._channel.senders -= 1
        if not self._channel.senders:
            self._channel.wake()

    def __len__(self) -> int:
        """Values waiting."""
        return self._channel.depth

    @property
    def capacity(self) -> int:
        """Values that can wait at once (tokio's `max_capacity`)."""
        return self._channel.capacity

    def statistics(self) -> Statistics:
        """Return the channel's account at this moment."""
        return self._channel.statistics()

    def _live(self) -> _Channel[T]:
        if self._dropped:
            raise HandleDropped("this sender was dropped")
        return self._channel


class QueueReceiver(Generic[T]):
    """The one receiving end."""

    def __init__(self, shared: _Channel[T]) -> None:
        self._channel = shared
        self._dropped = False

    @property
    def waker(self) -> Callable[[], None] | None:
        """Called after each accepted send and when either side closes; stays in place."""
        return self._channel.waker

    @waker.setter
    def waker(self, waker: Callable[[], None] | None) -> None:
        self._channel.waker = waker

    def try_recv(self) -> T:
        """Return the next value, in the order sent.

        Raises Closed when either side is closed and the queue is drained, else Empty.
        """
        segment, position, _ = self._take(1)
        return segment.value(position)

    def try_recv_many(self, limit: int | None = None) -> Batch[T]:
        """Return the next values, at least one and at most `limit`: a slice of one batch sent.

        Raises Closed and Empty as `try_recv`; ValueError for a limit below 1.
        """
        check_limit(limit)
        segment, position, count = self._take(limit)
        return segment.piece(position, count)

    def _take(self, limit: int | None) -> tuple[Segment[T], int, int]:
        shared = self._live()
        if not shared.depth:
            closed = shared.receiver_closed or not shared.senders
            raise Closed("the channel is closed") if closed else Empty("nothing to receive")
        position = shared.position
        segment = shared.segments.segment(shared.segments.first_number)
        count = segment.count_from(position, limit)
        shared.position = position + count
        shared.segments.release_before(shared.position)
        return segment, position, count

    def drain(self) -> list[Batch[T]]:
        """Everything waiting, batch by batch; an empty list when nothing is."""
        pieces = []
        while self._live().depth:
            pieces.append(self.try_recv_many())
        return pieces

    def close(self) -> None:
        """Accept nothing more; what waits can still be received."""
        shared = self._live()
        shared.receiver_closed = True
        shared.wake()

    def drop(self) -> None:
        """Close, once, and abandon what waits."""
        if self._dropped:
            return
        shared = self._channel
        self._dropped = True
        shared.receiver_closed = True
        shared.waker = None
        shared.abandoned = shared.depth
        shared.segments.release_before(shared.segments.tail)

    def __len__(self) -> int:
        """Values waiting."""
        return self._live().depth

    @property
    def position(self) -> int:
        """Values received so far."""
        return self._channel.position

    def statistics(self) -> Statistics:
        """Return the channel's account at this moment, or at the drop."""
        return self._channel.statistics()

    def _live(self) -> _Channel[T]:
        if self._dropped:
            raise HandleDropped("this receiver was dropped")
        return self._channel


def channel(capacity: int) -> tuple[QueueSender[T], QueueReceiver[T]]:
    """Return a bounded channel with one sender and its receiver.

    Raises ValueError for a capacity outside 1 .. usize::MAX / 8, where tokio panics.
    """
    if not 1 <= capacity <= PERMITS_MAX:
        raise ValueError(
            f"an mpsc channel's capacity must be between 1 and {PERMITS_MAX}, got {capacity}"
        )
    shared: _Channel[T] = _Channel(capacity)
    return QueueSender(shared), QueueReceiver(shared)
