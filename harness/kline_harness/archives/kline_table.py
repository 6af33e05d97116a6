"""Klines in a Parquet or Arrow (Feather) table."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from kline_harness.archives.arrow_file import ArrowFile, texts_of
from kline_harness.archives.arrow_table import ArrowTable
from kline_harness.archives.compressed import Room, TextFile
from kline_harness.archives.grammar import Column
from kline_harness.archives.table import RowBlock

_READ_BYTES = 1 << 20


class KlineTableText(TextFile):
    """A table of klines; its names and its first row as text say what its columns are.

    The names count as the first line, rows as those after. Floats are taken for the shortest
    decimal text that reads back as the same float: what was written into them, unless it was
    computed. `has_floats` tells that there are some.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._table = ArrowFile(self.path)
        self.has_floats = any(pa.types.is_floating(field.type) for field in self._table.schema)

    def beginning(self, size: int) -> bytes:
        """Return the names and the first row, as text."""
        names = list(self._table.schema.names)
        lines = [",".join(name.replace(",", " ") for name in names)]
        for batch in self._table.batches(names):
            if batch.num_rows:
                texts = (texts_of(column.slice(0, 1))[0] for column in batch.columns)
                lines.append(",".join(text.replace(",", " ").replace("\n", " ") for text in texts))
                break
        return ("\n".join(lines) + "\n").encode()

    def rows(self, columns: tuple[Column, ...], first_line: int) -> Iterator[RowBlock]:
        """Yield the rows, batch by batch; `columns` are all of the table's, in their order.

        Raises InputError for the first bad row, and for a damaged table.
        """
        names = zip(columns, self._table.schema.names, strict=True)
        read = [(column, name) for column, name in names if column.kind != "ignored"]
        reader = ArrowTable(self.path, tuple(column for column, _ in read))
        line = first_line
        for batch in self._table.batches([name for _, name in read]):
            if batch.num_rows:
                yield reader.rows(batch.columns, line)
                line += batch.num_rows
        # To the end of the file, for its digest.
        deque(self._pieces(Room(_READ_BYTES)), maxlen=0)
        self.lines = (self._table.rows or 0) + first_line - 1
