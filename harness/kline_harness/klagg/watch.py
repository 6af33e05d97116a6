"""tokio's watch channel: only the latest value, and for each receiver whether it has seen it.

Several values sent between two looks are coalesced into the last; how many a receiver never
saw is counted.

Source of the rules: documentation of tokio 1.24.2, `sync::watch`, sections "Change
notifications" and "Closing", and `WatchSender::send`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kline_harness.simulation.broadcast import HandleDropped, SendError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WatchSenderStatistics:
    """Values sent, and values handed back because there was no receiver (not in sent)."""

    sent: int
    rejected: int


@dataclass(frozen=True, slots=True)
class WatchReceiverStatistics:
    """What became of every value sent since this receiver was created.

    Invariant, at any moment, also after the drop: sent = seen + coalesced + unseen.

    seen: marked seen as the latest; coalesced: overwritten unseen; unseen: 1 while the latest
    value is not seen. A clone counts from the value its original had seen.
    """

    sent: int
    seen: int
    coalesced: int
    unseen: int

    @property
    def balanced(self) -> bool:
        """Whether every value is accounted for."""
        return self.sent == self.seen + self.coalesced + self.unseen


class _Channel(Generic[T]):
    """What all ends share; `version` counts the values sent after the first."""

    def __init__(self, value: T) -> None:
        self.value = value
        self.version = 0
        self.closed = False
        self.rejected = 0
        self.receivers: list[WatchReceiver[T]] = []

    def wake(self) -> None:
        # A waker may add or drop receivers, hence the copy.
        for receiver in tuple(self.receivers):
            if receiver.waker is not None:
                receiver.waker()


class WatchSender(Generic[T]):
    """The sending end; its drop closes the channel."""

    def __init__(self, shared: _Channel[T]) -> None:
        self._channel = shared
        self._dropped = False

    def send(self, value: T) -> None:
        """Replace the value and mark it unseen for every receiver, even if it is equal.

        Raises SendError, with the value, when there is no receiver: the value is unchanged, and
        a later subscriber does not see the one refused.
        """
        shared = self._live()
        if not shared.receivers:
            shared.rejected += 1
            raise SendError(value)
        shared.value = value
        shared.version += 1
        shared.wake()

    def borrow(self) -> T:
        """Return the latest value."""
        return self._channel.value

    def subscribe(self) -> WatchReceiver[T]:
        """Return a new receiver, to which the current value counts as seen."""
        shared = self._live()
        return WatchReceiver(shared, shared.version)

    def drop(self) -> None:
        """Close the channel, once; receivers still see the last value."""
        if self._dropped:
            return
        self._dropped = True
        self._channel.closed = True
        self._channel.wake()

    @property
    def receiver_count(self) -> int:
        """Receivers at this moment."""
        return len(self._channel.receivers)

    def statistics(self) -> WatchSenderStatistics:
        """Return the sender's account at this moment."""
        return WatchSenderStatistics(sent=self._channel.version, rejected=self._channel.rejected)

    def _live(self) -> _Channel[T]:
        if self._dropped:
            raise HandleDropped("this sender was dropped")
        return self._channel


class WatchReceiver(Generic[T]):
    """A receiving end with its own mark of what it has seen.

    waker is called after each send and when the sender is dropped, and stays in place.
    """

    def __init__(self, shared: _Channel[T], seen_version: int) -> None:
        self.waker: Callable[[], None] | None = None
        self._channel = shared
        self._start = self._seen_version = seen_version
        self._seen = 0
        self._dropped_version: int | None = None
        shared.receivers.append(self)

    @property
    def changed(self) -> bool:
        """Whether the latest value is unseen; stays so when the sender is dropped."""
        return self._live().version != self._seen_version

    @property
    def closed(self) -> bool:
        """Whether no further value can come; an unseen one may still wait."""
        return self._live().closed

    def borrow(self) -> T:
        """Return the latest value, which is not marked seen."""
        return self._live().value

    def borrow_and_update(self) -> T:
        """Return the latest value, marked seen."""
        shared = self._live()
        if self.changed:
            self._seen += 1
            self._seen_version = shared.version
        return shared.value

    def clone(self) -> WatchReceiver[T]:
        """Another receiver, which has seen what this one has seen."""
        return type(self)(self._live(), self._seen_version)

    def drop(self) -> None:
        """Leave the channel, once."""
        if self._dropped_version is not None:
            return
        self._dropped_version = self._channel.version
        self.waker = None
        self._channel.receivers.remove(self)

    def statistics(self) -> WatchReceiverStatistics:
        """Return this receiver's account at this moment, or at its drop."""
        dropped = self._dropped_version
        version = dropped if dropped is not None else self._channel.version
        sent = version - self._start
        unseen = int(version != self._seen_version)
        return WatchReceiverStatistics(
            sent=sent, seen=self._seen, coalesced=sent - self._seen - unseen, unseen=unseen
        )

    def _live(self) -> _Channel[T]:
        if self._dropped_version is not None:
            raise HandleDropped("this receiver was dropped")
        return self._channel


def channel(value: T) -> tuple[WatchSender[T], WatchReceiver[T]]:
    """Return a watch channel with a value, to which its receiver counts as up to date."""
    shared = _Channel(value)
    return WatchSender(shared), WatchReceiver(shared, shared.version)
