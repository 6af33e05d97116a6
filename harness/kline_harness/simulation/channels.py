"""Channels to consumers: what a channel is, and the broadcast, which is one.

Other designs of the channel of finals are a subject's own (`interfaces.Subject`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from kline_harness.columns import Columns, Rows
from kline_harness.simulation.broadcast import Receiver, Sender, SendError
from kline_harness.simulation.segments import Batch

# The design that every scenario has.
BROADCAST = "broadcast"
KLINE_CAPACITY = 10_000
LIFE_CAPACITY = 4_096
Lost = list[Rows[Any]]


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """The two channels: capacities in values, and the design of that of the finals.

    With the broadcast every subscriber gets them, the oldest value that a slow one has not read is
    overwritten, and capacities are rounded up to a power of two. A design of a subject's own may
    serve `sole_consumer` alone. Without `life_published` the channel of lifecycle events exists
    but nothing is sent.
    """

    klines: int = KLINE_CAPACITY
    life: int = LIFE_CAPACITY
    design: str = BROADCAST
    sole_consumer: str = "writer"
    life_published: bool = True

    def __post_init__(self) -> None:
        if self.klines < 1 or self.life < 1:
            raise ValueError("expected capacities above zero")


@dataclass(frozen=True, slots=True)
class Received:
    """What became of the values sent to one receiver while it was there.

    `unread` were waiting, or overwritten unnoticed, when it left; `after` were sent after that.
    """

    delivered: int
    lagged: int
    lag_events: int
    unread: int
    after: int
    depth_peak: int


class ReceiverLike(Protocol):
    """A receiving end, as a consumer's process uses it."""

    waker: Callable[[], None] | None

    def try_recv_many(self, limit: int | None = None) -> Batch[Any]: ...
    def drop(self) -> None: ...
    def __len__(self) -> int: ...


class Channel(Protocol):
    """A channel as the simulation uses it: publish, subscribe, close, and what it counted.

    `published` values were offered, of which `sent` were taken by the channel; the others found
    no receiver (`unsent`) or no room (`refused`).
    """

    name: str
    design: str
    published: int

    @property
    def capacity(self) -> int: ...
    @property
    def sent(self) -> int: ...
    @property
    def unsent(self) -> int: ...
    @property
    def refused(self) -> int: ...
    def publish(self, table: Columns, start: int, stop: int) -> None: ...
    def subscribe(self, consumer: str) -> tuple[ReceiverLike | None, int]: ...
    def close(self) -> None: ...
    def received(self, consumer: str) -> Received: ...
    def lost(self, consumer: str) -> Lost: ...


class BroadcastChannel:
    """Every consumer sees every value sent after it subscribed, unless it lags.

    With `remember` it also keeps which values each consumer lost.
    """

    design = BROADCAST
    refused = 0

    def __init__(self, name: str, capacity: int, *, remember: bool = False) -> None:
        self.name = name
        self.published = 0
        self._sender: Sender[Any] = Sender.new(capacity)
        self._receivers: dict[str, Receiver[Any]] = {}
        self._remember = remember
        self._closed = False
        self._recent: deque[tuple[int, Rows[Any]]] = deque()
        self._lost: dict[str, Lost] = {}
        self._lost_until: dict[str, int] = {}

    @property
    def capacity(self) -> int:
        """Return how many values are retained."""
        return self._sender.capacity

    @property
    def sent(self) -> int:
        """Return how many values were sent while there was a receiver."""
        return self._sender.tail

    @property
    def unsent(self) -> int:
        """Return how many values found no receiver."""
        return self._sender.statistics().rejected

    def publish(self, table: Columns, start: int, stop: int) -> None:
        """Send rows of a table."""
        rows: Rows[Any] = Rows(table, start, stop)
        self.published += len(rows)
        if self._remember:
            self._note_overwritten(rows)
        try:
            self._sender.send_many(cast("Batch[Any]", rows))
        except SendError:
            # Nobody listens: the channel counts what it rejected, and so does the ledger.
            return

    def _note_overwritten(self, rows: Rows[Any]) -> None:
        """Find, before they are sent, which unread values these rows will overwrite."""
        tail = self._sender.tail
        if not self._sender.receiver_count:
            return
        self._recent.append((tail, rows))
        oldest = tail + len(rows) - self.capacity
        if oldest <= 0:
            return
        for consumer, receiver in self._receivers.items():
            first = max(receiver.position, self._lost_until.get(consumer, 0))
            if first < oldest and not receiver.dropped:
                self._lost.setdefault(consumer, []).extend(self._between(first, oldest))
                self._lost_until[consumer] = oldest
        while self._recent and self._recent[0][0] + len(self._recent[0][1]) <= oldest:
            self._recent.popleft()

    def _between(self, first: int, stop: int) -> Lost:
        pieces = []
        for start, rows in self._recent:
            piece = rows[max(0, first - start) : max(0, stop - start)]
            if len(piece):
                pieces.append(piece)
        return pieces

    def subscribe(self, consumer: str) -> tuple[ReceiverLike | None, int]:
        """Return a receiver of what is sent from now on, and how many values it missed.

        There is none once the channel is closed.
        """
        if self._closed:
            return None, self.sent
        receiver = self._receivers[consumer] = self._sender.subscribe()
        return receiver, self._sender.tail

    def close(self) -> None:
        """End it: what is retained can still be received."""
        self._closed = True
        self._sender.drop()

    def received(self, consumer: str) -> Received:
        """Return what became of everything sent since a consumer subscribed."""
        receiver = self._receivers.get(consumer)
        if receiver is None:
            return Received(0, 0, 0, 0, 0, 0)
        s = receiver.statistics()
        unread = s.overwritten + s.depth + s.abandoned
        after = self.sent - receiver.position - unread
        return Received(s.delivered, s.lagged, s.lag_events, unread, after, s.depth_peak)

    def lost(self, consumer: str) -> Lost:
        """Return the values that were overwritten before a consumer had read them."""
        return self._lost.get(consumer, [])
