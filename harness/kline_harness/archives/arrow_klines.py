"""Parquet and Arrow (Feather) tables: opening them, and klines in them as lines of text."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.archives.compressed import TextFile
from kline_harness.errors import Damaged, InputError

_BATCH_ROWS = 1 << 16
TICKS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def is_table(path: Path | str) -> bool:
    """Tell whether a file is Parquet or Arrow by its first bytes."""
    try:
        # A pipe would wait for somebody to write into it.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return file.read(6).startswith((b"PAR1", b"ARROW1"))
    except (OSError, ValueError):
        return False


class Table:
    """A Parquet or Arrow file, batch by batch.

    Raises InputError for a file that is neither.
    """

    def __init__(self, path: str) -> None:
        self.path = path
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
                yield from pq.ParquetFile(self.path).iter_batches(_BATCH_ROWS, columns=names)
                return
            with pa.OSFile(self.path) as file:
                reader = pa.ipc.open_file(file)
                for number in range(reader.num_record_batches):
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


class KlineTable(TextFile):
    """A table of klines as CSV lines with its column names as header; rows stand for lines.

    Floats are taken for the shortest decimal text that reads back as the same float: what was
    written into them, unless it was computed. `has_floats` tells that there are some.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._table = Table(self.path)
        self.has_floats = any(pa.types.is_floating(field.type) for field in self._table.schema)

    def _pieces(self, piece_bytes: int) -> Iterator[bytes]:
        names = list(self._table.schema.names)
        yield (",".join(name.replace(",", " ") for name in names) + "\n").encode()
        first = 1
        for batch in self._table.batches(names):
            texts = [texts_of(column) for column in batch.columns]
            for row, line in enumerate(zip(*texts, strict=True), first):
                if any("," in text or "\n" in text for text in line):
                    raise InputError(self.path, "values without a comma", repr(line), line=row)
            first += batch.num_rows
            yield "".join(f"{','.join(row)}\n" for row in zip(*texts, strict=True)).encode()
        # To the end of the file, for its digest.
        deque(super()._pieces(piece_bytes), maxlen=0)


def holds_klines(path: Path | str) -> bool:
    """Tell whether a table's columns are those of klines.

    Raises InputError for a file that is no table.
    """
    return {"high", "low"} <= {name.lower() for name in Table(str(path)).schema.names}
