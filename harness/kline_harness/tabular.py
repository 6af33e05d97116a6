"""What every public table offers: Arrow, pandas, a one-line repr and a view for notebooks."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from kline_harness.errors import UsageError
from kline_harness.nouns import counted

_ROWS_SHOWN = 10


class Tabular:
    """Tables that give themselves as Arrow; the rest of what they offer follows from that."""

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table: exact decimals, timestamps in UTC."""
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """Return the rows as a pandas DataFrame.

        Exact numbers are `decimal.Decimal` with as many places as the column needs, instants are
        timestamps in UTC, names are text.
        """
        return frame_of(self.to_arrow())

    def describe(self) -> str:
        """Return what the rows are, in one line."""
        table = self.to_arrow()
        return f"{counted(table.num_rows, 'row')} of {', '.join(table.column_names)}"

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.describe()}>"

    def _repr_html_(self) -> str:
        table = self.to_arrow()
        shown = frame_of(table.slice(0, _ROWS_SHOWN))
        more = table.num_rows - len(shown)
        rest = f"<p>and {more:,} more</p>" if more > 0 else ""
        html: str = shown._repr_html_()
        return html + rest


def frame_of(table: pa.Table) -> Any:
    """Return a table as a pandas DataFrame; Arrow imports pandas for that, nobody else does.

    Raises UsageError where pandas is not installed.
    """
    if find_spec("pandas") is None:
        raise UsageError("pandas is not installed; kline-harness[full] has it, to_arrow needs none")
    return plain_columns(table).to_pandas()


def plain_columns(table: pa.Table) -> pa.Table:
    """Return a table with text instead of dictionaries, and decimals of no more places than used.

    pandas would show every decimal with the 18 places of the stored table.
    """
    columns = [_plain(column) for column in table.columns]
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    if not pa.types.is_decimal(column.type):
        return column
    for scale in range(column.type.scale):
        try:
            return column.cast(pa.decimal128(column.type.precision, scale))
        except pa.ArrowInvalid:  # digits would be lost: one more place
            continue
    return column
