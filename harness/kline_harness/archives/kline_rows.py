"""The klines of one file by row number, a long file's on disk: memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.column_spool import ColumnPlace, ColumnSpool
from kline_harness.columns import Instrument, concat
from kline_harness.interval import CODE, Interval
from kline_harness.kline import FIELDS, KlineBatch, Trigger
from kline_harness.units import ExactArray, Int64Array, inverse

# Rows that are in memory at a time; a file of fewer than the least is kept there, as long as so
# many files together have no more than the most.
BLOCK_ROWS = 32_768
_LEAST_ROWS = 16_384
_MOST_ROWS = 131_072
_CLOSES = "closes"


class RowSpool(ColumnSpool):
    """The columns of the exchange's klines, of any number of files."""

    def __init__(self) -> None:
        super().__init__()
        self._short_rows = 0
        # The rows that were read last, of whatever file, and which they are.
        self.last: tuple[object, int, KlineBatch, Int64Array] | None = None

    def takes(self, rows: int) -> bool:
        """Tell whether a block of so many rows belongs on disk, and count it if it does not."""
        if rows >= _LEAST_ROWS or self._short_rows + rows > _MOST_ROWS:
            return True
        self._short_rows += rows
        return False


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows that follow each other: their columns in memory, or where they are on disk."""

    rows: int
    instrument: Instrument
    columns: dict[str, ExactArray]
    places: dict[str, ColumnPlace]


class KlineRows:
    """Klines of one symbol and interval, added block by block in the order of their file.

    `fields` are those of the nine that are stated; the others are 0. Close times are exclusive:
    the file's where it states them, else the interval's. All are published by the tick at their
    close, and have no trade ids (-1).
    """

    def __init__(self, fields: tuple[str, ...], *, closes_stated: bool, spool: RowSpool) -> None:
        self.fields = fields
        self._closes_stated = closes_stated
        self._spool = spool
        self._interval: Interval | None = None
        self._instrument: Instrument | None = None
        self._waiting: list[tuple[KlineBatch, Int64Array]] = []
        self._blocks: list[_Block] = []
        self._starts: Int64Array = np.zeros(1, dtype=np.int64)
        self._turned = False
        self._moved_ns = 0

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def interval(self) -> Interval:
        """The one interval that every row of the file has."""
        assert self._interval is not None
        return self._interval

    @property
    def instrument(self) -> Instrument:
        """The symbol at the finest scales of any row."""
        assert self._instrument is not None
        return self._instrument

    def add(self, batch: KlineBatch, closes_ns: Int64Array, interval: Interval) -> None:
        """Add the next rows of the file; they can be read after `end`.

        Raises OutputError where the disk has no room for them.
        """
        (one,) = batch.instruments
        self._interval = interval
        self._instrument = one if self._instrument is None else self._instrument.finest(one)
        self._waiting.append((batch, closes_ns))
        if sum(len(batch) for batch, _ in self._waiting) >= BLOCK_ROWS:
            self._store()

    def end(self) -> None:
        """Take the rows for complete; those of a file with the newest first are turned round."""
        self._store(whole=True)
        # What is left of it has no rows, but would keep all that were read.
        self._waiting.clear()
        self._starts = np.cumsum([0, *(block.rows for block in self._blocks)], dtype=np.int64)

    def turn_round(self) -> None:
        """Count the rows from the last one of the file."""
        self._turned = not self._turned

    def moved(self, by_ns: int) -> KlineRows:
        """Return the same rows with every time so much later."""
        moved = copy(self)
        moved._moved_ns = self._moved_ns + by_ns
        return moved

    def opens_ns(self) -> Int64Array:
        """Return the open times of all rows."""
        return self._whole("open_time_ns")

    def closes_ns(self) -> Int64Array:
        """Return the close times of all rows."""
        if self._closes_stated:
            return self._whole(_CLOSES)
        moved = np.int64(self._moved_ns)
        return self.interval.close_times_ns(self._whole("open_time_ns") - moved) + moved

    def whole(self) -> KlineBatch:
        """Return all rows as one batch: of a file of seconds that takes much memory."""
        return concat([batch for batch, _ in self.pieces()])

    def pieces(self) -> Iterator[tuple[KlineBatch, Int64Array]]:
        """Yield the rows with their close times, block by block."""
        for number in range(len(self._blocks)):
            yield self.piece(number)

    def piece(self, number: int) -> tuple[KlineBatch, Int64Array]:
        """Return the rows of a block, of those that `pieces` yields."""
        if not self._turned:
            return self._read(number)
        batch, closes = self._read(len(self._blocks) - 1 - number)
        return batch[::-1], closes[::-1]

    @property
    def blocks(self) -> int:
        """How many pieces there are."""
        return len(self._blocks)

    def take(self, rows: NDArray[Any]) -> tuple[KlineBatch, Int64Array]:
        """Return some rows in the order given, with their close times."""
        wanted = len(self) - 1 - rows if self._turned else rows
        order = None
        if np.any(wanted[1:] < wanted[:-1]):
            order = np.argsort(wanted, kind="stable")
            wanted = wanted[order]
        cuts = np.searchsorted(wanted, self._starts)
        parts = []
        for number in np.flatnonzero(np.diff(cuts)).tolist():
            batch, closes = self._read(number)
            mine = wanted[cuts[number] : cuts[number + 1]] - self._starts[number]
            first, stop = int(mine[0]), int(mine[-1]) + 1
            if stop - first == len(mine) and np.all(mine[1:] > mine[:-1]):
                # Rows that follow each other need no copy.
                parts.append((batch[first:stop], closes[first:stop]))
            else:
                parts.append((batch.take(mine), closes[mine]))
        if not parts:
            return KlineBatch.empty((self.instrument,)), np.empty(0, dtype=np.int64)
        found = concat([batch for batch, _ in parts])
        times = np.concatenate([closes for _, closes in parts])
        if order is None:
            return found, times
        back = inverse(order)
        return found.take(back), times[back]

    def _store(self, *, whole: bool = False) -> None:
        """Store what waits in blocks of one size; what is left over too, if that is the whole."""
        if not self._waiting:
            return
        batch = concat([batch for batch, _ in self._waiting])
        closes = np.concatenate([closes for _, closes in self._waiting])
        full = len(batch) if whole else len(batch) // BLOCK_ROWS * BLOCK_ROWS
        self._waiting = [(batch[full:], closes[full:])]
        for start in range(0, full, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, full)
            self._keep(batch[start:stop], closes[start:stop])

    def _keep(self, batch: KlineBatch, closes: Int64Array) -> None:
        columns: dict[str, ExactArray] = {
            name: getattr(batch, name) for name in ("open_time_ns", *self.fields)
        }
        if self._closes_stated:
            columns[_CLOSES] = closes
        rows, (one,) = len(batch), batch.instruments
        if self._spool.takes(rows):
            places = {name: self._spool.write(column) for name, column in columns.items()}
            self._blocks.append(_Block(rows, one, {}, places))
        else:
            # A view would keep all that was read with it.
            kept = {name: column.copy() for name, column in columns.items()}
            self._blocks.append(_Block(rows, one, kept, {}))

    def _column(self, block: _Block, name: str) -> ExactArray:
        if name in block.places:
            return self._spool.read(block.places[name])
        return block.columns[name]

    def _whole(self, name: str) -> Int64Array:
        out = np.empty(len(self), dtype=np.int64)
        for block, start in zip(self._blocks, self._starts.tolist(), strict=False):
            out[start : start + block.rows] = self._column(block, name)
        out += self._moved_ns
        return out[::-1] if self._turned else out

    def _read(self, number: int) -> tuple[KlineBatch, Int64Array]:
        """Return a block in the order of the file; the last one read of all files is kept."""
        last = self._spool.last
        if last is None or last[0] is not self or last[1] != number:
            self._spool.last = last = (self, number, *self._made(self._blocks[number]))
        return last[2:]

    def _made(self, block: _Block) -> tuple[KlineBatch, Int64Array]:
        opens: Int64Array = self._column(block, "open_time_ns")
        due = self.interval.close_times_ns(opens)
        closes = self._column(block, _CLOSES) if self._closes_stated else due
        later = np.int64(self._moved_ns)
        nothing, unknown = np.zeros((2, block.rows), dtype=np.int64)
        unknown[:] = -1
        columns: dict[str, ExactArray] = dict.fromkeys(FIELDS, nothing)
        columns |= {name: self._column(block, name) for name in self.fields}
        batch = KlineBatch.build(
            (block.instrument,),
            columns
            | {
                "symbol": nothing.astype(np.int16),
                "interval": np.full(block.rows, CODE[self.interval], dtype=np.int8),
                "open_time_ns": opens + later,
                "first_trade_id": unknown,
                "last_trade_id": unknown,
                "at_ns": due + later,
                "trigger": np.full(block.rows, Trigger.TICK, dtype=np.int8),
            },
        )
        return batch.over((self.instrument,)), closes + later
