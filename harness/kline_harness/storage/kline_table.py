"""Final klines as an Arrow table: one schema for all symbols, exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from kline_harness.columns import Rows, join_instruments, places
from kline_harness.decimals import DECIMAL_DIGITS, DECIMAL_SCALE, fits_decimal, scale_to_words
from kline_harness.kline import DECIMAL_COLUMNS, SCHEMA, KlineBatch
from kline_harness.pending_rows import Pending
from kline_harness.units import NS_PER_MICROSECOND, BoolArray

__all__ = [
    "DECIMAL_COLUMNS",
    "DECIMAL_DIGITS",
    "DECIMAL_SCALE",
    "SCHEMA",
    "row_groups",
    "scale_to_words",
    "storable",
    "to_arrow",
]


def to_arrow(batch: KlineBatch) -> pa.Table:
    """Return the klines as a table of `SCHEMA`; raises OutputError as `KlineBatch.to_arrow`."""
    return batch.to_arrow()


def row_groups(klines: Sequence[KlineBatch], rows: int) -> Iterator[pa.Table]:
    """Yield klines as tables of `SCHEMA` of so many rows, the last of what is left.

    One after the other: a table takes twice the bytes of its klines. Their dictionaries are the
    same, as one file's have to be.
    """
    instruments = join_instruments(klines)
    index = places(instruments)
    waiting: Pending[KlineBatch] = Pending()
    for one in klines:
        waiting.add(Rows.all(one.over(instruments, index)))
    while waiting.rows:
        yield to_arrow(waiting.take(min(rows, waiting.rows)))


def storable(batch: KlineBatch) -> BoolArray:
    """Tell which klines `to_arrow` takes: it stores every number exactly or not at all."""
    # Close times are whole seconds, whatever the open times are.
    fits: BoolArray = batch.open_time_ns % NS_PER_MICROSECOND == 0
    return fits & fits_decimal(batch)
