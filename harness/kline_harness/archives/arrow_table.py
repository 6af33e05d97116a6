"""Columns of Parquet and Arrow tables to exact integers, without a detour through text.

Integers, decimals and timestamps are taken off their buffers. Text is read by the grammar of text,
and a float is its shortest decimal text. A value that nothing can be made of is shown as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from kline_harness.archives.arrow_file import TICKS, texts_of
from kline_harness.archives.grammar import DIGITS_MAX, Column, Grammar, shown
from kline_harness.archives.table import ExactColumns, ExactTable, RowBlock
from kline_harness.arrow import int64_of, narrowed
from kline_harness.errors import InputError
from kline_harness.units import INT64_MAX, ExactArray, Int64Array, magnitude, rescale


class ArrowTable(ExactColumns):
    """Reads batches of one table's columns."""

    def __init__(self, path: str, columns: tuple[Column, ...]) -> None:
        super().__init__(path, columns)
        self._grammars = [Grammar(path, (column,)) for column in columns]
        self._texts = [ExactTable(path, (column,)) for column in columns]

    def rows(self, arrays: Sequence[Any], first_line: int) -> RowBlock:
        """Return the rows of a batch, an array for each column.

        Raises InputError for the first row with a value that its column cannot have.
        """
        found: dict[str, Any] = {}
        read: dict[str, tuple[ExactArray, int]] = {}
        places: list[int] = []
        for place, (column, array) in enumerate(zip(self.columns, arrays, strict=True)):
            if column.kind == "text":
                found[column.name] = np.array(texts_of(array), dtype=object)
            elif column.kind != "ignored":
                values = self._values(place, array)
                if values is None:
                    places.append(place)
                else:
                    read[column.name] = values

        def error(row: int, expected: str, name: str) -> InputError:
            return self._error(arrays, first_line, row, expected, name)

        if places:
            raise self._first_odd(places, arrays, first_line)
        self._settle(found, read)
        self.check(found, error)
        return RowBlock(first_line, found, dict(self.scales), error)

    def _values(self, place: int, array: Any) -> tuple[ExactArray, int] | None:
        """Return a column's integers and their scale, None where a value is none."""
        column = self.columns[place]
        if array.null_count == 0:
            whole = whole_numbers(array)
            if whole is not None and magnitude(whole) <= INT64_MAX:
                return whole, 0
            is_decimal = column.kind == "exact" and pa.types.is_decimal128(array.type)
            if is_decimal and array.type.scale <= DIGITS_MAX:
                return narrowed(array)
        texts = texts_of(array)
        if any(not text or "," in text or "\n" in text or "\r" in text for text in texts):
            return None
        table = self._texts[place]
        try:
            values = table.read(("\n".join(texts) + "\n").encode(), 1)[column.name]
        except InputError:
            return None
        return values, table.scales.get(column.group, 0)

    def _settle(self, found: dict[str, Any], read: dict[str, tuple[ExactArray, int]]) -> None:
        digits = dict(self.scales)
        groups = {column.name: column.group for column in self.columns if column.kind == "exact"}
        for name, (_, scale) in read.items():
            if name in groups:
                digits[groups[name]] = max(digits[groups[name]], scale)
        for name, (values, scale) in read.items():
            more = digits[groups[name]] - scale if name in groups else 0
            found[name] = rescale(values, more)
        self.tighten(found, digits)

    def _first_odd(self, places: list[int], arrays: Sequence[Any], first_line: int) -> InputError:
        """Return the error of the first row, and of it the first column, with an odd value."""
        odd: list[tuple[int, int, str]] = []
        for place in places:
            column, grammar = self.columns[place], self._grammars[place]
            for row, text in enumerate(texts_of(arrays[place])):
                field = grammar.expanded(text.encode()) if "\n" not in text else text.encode()
                if expected := grammar.expected(column, field):
                    odd.append((row, place, expected))
                    break
        if not odd:
            name = self.columns[places[0]].name
            return InputError(self.path, f"numbers for {name}", "others", line=first_line)
        row, place, expected = min(odd)
        return self._error(arrays, first_line, row, expected, self.columns[place].name)

    def _error(
        self, arrays: Sequence[Any], first_line: int, row: int, expected: str, name: str
    ) -> InputError:
        names = [column.name for column in self.columns]
        shown_arrays = [arrays[names.index(name)]] if name else arrays
        text = ",".join(texts_of(array.slice(row, 1))[0] for array in shown_arrays)
        return InputError(self.path, expected, shown(text.encode()), line=first_line + row)


def whole_numbers(array: Any) -> Int64Array | None:
    """Return a column of integers, or of timestamps in nanoseconds, as int64.

    It has no nulls. None for any other column, and where a number does not fit.
    """
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_timestamp(kind)):
        return None
    try:
        values = int64_of(pa.chunked_array([array.cast(pa.int64())]))
    except pa.ArrowInvalid:
        return None
    if pa.types.is_integer(kind):
        return values
    ticks = TICKS[kind.unit]
    return values * ticks if magnitude(values) <= INT64_MAX // ticks else None
