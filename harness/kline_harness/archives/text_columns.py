"""Columns of CSV text picked and put together again as text, without reading their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv


def cut_columns(block: bytes, columns: Sequence[str], chosen: Sequence[str]) -> Any | None:
    """Return some of a block's columns as a table of text; None where lines are not rows."""
    places = [name if name in chosen else f"#{place}" for place, name in enumerate(columns)]
    try:
        table = pacsv.read_csv(
            pa.BufferReader(block),
            read_options=pacsv.ReadOptions(
                use_threads=False, block_size=max(1 << 20, len(block)), column_names=places
            ),
            parse_options=pacsv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()),
                include_columns=[name for name in places if name in chosen],
                null_values=[],
            ),
        )
    except pa.ArrowInvalid:
        return None
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    return table if table.num_rows == lines else None


def one_of(column: Any, yes: Sequence[str], no: Sequence[str]) -> Any | None:
    """Return true or false as text for each word of a column, None where there are others."""
    # Half as long to import as the rest of pyarrow, and few files need it.
    import pyarrow.compute as pc

    is_yes = pc.is_in(column, value_set=pa.array(yes))
    if not pc.all(pc.or_(is_yes, pc.is_in(column, value_set=pa.array(no)))).as_py():
        return None
    return pc.if_else(is_yes, "true", "false")


def lines_of(table: Any, columns: Sequence[str]) -> bytes | None:
    """Return a table of text as CSV lines, None where a quotation mark is in the way."""
    sink = pa.BufferOutputStream()
    options = pacsv.WriteOptions(include_header=False, quoting_style="none")
    try:
        pacsv.write_csv(table.select(list(columns)), sink, options)
    except pa.ArrowInvalid:
        return None
    return bytes(sink.getvalue())
