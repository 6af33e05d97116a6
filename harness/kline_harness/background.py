"""Work that a second core does while the caller goes on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Generic, TypeVar

T = TypeVar("T")


@cache
def _thread() -> ThreadPoolExecutor:
    """Return the one thread: what jobs need at a time would add up with several."""
    return ThreadPoolExecutor(1, thread_name_prefix="background")


class InBackground:
    """Runs jobs one after the other in a thread, of which no more than `depth` are unfinished.

    What a job raises is raised by a later call, the first that waits for it.
    """

    def __init__(self, depth: int = 1) -> None:
        self._depth = depth
        self._jobs: deque[Future[object]] = deque()

    def run(self, job: Callable[[], object]) -> None:
        """Put a job behind those before it, once there are fewer than `depth`."""
        while len(self._jobs) >= self._depth:
            self._jobs.popleft().result()
        self._jobs.append(_thread().submit(job))

    def wait(self) -> None:
        """Return when nothing is left to do."""
        while self._jobs:
            self._jobs.popleft().result()


class _Relay(Generic[T]):
    """A bounded hand-over between one producing and one consuming thread."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[T] = deque()
        self._error: BaseException | None = None
        self._ended = False
        self._abandoned = False
        self._changed = threading.Condition()

    def fill(self, source: Iterator[T]) -> None:
        """Produce until the source ends or the consumer has left."""
        try:
            for item in source:
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._abandoned or len(self._items) < self._depth
                    )
                    if self._abandoned:
                        return
                    self._items.append(item)
                    self._changed.notify_all()
        except BaseException as error:
            self._error = error
        finally:
            try:
                # What failed is held by its error's traceback: its own threads end here.
                if isinstance(source, Generator):
                    source.close()
            finally:
                with self._changed:
                    self._ended = True
                    self._changed.notify_all()

    def narrow(self, depth: int) -> None:
        """Hold no more than `depth` items from now on."""
        with self._changed:
            self._depth = depth

    def take(self) -> T | None:
        """Return the next item, None after the last; raise what the source raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended)
            if self._items:
                self._changed.notify_all()
                return self._items.popleft()
            error, self._error = self._error, None
            try:
                if error is not None:
                    raise error
            finally:
                # No circle of error, traceback and frame: it would live on until it is collected.
                del error
            return None

    def abandon(self) -> None:
        """Let the producer go."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()


class Begun(Generic[T]):
    """What `source` yields, produced in a thread from now on, at most `early` items ahead.

    As soon as somebody takes them it is `depth` items. The thread ends with the source, or when
    this is closed, or the iteration over it.
    """

    def __init__(self, source: Iterator[T], early: int, depth: int = 1) -> None:
        self._relay: _Relay[T] = _Relay(early)
        self._depth = depth
        self._thread = threading.Thread(
            target=self._relay.fill, args=(source,), name="reader", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        self._relay.narrow(self._depth)
        try:
            while (item := self._relay.take()) is not None:
                yield item
        finally:
            self.close()

    def close(self) -> None:
        """End the thread; what was produced and not taken is let go."""
        self._relay.abandon()
        # The collector of garbage may close a dropped generator in any thread.
        if self._thread is not threading.current_thread():
            self._thread.join()


def in_background(source: Iterator[T], depth: int = 1) -> Iterator[T]:
    """Yield what `source` yields, produced in another thread at most `depth` items ahead.

    The thread ends with the source or when this generator is closed or dropped.
    """
    yield from Begun(source, depth, depth)
