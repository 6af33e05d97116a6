"""Final klines in the order in which they came, those of a long run on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.column_spool import ColumnPlace, ColumnSpool
from kline_harness.columns import Instrument, Rows, concat
from kline_harness.kline import KlineBatch
from kline_harness.pending_rows import Pending
from kline_harness.units import inverse

# Rows that are kept together on disk; fewer stay in memory.
BLOCK_ROWS = 32_768


@dataclass(frozen=True, slots=True)
class _Block:
    """Klines on disk: where each of their columns is."""

    instruments: tuple[Instrument, ...]
    columns: dict[str, ColumnPlace]


@dataclass(slots=True)
class KeptKlines:
    """Klines that can be read again, some at a time or by their row numbers.

    Raises OutputError where the disk has no room for them.
    """

    _waiting: Pending[KlineBatch] = field(default_factory=Pending)
    _spool: ColumnSpool = field(default_factory=ColumnSpool)
    _blocks: list[_Block] = field(default_factory=list)
    _last: tuple[int, KlineBatch] | None = None

    def __len__(self) -> int:
        return len(self._blocks) * BLOCK_ROWS + self._waiting.rows

    def add(self, rows: Rows[KlineBatch]) -> None:
        """Keep klines."""
        self._waiting.add(rows)
        self._last = None
        while self._waiting.rows >= BLOCK_ROWS:
            batch = self._waiting.take(BLOCK_ROWS)
            places = {n: self._spool.write(getattr(batch, n)) for n in batch.column_names()}
            self._blocks.append(_Block(batch.instruments, places))

    def pieces(self) -> Iterator[KlineBatch]:
        """Yield all klines, some at a time."""
        for number in range(self.blocks):
            yield self.piece(number)

    @property
    def blocks(self) -> int:
        """How many pieces there are."""
        return len(self._blocks) + (self._waiting.rows > 0)

    def rows_of(self, number: int) -> int:
        """Count the klines of one of the pieces."""
        return BLOCK_ROWS if number < len(self._blocks) else self._waiting.rows

    def piece(self, number: int) -> KlineBatch:
        """Return one of the pieces; the last one read is kept."""
        if self._last is None or self._last[0] != number:
            self._last = None
            self._last = (number, self._read(number))
        return self._last[1]

    def after(self, pieces: int) -> KeptKlines:
        """Return the klines after so many pieces."""
        if pieces >= self.blocks:
            return KeptKlines()
        return KeptKlines(self._waiting, self._spool, self._blocks[pieces:])

    def whole(self) -> KlineBatch:
        """Return all klines as one table."""
        return concat(list(self.pieces())) if len(self) else KlineBatch.empty()

    def take(self, rows: NDArray[Any]) -> KlineBatch:
        """Return some klines (at least one), in the order given."""
        order = None if np.all(rows[1:] >= rows[:-1]) else np.argsort(rows, kind="stable")
        wanted = rows if order is None else rows[order]
        number = wanted // BLOCK_ROWS
        cuts = [*np.flatnonzero(np.diff(number, prepend=-1)).tolist(), len(wanted)]
        found = concat(
            [
                self.piece(int(number[start])).take(wanted[start:stop] % BLOCK_ROWS)
                for start, stop in pairwise(cuts)
            ]
        )
        return found if order is None else found.take(inverse(order))

    def _read(self, number: int) -> KlineBatch:
        if number < len(self._blocks):
            block = self._blocks[number]
            columns = {name: self._spool.read(place) for name, place in block.columns.items()}
            return KlineBatch.build(block.instruments, columns)
        batch = self._waiting.take(self._waiting.rows)
        self._waiting.add(Rows.all(batch))
        return batch
