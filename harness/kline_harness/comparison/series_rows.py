"""The klines of one series by row number, however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import int64_of, take_rows
from kline_harness.units import NS_PER_MICROSECOND, Int64Array

# Rows whose values are looked at together.
CHUNK_ROWS = 32_768


class SeriesRows(Protocol):
    """Klines of one symbol and interval in our schema; of many not all are in memory at once."""

    def __len__(self) -> int:
        """Count the klines."""
        ...

    def opens_ns(self) -> Int64Array:
        """Return every open time, in the order of the rows."""
        ...

    def take(self, rows: NDArray[Any], names: Sequence[str] | None = None) -> pa.Table:
        """Return some rows in the order given; only some columns if named."""
        ...


class RowsInMemory:
    """The rows of a table."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def opens_ns(self) -> Int64Array:
        """Return every open time."""
        return opens_ns(self.table)

    def take(self, rows: NDArray[Any], names: Sequence[str] | None = None) -> pa.Table:
        """Return some rows in the order given."""
        table = self.table if names is None else self.table.select(list(names))
        return take_rows(table, rows)


def opens_ns(table: pa.Table) -> Int64Array:
    """Return the open times of a table of klines, in nanoseconds."""
    return int64_of(table["open_time"]) * NS_PER_MICROSECOND


def chunks(count: int) -> Iterator[slice]:
    """Yield so many rows as slices of a few."""
    for start in range(0, count, CHUNK_ROWS):
        yield slice(start, min(start + CHUNK_ROWS, count))


def distinct(times: Int64Array) -> Int64Array:
    """Return times in order, each once: themselves where they are so already."""
    return times if np.all(times[1:] > times[:-1]) else np.unique(times)


def ascending(times: Int64Array) -> Int64Array | None:
    """Return the order that sorts times, equal ones as they come; None where they are sorted."""
    if not np.any(times[1:] < times[:-1]):
        return None
    return np.argsort(times, kind="stable").astype(np.int64, copy=False)
