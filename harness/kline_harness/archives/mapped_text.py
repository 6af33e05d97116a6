"""Trades in columns of any names, by a column map: a table's as columns, a CSV file's as lines."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kline_harness.archives.arrow_file import ArrowFile, texts_of
from kline_harness.archives.arrow_table import ArrowTable, whole_numbers
from kline_harness.archives.column_map import ColumnMap
from kline_harness.archives.compressed import Room, TextFile, is_table
from kline_harness.archives.exchange import Dialect
from kline_harness.archives.grammar import Column, shown
from kline_harness.archives.mapped_values import Times, plain_number
from kline_harness.archives.table import BOM, Layout, RowBlock, RowError, plain_column
from kline_harness.compiled.rows import count_lines
from kline_harness.errors import InputError
from kline_harness.units import BoolArray, TimeUnit

_ORDER = ("id", "symbol", "price", "quantity", "quote", "time", "receive", "side")
_NUMBERS = ("price", "quantity", "quote")
_TRUE, _FALSE = ("true", "1", "t"), ("false", "0", "f")
_READ_BYTES = 1 << 20
_SIGNED = ("quantity", "quote")


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows as text by column name; the first stands in line `first`."""

    first: int
    columns: dict[str, Sequence[str]]


class MappedText(TextFile):
    """The rows of a table, by columns, or of a CSV file, as canonical CSV lines.

    Numbers keep their exact value, whatever exponent they are written with; times become
    nanoseconds. A quantity below 0 is a sell where the map says `signed`, or where it names no
    side and the first rows have one. Ids that are no numbers are not read. Row for row, lines stand
    where they stood; the number of a table's row stands for its line.

    Raises InputError for a file that lacks a column, or has floats where the map does not allow
    them.
    """

    def __init__(self, path: Path | str, columns: ColumnMap) -> None:
        self._map = columns
        # What the first rows show is not known while the packing is looked at.
        self._signed = self._ids_are_numbers = False
        super().__init__(path)
        self._table = ArrowFile(self.path) if is_table(path) else None
        self.names: list[str] = self._names()
        for meaning, name in columns.columns.items():
            if name not in self.names:
                found = ", ".join(self.names[:20])
                raise InputError(self.path, f"a column {name!r} for {meaning}", found)
            if self._table is not None:
                self._check_floats(meaning, name, self._table.schema.field(name).type)
        self._times: dict[str, Times] = {}
        first = next(self._batches(), None)
        self._ids_are_numbers = first is not None and self._are_numbers(first, "id")
        self._signed = columns.signed or (first is not None and self._has_sells(first))

    @property
    def layout(self) -> Layout:
        """How the lines are to be read."""
        known = set(self._map.columns)
        if {"maker", "side"} & known or self._signed:
            known.add("side")
        if not self._ids_are_numbers:
            known.discard("id")
        columns = tuple(name for name in _ORDER if name in known)
        side = "taker" if "side" in known else ""
        dialect = Dialect(columns, "epoch", side, market=self._map.market)  # type: ignore[arg-type]
        used = set(self._map.columns.values())
        unread = tuple(name for name in self.names if name and name not in used)
        header = self._table is None
        unit = TimeUnit.NANOSECOND
        return Layout("trades", header, columns, unit, dialect, unread=unread, source="table")

    @property
    def is_table(self) -> bool:
        """Whether it is a table, which `rows` reads by columns; else `blocks` gives lines."""
        return self._table is not None

    def rows(self) -> Iterator[RowBlock]:
        """Yield a table's rows, batch by batch; sides are true for a sell.

        Raises InputError for the first bad row, and for a damaged table.
        """
        assert self._table is not None
        self._times = {}
        columns = self.layout.columns
        names = (name for name in columns if name not in ("side", "symbol"))
        exact = tuple(_exact(name, signed=self._signed) for name in names)
        reader = ArrowTable(self.path, exact)
        for first, arrays in self._arrays():
            read = [self._readable(column.name, arrays, first) for column in exact]
            block = reader.rows(read, first)
            for name in _SIGNED if self._signed else ():
                if name in block.columns:
                    block.columns[name] = np.abs(block.columns[name])
            if "symbol" in columns:
                block.columns["symbol"] = np.array(texts_of(arrays["symbol"]), dtype=object)
            if "side" in columns:
                block.columns["side"] = self._sells(arrays, first)
            yield replace(block, error=self._error_of(block, arrays))
        # To the end of the file, for its digest.
        deque(super()._pieces(Room(_READ_BYTES)), maxlen=0)
        self.lines = self._table.rows

    def _pieces(self, room: Room) -> Iterator[bytes]:
        self._times = {}
        columns = self.layout.columns
        yield (",".join(columns) + "\n").encode()
        for batch in self._batches():
            if next(iter(batch.columns.values()), None):
                texts = [self._texts(name, batch) for name in columns]
                yield "".join(f"{','.join(row)}\n" for row in zip(*texts, strict=True)).encode()
        # To the end of the file, for its digest.
        deque(super()._pieces(room), maxlen=0)

    # --- the file's own rows ---------------------------------------------------------------------

    def _names(self) -> list[str]:
        if self._table is not None:
            return list(self._table.schema.names)
        line = TextFile(self.path).head().removeprefix(BOM).partition(b"\n")[0]
        (names,) = csv.reader([line.decode(errors="replace").rstrip("\r")])
        return [name.strip() for name in names]

    def _batches(self) -> Iterator[_Batch]:
        names = list(dict.fromkeys(self._map.columns.values()))
        if self._table is None:
            yield from self._csv_batches(names)
            return
        # Of a table's only these are looked at as text: what its ids and signs are.
        looked_at = [m for m in ("id", "quantity") if m in self._map.columns]
        for first, arrays in self._arrays():
            yield _Batch(first, {self._map.columns[m]: texts_of(arrays[m]) for m in looked_at})

    def _arrays(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield a table's columns by meaning, batch by batch, with the number of the first row."""
        assert self._table is not None
        names = list(dict.fromkeys(self._map.columns.values()))
        first = 1
        for batch in self._table.batches(names):
            by_name = dict(zip(names, batch.columns, strict=True))
            for name, column in by_name.items():
                if column.null_count:
                    row = next(i for i, value in enumerate(column) if not value.is_valid)
                    (meaning, *_) = (m for m, n in self._map.columns.items() if n == name)
                    raise InputError(self.path, f"a value for {meaning}", "null", line=first + row)
            if batch.num_rows:
                yield first, {m: by_name[name] for m, name in self._map.columns.items()}
            first += batch.num_rows

    def _csv_batches(self, names: list[str]) -> Iterator[_Batch]:
        places = [self.names.index(name) for name in names]
        raw = TextFile(self.path)
        first = 1
        blank = False
        for block in raw.blocks():
            try:
                lines = block.removeprefix(BOM).decode().split("\n")
            except UnicodeDecodeError:
                raise InputError(self.path, "text in UTF-8", "other bytes") from None
            if not lines[-1]:
                lines.pop()
            here, rows = first + (first == 1), []
            for number, row in enumerate(_rows(lines), first):
                if number == 1:
                    continue
                blank = blank or not row
                if blank and not row:
                    continue
                if blank or len(row) != len(self.names):
                    found = "an empty line before it" if blank else str(len(row))
                    raise InputError(self.path, f"{len(self.names)} columns", found, line=number)
                rows.append([row[place].strip() for place in places])
            first += count_lines(block)
            columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
            yield _Batch(here, dict(zip(names, columns, strict=True)))

    # --- what the columns mean -------------------------------------------------------------------

    def _check_floats(self, meaning: str, name: str, kind: Any) -> None:
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        floats = pa.types.is_floating(kind) and not self._map.shortest_floats
        if floats and meaning not in ("symbol", "side", "maker"):
            expected = (
                'exact numbers (decimals, integers or text), or float = "shortest" in the map'
            )
            raise InputError(self.path, f"{expected} in column {name!r} for {meaning}", str(kind))

    def _column(self, batch: _Batch, meaning: str) -> Sequence[str]:
        name = self._map.columns.get(meaning)
        return () if name is None else batch.columns[name]

    def _are_numbers(self, batch: _Batch, meaning: str) -> bool:
        texts = self._column(batch, meaning)
        return bool(texts) and all(t.isascii() and t.isdigit() and len(t) < 19 for t in texts[:100])

    def _has_sells(self, batch: _Batch) -> bool:
        if {"maker", "side"} & set(self._map.columns):
            return False
        return any(text.startswith("-") for text in self._column(batch, "quantity"))

    def _texts(self, meaning: str, batch: _Batch) -> list[str]:
        if meaning == "side":
            return self._sides(batch)
        texts = self._column(batch, meaning)
        if meaning in ("time", "receive"):
            return self._times.setdefault(meaning, Times(self.path)).read(texts, batch.first)
        if meaning == "symbol":
            return list(texts)
        if meaning in _NUMBERS:
            return [self._number(text, meaning, batch.first + n) for n, text in enumerate(texts)]
        return list(texts)

    def _number(self, text: str, meaning: str, line: int) -> str:
        plain = plain_number(text)
        if plain is None:
            expected = f"a plain decimal number for {meaning}"
            raise InputError(self.path, expected, repr(text[:100]), line=line)
        if self._signed and meaning in ("quantity", "quote"):
            return plain.removeprefix("-")
        return plain

    def _readable(self, meaning: str, arrays: dict[str, Any], first: int) -> Any:
        """Return a column of a table as numbers: of quantities amounts, of times nanoseconds."""
        array = arrays[meaning]
        if meaning in ("time", "receive"):
            times = self._times.setdefault(meaning, Times(self.path))
            whole = whole_numbers(array)
            found = None if whole is None else times.whole(whole, first)
            return pa.array(times.read(texts_of(array), first) if found is None else found)
        kind = array.type
        is_number = pa.types.is_integer(kind) or pa.types.is_decimal128(kind)
        if meaning in _NUMBERS and not is_number:
            texts = texts_of(array)
            numbers = (self._number(text, meaning, first + n) for n, text in enumerate(texts))
            return pa.array(list(numbers), pa.string())
        return array

    def _sells(self, arrays: dict[str, Any], first: int) -> BoolArray:
        """Tell which trades of a table are a taker's sells."""
        if "maker" in arrays and pa.types.is_boolean(arrays["maker"].type):
            sells: BoolArray = plain_column(pa.chunked_array([arrays["maker"]]), "boolean")
            return sells
        meaning = next((one for one in ("maker", "side") if one in arrays), "quantity")
        name = self._map.columns[meaning]
        words = self._sides(_Batch(first, {name: texts_of(arrays[meaning])}))
        return np.array([word == "sell" for word in words], dtype=np.bool_)

    def _error_of(self, block: RowBlock, arrays: dict[str, Any]) -> RowError:
        """Return what names a row of a table, in the table's own values."""

        def error(row: int, expected: str, name: str) -> InputError:
            named = [name] if name in arrays else list(arrays)
            text = ",".join(texts_of(arrays[one].slice(row, 1))[0] for one in named)
            return InputError(self.path, expected, shown(text.encode()), line=block.line + row)

        return error

    def _sides(self, batch: _Batch) -> list[str]:
        if "maker" in self._map.columns:
            meaning = "maker"
            words = dict.fromkeys(_TRUE, "sell") | dict.fromkeys(_FALSE, "buy")
            texts = [words.get(t.lower(), "") for t in self._column(batch, "maker")]
            expected = "true or false for maker"
        elif "side" in self._map.columns:
            buys, sells, meaning = self._map.buys, self._map.sells, "side"
            first, second = ("buy", "sell") if self._map.side_of == "taker" else ("sell", "buy")
            words = dict.fromkeys(buys, first) | dict.fromkeys(sells, second)
            texts = [words.get(text, "") for text in self._column(batch, "side")]
            expected = f"one of {' '.join((*buys, *sells))} for side"
        else:
            quantities = self._column(batch, "quantity")
            return ["sell" if text.startswith("-") else "buy" for text in quantities]
        if "" in texts:
            row = texts.index("")
            found = repr(self._column(batch, meaning)[row])
            raise InputError(self.path, expected, found, line=batch.first + row)
        return texts


def _exact(name: str, *, signed: bool) -> Column:
    """Return how a column of a table is read once its values are numbers."""
    if name not in _NUMBERS:
        return Column(name, "integer")
    return Column(name, "exact", name, signed=signed and name in _SIGNED)


def _rows(lines: list[str]) -> Iterator[list[str]]:
    for line in lines:
        text = line.removesuffix("\r")
        if '"' in text:
            yield next(csv.reader([text]), [])
        else:
            yield text.split(",") if text else []


def is_mapped(path: Path | str, columns: ColumnMap) -> bool:
    """Tell whether a column map is about a file.

    That is a table that is no klines, or a CSV file whose header has all of its names.

    Raises InputError for what cannot be opened.
    """
    wanted = set(columns.columns.values())
    if is_table(path):
        names = ArrowFile(str(path)).schema.names
        return wanted <= set(names) or not {"high", "low"} <= {name.lower() for name in names}
    line = TextFile(path).head().removeprefix(BOM).partition(b"\n")[0]
    (names,) = csv.reader([line.decode(errors="replace").rstrip("\r").replace("\0", "")])
    return wanted <= {name.strip() for name in names}
