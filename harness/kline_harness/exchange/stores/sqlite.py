"""SQLite: one table per symbol and interval (k_btc_1m), or tables with such columns."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kline_harness.archives.arrow_file import float_text
from kline_harness.archives.recognition import kline_meanings
from kline_harness.errors import InputError
from kline_harness.exchange.stores.content import RowTable, StoreContent, TableNames
from kline_harness.interval import INTERVALS, Interval

_MAGIC = b"SQLite format 3\0"


def is_sqlite(path: Path) -> bool:
    """Tell whether a file is an SQLite database by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read_sqlite(
    path: Path, symbols: Iterable[str], selection: TableNames, table: str | None
) -> StoreContent:
    """Read the tables of klines of a database, or one table; nothing is written to it.

    A database in use may be read: its log is taken into account.

    Raises InputError for a file that is no database, or is locked.
    """
    content = StoreContent(path.name)
    named = series_tables(symbols)
    # Not `immutable`: that would leave out what still stands in the write-ahead log.
    address = f"file:{quote(str(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            found = [table] if table is not None else list(_tables(database))
            for name in found:
                _take(database, path, name, content, selection, named)
    except sqlite3.Error as error:
        raise InputError(path, "an SQLite database that can be read", str(error)) from None
    return content


def series_tables(symbols: Iterable[str]) -> dict[str, tuple[str, Interval]]:
    """Return a service's table of each symbol and interval by its name: k_btc_1m of BTCUSDT.

    The name has the symbol in lower case without every "usdt", and the interval in lower case, so
    that 1M has the table of 1m: it is taken for 1m. A service that writes the interval as it is
    has k_btc_1M of months; to SQLite that is the same name, so a database has one of the two.
    Source: docs/your-service.md.
    """
    return {
        f"k_{symbol.lower().replace('usdt', '')}_{text}": (symbol, interval)
        for symbol in symbols
        for interval in reversed(INTERVALS)
        for text in (interval.text, interval.text.lower())
    }


def _tables(database: sqlite3.Connection) -> Iterator[str]:
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
    for (name,) in database.execute(query):
        if not name.startswith("sqlite_"):
            yield name


def _take(
    database: sqlite3.Connection,
    path: Path,
    name: str,
    content: StoreContent,
    selection: TableNames,
    named: dict[str, tuple[str, Interval]],
) -> None:
    place = f"{path.name}, table {name}"
    cursor = database.execute(f"SELECT * FROM {_quoted(name)}")
    names = tuple(column[0] for column in cursor.description)
    if not selection.columns and not {"high", "low"} <= set(kline_meanings(list(names))):
        content.not_read.append((name, "it has no columns of klines"))
        return
    rows = cursor.fetchall()
    columns = tuple(_column(place, column) for column in zip(*rows, strict=True))
    floats = tuple(
        column for k, column in enumerate(names) if any(isinstance(row[k], float) for row in rows)
    )
    chosen, split = selection, "symbol" not in kline_meanings(list(names))
    if name in named and split:
        symbol, interval = named[name]
        chosen = replace(selection, symbol=symbol, interval=interval)
    elif name.startswith("k_") and split and selection.symbol is None:
        content.rows += len(rows)
        content.foreign[name] += len(rows)
        return
    if rows:
        content.add(RowTable(place, names, columns, floats), chosen)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _column(place: str, values: tuple[Any, ...]) -> list[str]:
    return [_text(place, value) for value in values]


def _text(place: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return float_text(value) if value - value == 0 else str(value)
    if isinstance(value, bytes):
        raise InputError(place, "numbers and text", f"a blob of {len(value)} bytes")
    # A comma would be a column of the text that is made of it.
    return str(value).replace(",", " ").replace("\n", " ")
