"""Writers that store other than what they were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kline_harness.columns import Rows
from kline_harness.kline import KlineBatch
from kline_harness.pending_rows import Pending
from kline_harness.storage.parquet_writer import ParquetWriter


@dataclass(slots=True)
class RowDropped(ParquetWriter):
    """The last row of a delivery of several is never stored, nor counted."""

    def on_rows(self, now_ns: int, rows: Rows[KlineBatch]) -> None:
        """Leave it out."""
        ParquetWriter.on_rows(self, now_ns, rows[:-1] if len(rows) > 1 else rows)


@dataclass(slots=True)
class RowTwice(ParquetWriter):
    """The first row of each delivery is stored twice."""

    def on_rows(self, now_ns: int, rows: Rows[KlineBatch]) -> None:
        """Take it twice."""
        ParquetWriter.on_rows(self, now_ns, rows[:1])
        ParquetWriter.on_rows(self, now_ns, rows)


@dataclass(slots=True)
class FlushLostAtClose(ParquetWriter):
    """What is buffered at the close is thrown away."""

    def on_close(self, now_ns: int) -> None:
        """Forget the buffer and the open part."""
        self._buffer = Pending()
        ParquetWriter.on_close(self, now_ns)


@dataclass(slots=True)
class DecimalsTruncated(ParquetWriter):
    """Quote volumes lose their last two decimals."""

    def on_rows(self, now_ns: int, rows: Rows[KlineBatch]) -> None:
        """Round them down."""
        table = rows.table()
        rounded: dict[str, Any] = {"quote_volume": table.quote_volume // 100 * 100}
        ParquetWriter.on_rows(self, now_ns, Rows.all(table.with_columns(rounded)))


@dataclass(slots=True)
class LossNotCounted(ParquetWriter):
    """A part that could not be committed is forgotten."""

    def on_timer(self, now_ns: int) -> None:
        """Flush, and forget what was lost."""
        ParquetWriter.on_timer(self, now_ns)
        self.counters.dropped = 0
        self._findings.clear()


@dataclass(slots=True)
class BufferAbandoned(ParquetWriter):
    """The timer throws the buffer away, and says so."""

    def on_timer(self, now_ns: int) -> None:
        """Give the buffer up."""
        self.abandon(now_ns)
