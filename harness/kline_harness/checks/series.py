"""Klines sorted into their series, and what is remembered of each series between blocks.

A series is one symbol in one interval; its key is symbol * 16 + interval, so the book's arrays
are indexed by it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import concat
from kline_harness.interval import times_by_code
from kline_harness.kline import KlineBatch
from kline_harness.units import BoolArray, Int64Array, mask

# Interval codes are 0 to 15.
INTERVAL_CODES = 16
NONE = -1


@dataclass(slots=True)
class SeriesBook:
    """One number per series; times, positions and ids are -1 before there is one.

    `run_start_ns` opens the run of adjacent klines that ends with the latest one; `reached_ns` is
    the latest close time of a kline that a trade or tick closed, not the end of the feed.
    """

    rows: Int64Array
    accepted: Int64Array
    quiet: Int64Array
    gaps: Int64Array
    lost: Int64Array
    duplicates: Int64Array
    backwards: Int64Array
    misaligned: Int64Array
    compared: Int64Array
    first_open_ns: Int64Array
    last_open_ns: Int64Array
    run_start_ns: Int64Array
    reached_ns: Int64Array
    last_position: Int64Array
    last_trade_id: Int64Array

    @classmethod
    def empty(cls) -> SeriesBook:
        """Return a book without series."""
        return cls(*(np.empty(0, dtype=np.int64) for _ in fields(cls)))

    def grow(self, size: int) -> None:
        """Make room for keys below `size`."""
        missing = size - len(self.rows)
        if missing <= 0:
            return
        for field in fields(self):
            start = NONE if field.name.endswith(("_ns", "_position", "_id")) else 0
            column = getattr(self, field.name)
            setattr(self, field.name, np.append(column, np.full(missing, start, dtype=np.int64)))


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Klines sorted by series, in stream order within each; remembered rows come first.

    `fresh` is false for a series' latest kline of earlier blocks; `position` counts the klines
    delivered before; `first` marks the first row of each series here.
    """

    klines: KlineBatch
    key: NDArray[np.int32]
    position: Int64Array
    fresh: BoolArray
    first: BoolArray
    aligned: BoolArray
    close_time_ns: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """Klines delivered for the first time, their positions, and which moved their series on."""

    klines: KlineBatch
    position: Int64Array
    advancing: BoolArray

    @staticmethod
    def empty() -> Accepted:
        """Return no klines."""
        nothing = np.empty(0, dtype=np.int64)
        return Accepted(KlineBatch.empty(), nothing, nothing.astype(np.bool_))

    def take(self, rows: BoolArray) -> Accepted:
        """Return the rows of a mask."""
        return Accepted(self.klines.take(rows), self.position[rows], self.advancing[rows])

    def join(self, other: Accepted) -> Accepted:
        """Return these klines and then the others."""
        return Accepted(
            concat([self.klines, other.klines]),
            np.concatenate([self.position, other.position]),
            np.concatenate([self.advancing, other.advancing]),
        )


def arrange(remembered: KlineBatch, klines: KlineBatch, position: int) -> Block:
    """Sort a block of the stream that begins at `position`, behind the remembered klines."""
    both = concat([remembered, klines])
    order = np.argsort(small(series_key(both)), kind="stable")
    table = both.take(order)
    key = series_key(table)
    opens_ns, closes_ns = times_by_code(table.interval, table.open_time_ns)
    return Block(
        klines=table,
        key=key,
        position=order - len(remembered) + position,
        fresh=order >= len(remembered),
        first=starts_of(key),
        aligned=mask(opens_ns == table.open_time_ns),
        close_time_ns=closes_ns,
    )


def series_key(klines: KlineBatch) -> NDArray[np.int32]:
    """Return the series of each kline."""
    return klines.symbol.astype(np.int32) * INTERVAL_CODES + klines.interval


def small(key: NDArray[np.int32]) -> NDArray[np.uint16] | NDArray[np.int32]:
    """Return keys as 16-bit numbers if they fit: those are sorted by radix, ten times faster."""
    if len(key) and int(key.max()) >= 2**16:
        return key
    return key.astype(np.uint16)


def starts_of(key: NDArray[np.int32]) -> BoolArray:
    """Mark the first row of each run of equal keys."""
    first = np.ones(len(key), dtype=np.bool_)
    first[1:] = key[1:] != key[:-1]
    return first
