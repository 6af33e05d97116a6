"""The channel of finals, in both designs: every listener gets all, or they share what there is."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The channel is closed, and everything in it was received."""


class Lagged(Exception):
    """So many values were overwritten before they were received."""

    def __init__(self, missed: int) -> None:
        super().__init__(missed)
        self.missed = missed


class Receiver(Generic[T]):
    """One end of a channel."""

    def __init__(self, waiting: deque[T], capacity: int) -> None:
        self.waiting, self.capacity = waiting, capacity
        self.missed = 0
        self.ready = asyncio.Event()
        self.closed = False

    async def receive(self) -> T:
        """Return the next value.

        Raises Lagged, once for all that was missed, and Closed.
        """
        while True:
            if self.missed:
                missed, self.missed = self.missed, 0
                raise Lagged(missed)
            if self.waiting:
                return self.waiting.popleft()
            if self.closed:
                raise Closed
            self.ready.clear()
            await self.ready.wait()


class Broadcast(Generic[T]):
    """Every receiver gets every value; of one that is too slow the oldest are overwritten."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._receivers: list[Receiver[T]] = []
        self.lost = 0

    def subscribe(self) -> Receiver[T]:
        """Return a receiver of all that is sent from now on."""
        receiver: Receiver[T] = Receiver(deque(), self._capacity)
        self._receivers.append(receiver)
        return receiver

    def send(self, value: T) -> None:
        """Send to every receiver; never waits."""
        for receiver in self._receivers:
            if len(receiver.waiting) == self._capacity:
                receiver.waiting.popleft()
                receiver.missed += 1
            receiver.waiting.append(value)
            receiver.ready.set()

    def close(self) -> None:
        """End the channel."""
        for receiver in self._receivers:
            receiver.closed = True
            receiver.ready.set()


class Mpsc(Generic[T]):
    """One queue: a value goes to whoever asks first, so two who listen share what there is.

    Of a full queue the newest value is lost.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[T] = deque()
        self._receivers: list[Receiver[T]] = []
        self.lost = 0

    def subscribe(self) -> Receiver[T]:
        """Return one more end of the same queue."""
        receiver = Receiver(self._waiting, self._capacity)
        self._receivers.append(receiver)
        return receiver

    def send(self, value: T) -> None:
        """Put into the queue; never waits."""
        if len(self._waiting) == self._capacity:
            self.lost += 1
            return
        self._waiting.append(value)
        # Who waited longest is woken.
        for receiver in self._receivers:
            if not receiver.ready.is_set():
                receiver.ready.set()
                self._receivers.remove(receiver)
                self._receivers.append(receiver)
                return

    def close(self) -> None:
        """End the channel."""
        for receiver in self._receivers:
            receiver.closed = True
            receiver.ready.set()
