"""tokio's broadcast channel: a bounded ring that every receiver reads at its own pace.

A send never waits: it overwrites the oldest value. A receiver that falls further behind than
the capacity is told how many values it missed. Positions number the values from 0; values are
stored as the batches they were sent in, and never iterated.

Source of the rules: documentation of tokio 1.24.2, `sync::broadcast`, sections "Lagging" and
"Closing"; held to recorded operations in `fixtures/tokio-broadcast`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kline_harness.simulation.segments import Batch, Segment, Segments, check_limit

T = TypeVar("T")

USIZE_MAX = 2**64 - 1


class ChannelError(Exception):
    """What a channel says instead of a value.

    ChannelError
      Empty           nothing to receive now          the receiver waits
      Closed          nothing to receive any more     the receiver ends
      Lagged          values were lost                the receiver counts them and goes on
      SendError       nobody to send to               the sender keeps the value
      HandleDropped   an end used after its drop      the caller has a defect
    """


class Empty(ChannelError):
    """Nothing is waiting for this receiver, and more may come."""


class Closed(ChannelError):
    """Nothing is waiting for this receiver, and nothing can come."""


class Lagged(ChannelError):
    """The receiver fell behind: `missed` values were overwritten before it read them."""

    def __init__(self, missed: int) -> None:
        super().__init__(f"the receiver lagged and missed {missed} values")
        self.missed = missed


class SendError(ChannelError):
    """No receiver exists; `value` is what was sent, the whole batch for a batch."""

    def __init__(self, value: object) -> None:
        super().__init__("the channel has no receivers")
        self.value = value


class HandleDropped(ChannelError):
    """A sender or receiver was used after it was dropped."""


@dataclass(frozen=True, slots=True)
class ReceiverStatistics:
    """What became of every value sent since this receiver subscribed.

    Invariant, at any moment, also after the drop:
    sent = delivered + lagged + overwritten + depth + abandoned.

    lagged: missed and reported by `Lagged`; overwritten: missed, not reported yet;
    depth: retained and unread; abandoned: retained and unread at the drop.
    """

    sent: int
    delivered: int
    lagged: int
    lag_events: int
    overwritten: int
    depth: int
    depth_peak: int
    abandoned: int

    @property
    def balanced(self) -> bool:
        """Whether every value is accounted for."""
        lost, unread = self.lagged + self.overwritten, self.depth + self.abandoned
        return self.sent == self.delivered + lost + unread


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """Totals of the channel over all receivers it ever had.

    sent counts a value once however many receive it; delivered, lagged and lag_events count
    it once per receiver. rejected: handed back because there was no receiver.
    depth: retained values that some receiver has not read.
    """

    sent: int
    rejected: int
    delivered: int
    lagged: int
    lag_events: int
    depth: int
    depth_peak: int


class _Channel(Generic[T]):
    """What all ends share: the retained segments, the receivers, the counters."""

    def __init__(self, capacity: int) -> None:
        self.capacity = rounded_capacity(capacity)
        self.segments: Segments[T] = Segments()
        self.receivers: list[Receiver[T]] = []
        self.senders = 0
        self.closed = False
        self.rejected = 0
        self.delivered = 0
        self.lagged = 0
        self.lag_events = 0
        self.depth_peak = 0

    @property
    def tail(self) -> int:
        return self.segments.tail

    def missed(self, position: int) -> int:
        """How many values from this position on are overwritten."""
        return max(0, self.tail - self.capacity - position)

    def depth(self) -> int:
        """Retained values unread by someone: those of the slowest receiver."""
        slowest = min((receiver.position for receiver in self.receivers), default=self.tail)
        return min(self.tail - slowest, self.capacity)

    def append(self, values: Batch[T], count: int) -> None:
        self.segments.append(values, count)
        self.segments.release_before(self.tail - self.capacity)

    def release_read(self) -> None:
        """Forget what no receiver can read any more."""
        self.segments.release_before(self.tail - self.depth())

    def wake(self) -> None:
        # A waker may subscribe or drop receivers, hence the copy.
        for receiver in tuple(self.receivers):
            if receiver.waker is not None:
                receiver.waker()


class Sender(Generic[T]):
    """The sending end; the channel closes when the last clone is dropped."""

    def __init__(self, shared: _Channel[T]) -> None:
        self._channel = shared
        self._dropped = False
        shared.senders += 1

    @classmethod
    def new(cls, capacity: int) -> Sender[T]:
        """Return a channel without receivers; raises ValueError as `channel` does."""
        return cls(_Channel(capacity))

    def send(self, value: T) -> int:
        """Send one value and return how many receivers there are.

        They may still miss it: a full ring overwrites its oldest value.

        Raises SendError, with the value, when there is no receiver: the tail does not advance.
        """
        return self._send((value,), 1, value)

    def send_many(self, values: Batch[T]) -> int:
        """Send a batch, exactly as that many sends with nothing between, at constant cost.

        The batch is kept as it is, so it must not change afterwards. An empty one cannot fail.

        Raises SendError, with the whole batch, when there is no receiver.
        """
        count = len(values)
        return self._send(values, count, values) if count else self.receiver_count

    def _send(self, values: Batch[T], count: int, handed_back: object) -> int:
        shared = self._live()
        receivers = len(shared.receivers)
        if not receivers:
            shared.rejected += count
            raise SendError(handed_back)
        shared.append(values, count)
        shared.wake()
        return receivers

    def subscribe(self) -> Receiver[T]:
        """Return a new receiver that sees only what is sent from now on."""
        return Receiver(self._live())

    def clone(self) -> Sender[T]:
        """Return another sender of this channel."""
        return type(self)(self._live())

    def drop(self) -> None:
        """Give this sender up, once; the last drop closes the channel."""
        if self._dropped:
            return
        self._dropped = True
        self._channel.senders -= 1
        if not self._channel.senders:
            self._channel.closed = True
            self._channel.wake()

    def __len__(self) -> int:
        """Retained values that some receiver has not read."""
        return self._channel.depth()

    @property
    def receiver_count(self) -> int:
        """Receivers subscribed at this moment."""
        return len(self._channel.receivers)

    @property
    def capacity(self) -> int:
        """Values retained: the capacity asked for, rounded up to a power of two."""
        return self._channel.capacity

    @property
    def tail(self) -> int:
        """Position that the next value will get."""
        return self._channel.tail

    def statistics(self) -> ChannelStatistics:
        """Return the channel's totals at this moment."""
        shared = self._channel
        depth = shared.depth()
        return ChannelStatistics(
            sent=shared.tail,
            rejected=shared.rejected,
            delivered=shared.delivered,
            lagged=shared.lagged,
            lag_events=shared.lag_events,
            depth=depth,
            depth_peak=max(shared.depth_peak, depth),
        )

    def _live(self) -> _Channel[T]:
        if self._dropped:
            raise HandleDropped("this sender was dropped")
        return self._channel


class Receiver(Generic[T]):
    """A receiving end with its own position.

    waker is called after each send and when the channel closes, and stays in place.
    """

    def __init__(self, shared: _Channel[T]) -> None:
        self.waker: Callable[[], None] | None = None
        self._channel = shared
        self._start = self._position = shared.tail
        self._segment_number = shared.segments.next_number
        self._dropped_tail: int | None = None
        self._lagged = 0
        self._lag_events = 0
        self._depth_peak = 0
        shared.receivers.append(self)

    def try_recv(self) -> T:
        """Return the next value, in the order sent.

        Raises Lagged when values were missed: the next call gives the oldest one retained,
        unless it was overwritten meanwhile. Raises Closed when closed and drained, else Empty.
        """
        segment, position, _ = self._take(1)
        return segment.value(position)

    def try_recv_many(self, limit: int | None = None) -> Batch[T]:
        """Return the next values, at least one and at most `limit`: a slice of one batch sent.

        Exactly as that many `try_recv` with nothing between.

        Raises Lagged, Closed and Empty as `try_recv`; ValueError for a limit below 1.
        """
        check_limit(limit)
        segment, position, count = self._take(limit)
        return segment.piece(position, count)

    def _take(self, limit: int | None) -> tuple[Segment[T], int, int]:
        """Advance over the next values: their segment, first position and count."""
        shared = self._live()
        position = self._position
        self._observe_depth()
        if shared.missed(position):
            raise self._skip_missed()
        if position == shared.tail:
            raise Closed("the channel is closed") if shared.closed else Empty("nothing to receive")
        segment = shared.segments.segment(self._segment_number)
        count = segment.count_from(position, limit)
        self._position = position + count
        shared.delivered += count
        if self._position == segment.end:
            self._leave_segment()
        return segment, position, count

    def _leave_segment(self) -> None:
        self._segment_number += 1
        # Only leaving the oldest segment can free anything; other readers skip the search.
        if self._segment_number == self._channel.segments.first_number + 1:
            self._channel.release_read()

    def _skip_missed(self) -> Lagged:
        """Move to the oldest value retained and account for those missed."""
        shared = self._channel
        missed = shared.missed(self._position)
        self._position += missed
        # What is overwritten is released at once, so the oldest value is in the first segment.
        self._segment_number = shared.segments.first_number
        self._lagged += missed
        self._lag_events += 1
        shared.lagged += missed
        shared.lag_events += 1
        return Lagged(missed)

    def _observe_depth(self) -> None:
        # Depth only grows between two reads, so looking before each read finds every peak. The
        # channel's depth is that of its slowest receiver, so its peak is the highest of theirs.
        depth = min(self._channel.tail - self._position, self._channel.capacity)
        if depth > self._depth_peak:
            self._depth_peak = depth
            self._channel.depth_peak = max(self._channel.depth_peak, depth)

    def resubscribe(self) -> Receiver[T]:
        """Return a new receiver of this channel that sees only what is sent from now on."""
        return type(self)(self._live())

    def drop(self) -> None:
        """Unsubscribe, once, and abandon what is unread."""
        if self._dropped_tail is not None:
            return
        self._observe_depth()
        self._dropped_tail = self._channel.tail
        self.waker = None
        self._channel.receivers.remove(self)
        self._channel.release_read()

    def __len__(self) -> int:
        """Values not yet received, the overwritten ones too: above `capacity`, a lag is due."""
        return self._live().tail - self._position

    @property
    def position(self) -> int:
        """Position of the value to receive next."""
        return self._position

    @property
    def dropped(self) -> bool:
        """Whether it has left."""
        return self._dropped_tail is not None

    def statistics(self) -> ReceiverStatistics:
        """Return this receiver's account at this moment, or at its drop."""
        tail = self._dropped_tail if self._dropped_tail is not None else self._channel.tail
        unread = tail - self._position
        retained = min(unread, self._channel.capacity)
        return ReceiverStatistics(
            sent=tail - self._start,
            delivered=self._position - self._start - self._lagged,
            lagged=self._lagged,
            lag_events=self._lag_events,
            overwritten=unread - retained,
            depth=0 if self.dropped else retained,
            depth_peak=max(self._depth_peak, retained),
            abandoned=retained if self.dropped else 0,
        )

    def _live(self) -> _Channel[T]:
        if self.dropped:
            raise HandleDropped("this receiver was dropped")
        return self._channel


def rounded_capacity(capacity: int) -> int:
    """Return the smallest power of two that holds `capacity` values.

    Raises ValueError outside 1 .. usize::MAX / 2 (64 bits), where tokio panics.
    """
    if not 1 <= capacity <= USIZE_MAX >> 1:
        raise ValueError(
            f"a broadcast channel's capacity must be between 1 and {USIZE_MAX >> 1}, got {capacity}"
        )
    return 1 << (capacity - 1).bit_length()


def channel(capacity: int) -> tuple[Sender[T], Receiver[T]]:
    """Return a broadcast channel with one sender and one receiver.

    Raises ValueError for a capacity outside 1 .. usize::MAX / 2.
    """
    sender: Sender[T] = Sender.new(capacity)
    return sender, sender.subscribe()
