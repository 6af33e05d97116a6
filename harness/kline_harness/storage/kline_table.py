"""Final klines as the row groups of a Parquet file, and which of them can be stored."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from kline_harness.columns import Rows, join_instruments, places
from kline_harness.decimals import fits_decimal
from kline_harness.kline import KlineBatch
from kline_harness.pending_rows import Pending
from kline_harness.units import NS_PER_MICROSECOND, BoolArray


def row_groups(klines: list[KlineBatch], rows: int) -> Iterator[pa.Table]:
    """Take klines out of a list, and yield them as tables of so many rows, the last of the rest.

    One after the other: a table takes twice the bytes of its klines, and those are let go once it
    is made. Their dictionaries are the same, as one file's have to be.
    """
    instruments = join_instruments(klines)
    index = places(instruments)
    waiting: Pending[KlineBatch] = Pending()
    while klines:
        waiting.add(Rows.all(klines.pop(0).over(instruments, index)))
    while waiting.rows:
        yield waiting.take(min(rows, waiting.rows)).to_arrow()


def storable(batch: KlineBatch) -> BoolArray:
    """Tell which klines can be stored: every number exactly, or not at all."""
    # Close times are whole seconds, whatever the open times are.
    fits: BoolArray = batch.open_time_ns % NS_PER_MICROSECOND == 0
    return fits & fits_decimal(batch)
