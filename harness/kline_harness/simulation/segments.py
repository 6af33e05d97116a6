"""Batches in the order sent, found by position, never iterated: the storage of a channel."""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, Protocol, TypeVar, overload

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Batch(Protocol[T_co]):
    """Values in columns: a length, and slices that are batches again.

    An integer index is asked for only by `try_recv`, to give one value.
    """

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, index: int, /) -> T_co: ...

    @overload
    def __getitem__(self, index: slice, /) -> Batch[T_co]: ...


class Segment(NamedTuple, Generic[T]):
    """One batch, at positions [start, end)."""

    start: int
    end: int
    values: Batch[T]

    def count_from(self, position: int, limit: int | None) -> int:
        """How many values from this position on a reader gets, at most `limit`."""
        left = self.end - position
        return left if limit is None or limit > left else limit

    def value(self, position: int) -> T:
        """Return the value at this position."""
        return self.values[position - self.start]

    def piece(self, position: int, count: int) -> Batch[T]:
        """Return `count` values from this position on."""
        begin = position - self.start
        return self.values if count == len(self.values) else self.values[begin : begin + count]


class Segments(Generic[T]):
    """The batches that a channel still holds.

    Segments are numbered from 0 as positions are, so a reader that knows the number of its
    segment finds it in one step, however many were released before.
    """

    def __init__(self) -> None:
        self.tail = 0
        self.first_number = 0
        self._held: deque[Segment[T]] = deque()

    @property
    def next_number(self) -> int:
        """Number that the next batch will get."""
        return self.first_number + len(self._held)

    def append(self, values: Batch[T], count: int) -> None:
        """Keep a batch of `count` values, as it is, at the tail."""
        start = self.tail
        self.tail = start + count
        self._held.append(Segment(start, self.tail, values))

    def segment(self, number: int) -> Segment[T]:
        """Return the segment with this number, which must still be held."""
        return self._held[number - self.first_number]

    def release_before(self, position: int) -> None:
        """Forget every segment that lies wholly before this position."""
        held = self._held
        while held and held[0].end <= position:
            held.popleft()
            self.first_number += 1

    def __len__(self) -> int:
        """Segments held."""
        return len(self._held)


def check_limit(limit: int | None) -> None:
    """Refuse a read of nothing.

    Raises ValueError for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"the limit must be at least 1, got {limit}")
