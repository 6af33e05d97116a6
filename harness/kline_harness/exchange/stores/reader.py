"""Which reader a store needs, by its address or its first bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from kline_harness.archives import is_table, read_all_klines
from kline_harness.archives.arrow_file import ArrowFile
from kline_harness.archives.exchanges.binance import KLINE_COLUMNS
from kline_harness.archives.exchanges.binance.recorded_klines import RecordedKlines
from kline_harness.archives.recognition import open_text, sniff
from kline_harness.errors import InputError, UsageError
from kline_harness.exchange.stores.content import (
    RowTable,
    StoreContent,
    StoredSeries,
    TableNames,
    symbols_by_text,
)
from kline_harness.exchange.stores.postgres import SCHEMES, read_postgres, row_table
from kline_harness.exchange.stores.sqlite import is_sqlite, read_sqlite
from kline_harness.interval import Interval
from kline_harness.toml_file import read_toml

_FIELDS = ("symbol", "timeframe", *(name for name in KLINE_COLUMNS if name != "ignore"))


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What a store does not say of itself.

    `table` or `query` choose what is read of a database; `symbol` and `interval` are those of
    rows without such columns; `columns` is a TOML file such as ``open_time = "ts"`` that gives
    the store's name of each field (the interval's field is ``timeframe``).
    """

    table: str | None = None
    query: str | None = None
    symbol: str | None = None
    interval: Interval | None = None
    columns: Path | None = None


def read_store(address: str, symbols: Sequence[str], options: StoreOptions) -> StoreContent:
    """Read every row of a store; `symbols` are those that were served.

    A store is an SQLite database, ``postgresql://...``, a Parquet or Arrow table, a CSV file, or
    a captured stream of klines as lines of JSON.

    Raises UserError for what cannot be read; a row that is no kline is kept as such.
    """
    columns = () if options.columns is None else read_columns(options.columns)
    find = symbols_by_text(symbols)
    only = symbols[0] if len(symbols) == 1 else None
    symbol = (options.symbol and (find(options.symbol) or options.symbol)) or only
    selection = TableNames(find, symbol, options.interval, columns)
    if address.startswith(SCHEMES):
        return read_postgres(address, selection, options.table, options.query)
    if options.query is not None:
        raise UsageError("collect: --query is for PostgreSQL; a file is read by --table")
    path = Path(address)
    if not path.is_file():
        raise InputError(path, "a store: a file or postgresql://...", "none of that name")
    if is_sqlite(path):
        return read_sqlite(path, symbols, selection, options.table)
    return _read_file(path, selection)


def read_columns(path: Path) -> tuple[tuple[str, str], ...]:
    """Read a map of columns, such as ``open_time = "ts"``.

    Raises UserError for what is no TOML file, and for a key or value that no map has.
    """
    stated = read_toml(path)
    for name, column in stated.items():
        if name not in _FIELDS:
            raise UsageError(f"{path}: expected one of {' '.join(_FIELDS)}, found {name!r}")
        if not isinstance(column, str) or not column:
            raise UsageError(f"{path}: expected a column's name for {name}, found {column!r}")
    return tuple(stated.items())


def _read_file(path: Path, selection: TableNames) -> StoreContent:
    content = StoreContent(path.name)
    if is_table(path):
        table = ArrowFile(str(path))
        batches = list(table.batches(list(table.schema.names)))
        found = pa.Table.from_batches(batches, table.schema)
        if found.num_rows:
            content.add(row_table(path.name, found), selection)
        return content
    if path.stat().st_size == 0:
        return content
    if open_text(path).head().lstrip()[:1] in (b"{", b"["):
        return _capture(path, selection, content)
    content.add(_csv(path), selection)
    return content


def _csv(path: Path) -> RowTable:
    """Read a CSV file with a header; without one its columns are the exchange's archive's."""
    text = b"".join(open_text(path).blocks())
    first = text.partition(b"\n")[0].decode(errors="replace").rstrip("\r").split(",")
    headed = not first[0].strip('"').replace(".", "").isdigit()
    names = [name.strip().strip('"') for name in first] if headed else list(KLINE_COLUMNS)
    try:
        table = pc.read_csv(
            pa.BufferReader(text),
            read_options=pc.ReadOptions(column_names=names, skip_rows=int(headed)),
            convert_options=pc.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise InputError(path, "a CSV file of klines", str(error).splitlines()[0]) from None
    return row_table(path.name, table)


def _capture(path: Path, selection: TableNames, content: StoreContent) -> StoreContent:
    """Read the closed klines of a captured stream; those still open are counted as forming."""
    file = open_text(path)
    if sniff(file).kind != "stream":
        raise InputError(path, "klines of a stream as lines of JSON", "other JSON")
    recording = RecordedKlines(file, None)
    if not recording.texts():
        content.rows = content.forming = recording.skipped
        return content
    for klines in read_all_klines(path):
        content.rows += len(klines) + klines.info.skipped
        content.forming += klines.info.skipped
        symbol = selection.symbol_of(klines.symbol)
        if symbol is None:
            content.foreign[klines.symbol] += len(klines)
        else:
            content.series.append(StoredSeries(klines, path.name))
    return content
