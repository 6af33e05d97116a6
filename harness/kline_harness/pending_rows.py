"""Deliveries kept until enough rows are there to check or store them in bulk."""

from __future__ import annotations

from typing import Generic

from kline_harness.columns import Rows, T, gather


class Pending(Generic[T]):
    """A queue of runs of rows; adding costs the same however many rows a run has.

    Rows are taken in exact numbers, so what is done with them cannot depend on how the
    deliveries were cut.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._pieces: list[Rows[T]] = []

    def add(self, rows: Rows[T]) -> None:
        """Append one delivery."""
        self._pieces.append(rows)
        self.rows += rows.stop - rows.start

    def move(self, count: int, other: Pending[T]) -> None:
        """Move the oldest `count` rows (no more than there are) to the end of another queue."""
        for piece in self.cut(count):
            other.add(piece)

    def take(self, count: int) -> T:
        """Remove the oldest `count` rows (at least one, no more than there are) as one table."""
        return gather(self.cut(count))

    def cut(self, count: int) -> list[Rows[T]]:
        """Remove the oldest `count` rows (no more than there are) as they came."""
        head: list[Rows[T]] = []
        missing = count
        for piece in self._pieces:
            if missing == 0 or len(piece) > missing:
                break
            head.append(piece)
            missing -= len(piece)
        rest = self._pieces[len(head) :]
        if missing:
            head.append(rest[0][:missing])
            rest[0] = rest[0][missing:]
        self._pieces = rest
        self.rows -= count
        return head
