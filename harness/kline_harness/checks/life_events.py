"""Lifecycle events of all series as plain columns, sorted by series."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.checks.series import INTERVAL_CODES, small
from kline_harness.columns import Instrument
from kline_harness.compiled.pick import picked
from kline_harness.interval import close_times_by_code
from kline_harness.kline import Life, LifeBatch
from kline_harness.units import BoolArray, Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Events of klines.

    `key` is the series; `close_ns` the kline's exclusive close time; `position` the number of
    events delivered before.
    """

    key: NDArray[np.int32]
    life: NDArray[np.int8]
    trigger: NDArray[np.int8]
    open_ns: Int64Array
    close_ns: Int64Array
    at_ns: Int64Array
    position: Int64Array

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: NDArray[Any]) -> Events:
        """Return the rows of an index array or a mask."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Events(*picked([getattr(self, field.name) for field in fields(self)], chosen))

    def join(self, other: Events) -> Events:
        """Return these events and then the others."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Events(*(np.concatenate(pair) for pair in pairs))

    @property
    def opened(self) -> BoolArray:
        """Mark the openings."""
        return self.life <= Life.OPENED_LIVE

    @staticmethod
    def empty() -> Events:
        """Return no events."""
        nothing = np.empty(0, dtype=np.int64)
        codes = nothing.astype(np.int8)
        return Events(nothing.astype(np.int32), codes, codes, *(nothing,) * 4)


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """Clock ticks that were processed: the time each told, when, and its place among events."""

    time_ns: Int64Array
    at_ns: Int64Array
    position: Int64Array

    def __len__(self) -> int:
        return len(self.time_ns)

    def join(self, other: Ticks) -> Ticks:
        """Return these ticks and then the others."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Ticks(*(np.concatenate(pair) for pair in pairs))

    @staticmethod
    def empty() -> Ticks:
        """Return no ticks."""
        return Ticks(*(np.empty(0, dtype=np.int64),) * 3)


class SymbolCodes:
    """Gives every symbol one number for the whole stream, whatever table it comes in."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        # Of the last table's symbols: the next one's are mostly the same.
        self._last: tuple[tuple[Instrument, ...], NDArray[np.int32]] = ((), self._of(()))

    def of(self, batch: LifeBatch) -> NDArray[np.int32]:
        """Return the number of each row's symbol; a tick's is -1."""
        if batch.instruments is not self._last[0]:
            self._last = batch.instruments, self._of(batch.instruments)
        return self._last[1][batch.symbol]

    def _of(self, instruments: tuple[Instrument, ...]) -> NDArray[np.int32]:
        codes = []
        for instrument in instruments:
            code = self._codes.setdefault(instrument.symbol, len(self.names))
            if code == len(self.names):
                self.names.append(instrument.symbol)
            codes.append(code)
        # The last entry is what a tick's index -1 finds, even in a table without symbols.
        return np.array([*codes, -1], dtype=np.int32)


def arrange_events(
    batches: list[LifeBatch], codes: SymbolCodes, position: int
) -> tuple[Events, Ticks]:
    """Split events into ticks and those of klines, the latter sorted by series."""
    symbol = np.concatenate([codes.of(batch) for batch in batches])
    names = ("life", "interval", "trigger", "open_time_ns", "at_ns")
    life, interval, trigger, open_ns, at_ns = (
        np.concatenate([getattr(batch, name) for batch in batches]) for name in names
    )
    positions = np.arange(position, position + len(life), dtype=np.int64)
    tick = life == Life.TICK
    ticks = Ticks(open_ns[tick], at_ns[tick], positions[tick])
    rows = np.flatnonzero(~tick)
    key = symbol[rows] * INTERVAL_CODES + interval[rows]
    order = np.argsort(small(key), kind="stable")
    rows, key = rows[order], key[order]
    opens = open_ns[rows]
    closes = close_times_by_code(interval[rows], opens)
    return Events(
        key, life[rows], trigger[rows], opens, closes, at_ns[rows], positions[rows]
    ), ticks
