"""Parquet and Arrow (Feather) tables: opening them, and single values of them as text."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.errors import Damaged

_BATCH_ROWS = 1 << 16
TICKS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


class ArrowFile:
    """A Parquet or Arrow file, batch by batch.

    `rows` is how many rows the file says that it has, or an Arrow file's batches have together;
    known once they were read.

    Raises InputError for a file that is neither.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: int | None = None
        with open(path, "rb") as file:
            self._is_parquet = file.read(4) == b"PAR1"
        try:
            if self._is_parquet:
                self.schema: Any = pq.read_schema(path)
            else:
                with pa.OSFile(path) as source:
                    self.schema = pa.ipc.open_file(source).schema
        except (pa.ArrowInvalid, OSError):
            raise Damaged(path, "a Parquet or Arrow table", "none") from None

    def batches(self, names: list[str]) -> Iterator[Any]:
        """Yield the columns named, as batches of rows.

        Raises InputError where the file ends early or is corrupt.
        """
        try:
            if self._is_parquet:
                file = pq.ParquetFile(self.path)
                self.rows = file.metadata.num_rows
                yield from file.iter_batches(_BATCH_ROWS, columns=names)
                return
            with pa.OSFile(self.path) as source:
                reader = pa.ipc.open_file(source)
                batches = range(reader.num_record_batches)
                self.rows = sum(reader.get_batch(number).num_rows for number in batches)
                for number in batches:
                    yield reader.get_batch(number).select(names)
        except (pa.ArrowException, OSError) as error:
            raise Damaged(self.path, "a whole table", str(error).splitlines()[0]) from None


def float_text(value: float | np.floating[Any]) -> str:
    """Return the shortest text that reads back as the same float, without an exponent."""
    text = format(Decimal(str(value)), "f")
    return text.removesuffix(".0")


def texts_of(column: Any) -> list[str]:
    """Return a column's values as text: times in nanoseconds, floats as `float_text`, "" for null.

    Timestamps without a zone are taken as UTC.
    """
    kind = column.type
    if pa.types.is_timestamp(kind):
        ticks = TICKS[kind.unit]
        values = column.cast(pa.int64()).to_pylist()
        return ["" if value is None else str(value * ticks) for value in values]
    values = column.to_pylist()
    if pa.types.is_float32(kind):
        values = [None if value is None else np.float32(value) for value in values]
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (float, np.floating)):
        return float_text(value) if np.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def holds_klines(path: Path | str) -> bool:
    """Tell whether a table's columns are those of klines.

    Raises InputError for a file that is no table.
    """
    return {"high", "low"} <= {name.lower() for name in ArrowFile(str(path)).schema.names}
