"""A Parquet or Arrow table of trades, read by a column map, as lines of text."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.archives.column_map import ColumnMap
from kline_harness.archives.compressed import TextFile
from kline_harness.archives.dialects import Dialect
from kline_harness.archives.layout import Layout
from kline_harness.errors import InputError
from kline_harness.units import TimeUnit

_BATCH_ROWS = 1 << 16
_TICKS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_ORDER = ("id", "symbol", "price", "quantity", "quote", "time", "receive", "side")


def is_table(path: Path | str) -> bool:
    """Tell whether a file is Parquet or Arrow by its first bytes."""
    try:
        with open(path, "rb") as file:
            return file.read(6).startswith((b"PAR1", b"ARROW1"))
    except OSError:
        return False


class ArrowTable(TextFile):
    """A table's rows as CSV lines: exact numbers as their digits, times in nanoseconds.

    Takes integers, decimals and text as they are. Timestamps without a zone are taken as UTC.
    The number of a row stands for its line.

    Raises InputError for a file that is no table, lacks a column, or has floats where the map
    does not allow them.
    """

    def __init__(self, path: Path | str, columns: ColumnMap) -> None:
        super().__init__(path)
        self._map = columns
        self._units: dict[str, int] = {}
        schema = self._schema()
        self._names: list[str] = schema.names
        for meaning, name in columns.columns.items():
            if name not in schema.names:
                found = ", ".join(schema.names[:20])
                raise InputError(self.path, f"a column {name!r} for {meaning}", found)
            self._check_type(meaning, name, schema.field(name).type)

    @property
    def layout(self) -> Layout:
        """How the lines are to be read."""
        known = {"side" if name == "maker" else name for name in self._map.columns}
        columns = tuple(name for name in _ORDER if name in known)
        side = "taker" if "side" in known else ""
        dialect = Dialect("table", (), columns, "epoch", side, market=self._map.market)  # type: ignore[arg-type]
        unread = tuple(n for n in self._names if n not in self._map.columns.values())
        return Layout("trades", False, columns, TimeUnit.NANOSECOND, dialect, unread=unread)

    def _pieces(self, piece_bytes: int) -> Iterator[bytes]:
        first = 1
        for batch in self._batches():
            if batch.num_rows:
                texts = [self._texts(name, batch, first) for name in self.layout.columns]
                yield "".join(f"{','.join(row)}\n" for row in zip(*texts, strict=True)).encode()
                first += batch.num_rows
        # To the end of the file, for its digest.
        deque(super()._pieces(piece_bytes), maxlen=0)

    def _schema(self) -> Any:
        try:
            if self._is_parquet():
                return pq.read_schema(self.path)
            with pa.OSFile(self.path) as file:
                return pa.ipc.open_file(file).schema
        except (pa.ArrowInvalid, OSError):
            raise InputError(self.path, "a Parquet or Arrow table", "none") from None

    def _is_parquet(self) -> bool:
        with open(self.path, "rb") as file:
            return file.read(4) == b"PAR1"

    def _batches(self) -> Iterator[Any]:
        names = list(dict.fromkeys(self._map.columns.values()))
        try:
            if self._is_parquet():
                yield from pq.ParquetFile(self.path).iter_batches(_BATCH_ROWS, columns=names)
                return
            with pa.OSFile(self.path) as file:
                reader = pa.ipc.open_file(file)
                for number in range(reader.num_record_batches):
                    yield reader.get_batch(number).select(names)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(self.path, "a whole table", str(error).splitlines()[0]) from None

    def _check_type(self, meaning: str, name: str, kind: Any) -> None:
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        whole = pa.types.is_integer(kind)
        if meaning in ("time", "receive"):
            right, expected = whole or pa.types.is_timestamp(kind), "integers or timestamps"
        elif meaning == "id":
            right, expected = whole, "integers"
        elif meaning == "symbol":
            right, expected = text, "text"
        elif meaning == "maker":
            right, expected = pa.types.is_boolean(kind), "booleans"
        elif meaning == "side":
            right, expected = text or whole, "text or integers"
        else:
            expected = (
                'exact numbers (decimals, integers or text), or float = "shortest" in the map'
            )
            right = text or whole or pa.types.is_decimal(kind)
            right = right or (pa.types.is_floating(kind) and self._map.shortest_floats)
        if not right:
            raise InputError(self.path, f"{expected} in column {name!r} for {meaning}", str(kind))

    def _texts(self, meaning: str, batch: Any, first: int) -> list[str]:
        maker = meaning == "side" and "maker" in self._map.columns
        name = self._map.columns["maker" if maker else meaning]
        column = batch.column(name)
        if column.null_count:
            row = next(i for i, value in enumerate(column) if not value.is_valid)
            raise InputError(self.path, f"a value for {meaning}", "null", line=first + row)
        if meaning in ("time", "receive"):
            return self._times(meaning, column, first)
        if maker:
            return ["sell" if value else "buy" for value in column.to_pylist()]
        if meaning == "side":
            return self._sides(column, first)
        return self._numbers(meaning, column, first)

    def _times(self, meaning: str, column: Any, first: int) -> list[str]:
        if pa.types.is_timestamp(column.type):
            ticks = _TICKS[column.type.unit]
            return [str(value * ticks) for value in column.cast(pa.int64()).to_pylist()]
        values = column.to_pylist()
        try:
            ticks = self._units.setdefault(meaning, TimeUnit.detect(values[0]).value)
        except ValueError as error:
            raise InputError(self.path, "epoch timestamps", str(error), line=first) from None
        return [str(value * ticks) for value in values]

    def _sides(self, column: Any, first: int) -> list[str]:
        buys, sells = self._map.buys, self._map.sells
        if self._map.side_of == "maker":
            buys, sells = sells, buys
        words = dict.fromkeys(buys, "buy") | dict.fromkeys(sells, "sell")
        texts = [words.get(str(value), "") for value in column.to_pylist()]
        if "" in texts:
            row = texts.index("")
            expected = f"one of {' '.join((*buys, *sells))} for side"
            raise InputError(self.path, expected, repr(str(column[row])), line=first + row)
        return texts

    def _numbers(self, meaning: str, column: Any, first: int) -> list[str]:
        values = column.to_pylist()
        if not pa.types.is_floating(column.type):
            return [
                v if isinstance(v, str) else format(v, "f" * isinstance(v, Decimal)) for v in values
            ]
        if pa.types.is_float32(column.type):
            values = [np.float32(value) for value in values]
        texts = []
        for row, value in enumerate(values):
            if not np.isfinite(value):
                raise InputError(self.path, f"a number for {meaning}", str(value), line=first + row)
            # The shortest text that reads back as the same float, written without an exponent.
            texts.append(format(Decimal(str(value)), "f"))
        return texts
