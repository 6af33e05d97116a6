"""Chunks of many files, read ahead in a few threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")

# What decompresses and parses runs outside of the interpreter's lock, so that two threads use two
# cores. Of many files the chunks are short: two threads would mostly wait for the lock.
_THREADS = 2
_MANY_FILES = 64


class Ahead(Generic[T]):
    """An iterator of which one item can be made ahead, when that is asked for."""

    def __init__(self, threads: ThreadPoolExecutor, source: Iterator[T]) -> None:
        self._threads = threads
        self._source = source
        self._next: Future[T | None] | None = None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._next is None:
            return next(self._source)
        made, self._next = self._next, None
        item = made.result()
        if item is None:
            raise StopIteration
        return item

    def prepare(self) -> None:
        """Let a thread make the next item; nothing where it is at that already."""
        if self._next is None:
            self._next = self._threads.submit(next, self._source, None)


class ReadAhead:
    """The threads that read ahead in so many files, until the block that made them ends."""

    def __init__(self, files: int) -> None:
        threads = 1 if files > _MANY_FILES else _THREADS
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="reader")

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def over(self, source: Iterator[T]) -> Ahead[T]:
        """Return an iterator over the same items."""
        return Ahead(self._threads, source)
