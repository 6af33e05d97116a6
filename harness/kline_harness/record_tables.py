"""The tables of a run's record, as Parquet: inputs, what was compared, and what was not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.arrow import array_of, dictionary_text
from kline_harness.errors import InputError
from kline_harness.run_rows import ComparedRow, InputRow, NotComparedRow
from kline_harness.run_shape import members_of, misfit

INPUTS_FILE = "inputs.parquet"
COMPARED_FILE = "compared.parquet"
NOT_COMPARED_FILE = "not_compared.parquet"
# The rows of each table.
SHAPES: Mapping[str, Any] = {
    INPUTS_FILE: InputRow,
    COMPARED_FILE: ComparedRow,
    NOT_COMPARED_FILE: NotComparedRow,
}


def write_rows(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of a table: its columns are the members of its rows, in their order.

    Lists and objects are JSON text; a member that a row has not, or that is None, is null.
    """
    columns = {
        member: _column([row.get(member) for row in rows], inner)
        for member, (inner, _) in members_of(SHAPES[name]).items()
    }
    pq.write_table(pa.table(columns), folder / name, compression="zstd")


def _column(values: Sequence[Any], shape: Any) -> pa.Array:
    # Not of Python's objects: Arrow imports pandas to convert them.
    stated = np.array([value is not None for value in values], dtype=np.bool_)
    if _is_scalar(shape, bool):
        truths = np.array([bool(value) for value in values], dtype=np.bool_)
        return array_of(truths, pa.bool_(), stated)
    if _is_scalar(shape, int):
        numbers = np.array([value or 0 for value in values], dtype=np.int64)
        return array_of(numbers, pa.int64(), stated)
    if not _is_scalar(shape, str):
        values = [None if value is None else _json(value) for value in values]
    texts = ["" if value is None else value for value in values]
    return dictionary_text(np.arange(len(texts)), texts, stated)


def _is_scalar(shape: Any, kind: type) -> bool:
    return shape is kind or shape == kind | None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_rows(folder: Path, name: str) -> list[Any]:
    """Return the rows of a table, null members left out where they may not be None.

    Raises InputError where there is no such table, or a row is not what a run writes there.
    """
    path, members = folder / name, members_of(SHAPES[name])
    try:
        # Unlike read_table, it does not import pandas.
        with pq.ParquetFile(path) as file:
            table = file.read([member for member in members if member in file.schema_arrow.names])
        columns = {member: table[member].to_pylist() for member in table.column_names}
        for member, values in columns.items():
            if not any(_is_scalar(members[member][0], kind) for kind in (bool, int, str)):
                columns[member] = [None if one is None else json.loads(one) for one in values]
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise InputError(path, "a table of a run", str(error)) from error
    nullable = {m for m in columns if misfit(None, members[m][0]) is None}
    rows = [
        {m: column[k] for m, column in columns.items() if column[k] is not None or m in nullable}
        for k in range(table.num_rows)
    ]
    for number, row in enumerate(rows):
        if found := misfit(row, SHAPES[name], f"row {number + 1}"):
            raise InputError(path, *found)
    return rows
