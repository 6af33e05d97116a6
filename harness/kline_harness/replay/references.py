"""The exchange's kline files as what to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.archives import ExchangeKlines
from kline_harness.archives.compressed import written_at
from kline_harness.archives.registry import exchange_of
from kline_harness.arrow import array_of
from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.series_rows import CHUNK_ROWS
from kline_harness.comparison.stored import Reader, in_memory
from kline_harness.kline import KlineBatch
from kline_harness.kline_rule import QuietRule
from kline_harness.storage.kline_table import storable
from kline_harness.units import NS_PER_MICROSECOND, Int64Array, utc_text
from kline_harness.verdict import Finding, Severity


class FileRows:
    """The klines of a file in our schema, with the close times that the file states.

    Raises OutputError where a number or a time does not fit the schema.
    """

    def __init__(self, klines: ExchangeKlines) -> None:
        self._klines = klines
        for batch, _ in klines.rows.pieces():
            if not storable(batch).all():
                batch.to_arrow()

    def __len__(self) -> int:
        return len(self._klines)

    def opens_ns(self) -> Int64Array:
        """Return every open time, in the order of the file."""
        return self._klines.rows.opens_ns()

    def take(self, rows: NDArray[Any], names: Sequence[str] | None = None) -> pa.Table:
        """Return some rows in the order given; only some columns if named."""
        table = self._table(*self._klines.rows.take(rows))
        return table if names is None else table.select(list(names))

    def piece(self, number: int, names: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of one block; only some columns if named."""
        table = self._table(*self._klines.rows.piece(number))
        return table if names is None else table.select(list(names))

    def _table(self, batch: KlineBatch, closes_ns: Int64Array) -> pa.Table:
        table = batch.to_arrow()
        if not self._klines.closes_stated:
            return table
        column = table.schema.get_field_index("close_time")
        closes = array_of(closes_ns // NS_PER_MICROSECOND, table.schema.types[column])
        return table.set_column(column, table.schema.field(column), closes)


def readers_of(klines: ExchangeKlines) -> Iterator[Reader]:
    """Yield what reads a file's klines; short files are held as they are."""
    rows = FileRows(klines)
    if len(klines) <= CHUNK_ROWS:
        yield in_memory(table_of(klines))
    else:
        yield from (partial(rows.piece, number) for number in range(klines.rows.blocks))


def reference_of(klines: ExchangeKlines) -> ReferenceKlines:
    """Return a file's klines as a reference, named by the file."""
    return ReferenceKlines(
        klines.symbol,
        klines.interval,
        FileRows(klines),
        klines.fields,
        Path(klines.info.path).name,
        closes=klines.closes_stated,
        unread=klines.info.unread_columns,
        claimed=klines.info.coverage,
        written_at=written_at(klines.info.path),
        is_recorded=klines.is_recorded,
        omits_quiet=exchange_of(klines.info.source).klines.quiet is QuietRule.ABSENT,
    )


def outside_of_name(check: str, klines: ExchangeKlines) -> Iterator[Finding]:
    """Yield, for a check, that rows of a file lie outside of the time that its name claims."""
    claimed, info = klines.info.coverage, klines.info
    if claimed is None or info.first_event_time_ns is None or info.last_event_time_ns is None:
        return
    if info.first_event_time_ns >= claimed[0] and info.last_event_time_ns < claimed[1]:
        return
    opens = klines.rows.opens_ns()
    # A week that a day lies in opened before it.
    closes = klines.interval.close_times_ns(opens)
    outside = np.flatnonzero((closes <= claimed[0]) | (opens >= claimed[1]))
    if len(outside) == 0:
        return
    name, rows = Path(info.path).name, len(outside)
    sentence = (
        f"{rows:,} of {len(opens):,} rows of {name} lie outside of the time that its name claims, "
        f"{utc_text(claimed[0])} to {utc_text(claimed[1])}; the first opens at "
        f"{utc_text(int(opens[outside[0]]))}"
    )
    evidence = {"sentence": sentence, "file": name, "rows": rows}
    series = (klines.symbol, klines.interval.text)
    yield Finding(check, "time_outside_name", Severity.DOUBT, *series, evidence=evidence)


def table_of(klines: ExchangeKlines) -> pa.Table:
    """Return a file's klines in our schema, all at once."""
    rows = FileRows(klines)
    tables = [rows.piece(number) for number in range(klines.rows.blocks)]
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()
