"""The exchange's kline files as tables to compare with."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from kline_harness.archives import ExchangeKlines
from kline_harness.archives.compressed import written_at
from kline_harness.arrow import array_of
from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.storage.kline_table import to_arrow
from kline_harness.units import NS_PER_MICROSECOND


def reference_of(klines: ExchangeKlines) -> ReferenceKlines:
    """Return a file's klines as a reference, named by the file."""
    return ReferenceKlines(
        klines.symbol,
        klines.interval,
        table_of(klines),
        klines.fields,
        Path(klines.info.path).name,
        closes=klines.closes_stated,
        unread=klines.info.unread_columns,
        claimed=klines.info.coverage,
        written_at=written_at(klines.info.path),
    )


def table_of(klines: ExchangeKlines) -> pa.Table:
    """Return a file's klines in our schema, with the close times that the file states."""
    table = to_arrow(klines.batch)
    if not klines.closes_stated:
        return table
    column = table.schema.get_field_index("close_time")
    closes = array_of(klines.close_time_ns // NS_PER_MICROSECOND, table.schema.types[column])
    return table.set_column(column, table.schema.field(column), closes)
