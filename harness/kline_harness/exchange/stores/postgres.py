"""PostgreSQL, by a table or a query: numeric comes as exact text."""

from __future__ import annotations

import importlib
from typing import Any

import pyarrow as pa

from kline_harness.archives.arrow_file import texts_of
from kline_harness.errors import InputError, UsageError
from kline_harness.exchange.stores.content import RowTable, StoreContent, TableNames

SCHEMES = ("postgresql://", "postgres://")
_DRIVER = "adbc_driver_postgresql.dbapi"


def read_postgres(
    address: str, selection: TableNames, table: str | None, query: str | None
) -> StoreContent:
    """Read a table, or what a query gives, of a PostgreSQL database.

    Raises UsageError without the extra ``postgres``, or without table and query; InputError where
    the server cannot be reached or refuses.
    """
    if (table is None) == (query is None):
        raise UsageError("collect: a PostgreSQL store needs --table or --query, one of them")
    try:
        driver: Any = importlib.import_module(_DRIVER)
    except ImportError:
        raise UsageError(
            "collect: PostgreSQL is read by the extra kline-harness[postgres], which is not "
            "installed"
        ) from None
    name = shown(address)
    asked = query if query is not None else f"SELECT * FROM {_quoted(str(table))}"
    try:
        with driver.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute(asked)
            found = cursor.fetch_arrow_table()
    except driver.Error as error:
        reason = " ".join(str(error).split())
        raise InputError(name, "a PostgreSQL server that answers", reason) from None
    content = StoreContent(name)
    place = f"{name}, {'the query' if table is None else f'table {table}'}"
    if found.num_rows:
        content.add(row_table(place, found), selection)
    return content


def shown(address: str) -> str:
    """Return an address without its password."""
    scheme, _, rest = address.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{place}"


def row_table(place: str, table: pa.Table) -> RowTable:
    """Return an Arrow table's values as text: times in nanoseconds, numeric as it stands."""
    columns, floats = [], []
    for field in table.schema:
        column = table[field.name]
        if isinstance(column.type, pa.BaseExtensionType):
            # ADBC gives numeric as text in an extension type of Arrow's.
            column = column.cast(column.type.storage_type)
        if pa.types.is_floating(column.type):
            floats.append(field.name)
        columns.append([text.replace(",", " ").replace("\n", " ") for text in texts_of(column)])
    return RowTable(place, tuple(table.schema.names), tuple(columns), tuple(floats))


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
