"""CSV text to exact integer columns, a block of lines at a time, as its layout says.

A compiled loop reads blocks of plain rows. Any other, and where nothing
could be compiled, pyarrow parses; where it is more lenient (hexadecimal, blanks, bare carriage
returns) or fails, the block's lines are gone over one by one to name the first bad one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from kline_harness.archives.compressed import LinesRead
from kline_harness.archives.exchange import Dialect
from kline_harness.archives.fields import FALSE_WORDS, TRUE_WORDS
from kline_harness.archives.grammar import (
    DIGITS_MAX,
    EXPONENT,
    WHOLE_DIGITS_MAX,
    Column,
    Grammar,
    shown,
    too_wide,
)
from kline_harness.arrow import unscaled
from kline_harness.compiled.rows import BOOLEAN, EXACT, INTEGER, count_lines, parse_rows
from kline_harness.errors import InputError
from kline_harness.units import INT64_MAX, ExactArray, TimeUnit, magnitude, narrow, trailing_zeros

BOM = b"\xef\xbb\xbf"
# Small enough that pyarrow can spread a block over the cores.
_PYARROW_BLOCK_BYTES = 1 << 20
_PROBE_BYTES = 4 << 10
_TAIL_BYTES = 256
# Most exchanges' numbers have no more decimals.
_USUAL_SCALE = 8
_COMPILED = {"integer": INTEGER, "exact": EXACT, "boolean": BOOLEAN}

# The error of a row: which, what was expected, and of which column ("" for the whole row).
RowError = Callable[[int, str, str], InputError]


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Some rows of a file as columns: int64, bool, or text as objects; exact ones at `scales`.

    The first stands in line `line`; `error` names one of them.
    """

    line: int
    columns: dict[str, Any]
    scales: Mapping[str, int]
    error: RowError

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def bad(self, row: int, expected: str, name: str = "") -> InputError:
        """Return the error that names a row and shows it, or its column `name`."""
        return self.error(row, expected, name)


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file.

    `kind` aggTrades, trades, klines or stream; `header` whether the first line names the columns;
    `columns` the meaning of each column in order ("" where it has none here; empty for a
    stream); `unit` of its times (None for a stream, whose events tell); `dialect` for trades that
    are not in Binance's columns; `iso` for klines whose open times are dates and times in UTC;
    `unread` the header's names that mean nothing known; `preamble` lines before the header, such
    as an address; `header_in_file` is false where the reader made it of the fields of objects;
    `source` the name of the exchange or seller whose form it is.
    """

    kind: str
    header: bool
    columns: tuple[str, ...]
    unit: TimeUnit | None
    dialect: Dialect | None = None
    iso: bool = False
    unread: tuple[str, ...] = ()
    preamble: int = 0
    header_in_file: bool = True
    source: str = field(kw_only=True)

    def strip(self, first_block: bytes) -> bytes:
        """Return the first block without byte order mark and the lines before the first row."""
        text = first_block.removeprefix(BOM)
        for _ in range(self.first_line - 1):
            text = text[text.find(b"\n") + 1 or len(text) :]
        return text

    @property
    def first_line(self) -> int:
        """The line number of the first data row."""
        return 1 + self.preamble + self.header

    @property
    def row_line(self) -> int:
        """The line that messages name of the first data row."""
        return self.first_line if self.header_in_file else 1


class ExactColumns:
    """Keeps the columns of a file at `scales`: by group, the smallest that held every value."""

    def __init__(self, path: str, columns: tuple[Column, ...]) -> None:
        self.path = path
        self.columns = columns
        self.scales: dict[str, int] = {c.group: 0 for c in columns if c.kind == "exact"}

    def tighten(self, found: dict[str, Any], digits: Mapping[str, int]) -> None:
        """Bring exact columns from the scale they were read at to the smallest for all so far."""
        for group, scale in self.scales.items():
            names = [c.name for c in self.columns if c.kind == "exact" and c.group == group]
            excess = digits[group] - scale
            tight = {name: _divided(found[name], excess) for name in names}
            if any(column is None for column in tight.values()):
                excess = min(trailing_zeros(found[name], excess) for name in names)
                tight = {name: _divided(found[name], excess) for name in names}
            self.scales[group] = digits[group] - excess
            found.update(tight)

    def check(self, found: dict[str, Any], error: RowError) -> None:
        """See that exact columns have no number that is negative or too wide.

        Raises InputError for the first row with one.
        """
        for column in self.columns:
            if column.kind == "exact":
                found[column.name] = self._checked(found[column.name], column, error)

    def _checked(self, values: ExactArray, column: Column, error: RowError) -> ExactArray:
        if len(values) and values.min() < 0 and not column.signed:
            row = int(np.argmax(np.asarray(values < 0, dtype=np.bool_)))
            expected = f"a number that is not negative for {column.name}"
            raise error(row, expected, column.name)
        limit = 10 ** (WHOLE_DIGITS_MAX + self.scales[column.group])
        if values.dtype == object and magnitude(values) >= limit:
            row = int(np.argmax(np.asarray(abs(values) >= limit, dtype=np.bool_)))
            raise error(row, too_wide(column), column.name)
        return narrow(values)


class ExactTable(ExactColumns):
    """Reads blocks of one file's text."""

    def __init__(self, path: str, columns: tuple[Column, ...]) -> None:
        super().__init__(path, columns)
        # How many digits the text has after the point, which zeros can make more than the scale;
        # known where pyarrow reads.
        self._digits: Mapping[str, int] | None = None
        self._grammar: Grammar | None = None
        # What the compiled loop calls each column; it knows no text.
        self._kinds: list[int] | None = None
        if all(column.kind in _COMPILED for column in columns):
            self._kinds = [_COMPILED[column.kind] for column in columns]

    def read(self, block: bytes, first_line: int) -> dict[str, Any]:
        """Return the columns of a block: int64, bool, or str as objects; exact ones scaled.

        Raises InputError for the first line that does not follow the grammar.
        """
        found = self._plain(block)
        if found is None:
            found = self._any(block, first_line)
            self.check(found, lambda row, *what: self.bad_row(block, first_line, row, *what))
        return found

    def rows(self, block: bytes, first_line: int) -> RowBlock:
        """Return the rows of a block, as `read` does."""
        columns = self.read(block, first_line)
        scales = dict(self.scales)
        return RowBlock(
            first_line,
            columns,
            scales,
            lambda row, *what: self.bad_row(block, first_line, row, *what),
        )

    def _plain(self, block: bytes) -> dict[str, Any] | None:
        """Read a block whose every row is plain with the compiled loop, if there is one."""
        if self._kinds is None:
            return None
        # The scales so far, or where they do not do, what is enough for most.
        usual = {group: max(scale, _USUAL_SCALE) for group, scale in self.scales.items()}
        known = any(self.scales.values())
        for scales in (self.scales, usual) if known else (usual, self.scales):
            wanted = [scales.get(column.group, 0) for column in self.columns]
            parsed = parse_rows(block, self._kinds, wanted)
            if parsed is not None:
                return self._tightened(*parsed, scales)
        return None

    def _tightened(
        self, columns: list[Any], decimals: list[int], scales: Mapping[str, int]
    ) -> dict[str, Any]:
        """Name columns, brought to the smallest scales that hold every value so far."""
        needed = dict(self.scales)
        for column, used in zip(self.columns, decimals, strict=True):
            if column.kind == "exact":
                needed[column.group] = max(needed[column.group], used)
        for place, column in enumerate(self.columns):
            excess = scales[column.group] - needed[column.group] if column.kind == "exact" else 0
            if excess:
                columns[place] //= 10**excess
        self.scales = needed
        return dict(zip((column.name for column in self.columns), columns, strict=True))

    @property
    def _lines(self) -> Grammar:
        """The grammar of a row, which blocks that the compiled loop reads do not need."""
        if self._grammar is None:
            self._grammar = Grammar(self.path, self.columns)
        return self._grammar

    def _any(self, block: bytes, first_line: int) -> dict[str, Any]:
        """Read any block that follows the grammar, with pyarrow.

        Raises InputError for the first line that does not.
        """
        if EXPONENT.search(block):
            block = self._lines.expanded(block)
        digits = self._digits or self._lines.digits(_probe(block), first_line)
        # The compiled loop may have read earlier blocks, at scales that hold from there on.
        digits = _more(digits, self.scales)
        if not self._lines.is_plain(block):
            digits = _more(digits, self._lines.digits(block, first_line))
        try:
            table = self._parse(block, digits)
        except pa.ArrowInvalid:
            digits = _more(digits, self._lines.digits(block, first_line))
            self._lines.check_width(block, first_line, digits)
            try:
                table = self._parse(block, digits)
            except pa.ArrowInvalid as error:
                raise InputError(self.path, "rows of numbers", str(error)) from None
        # pyarrow takes a bare carriage return for a line end, and numbers like 1e5.
        lines = count_lines(block)
        if table.num_rows != lines or self._lines.has_exponent(block, lines):
            self._lines.digits(block, first_line)
        if table.num_rows != lines:
            raise InputError(self.path, f"{lines} rows", f"{table.num_rows}")
        self._digits = digits
        found = self._columns(table)
        self.tighten(found, digits)
        if any(scale > DIGITS_MAX for scale in self.scales.values()):
            # Decimals that are zeros in rows before hide those that are not from the parser.
            self._lines.digits(block, first_line)
        return found

    def _parse(self, block: bytes, digits: Mapping[str, int]) -> Any:
        return pacsv.read_csv(
            pa.BufferReader(block),
            read_options=pacsv.ReadOptions(
                # One of the threads of Arrow's pool may outlive the interpreter and abort it at
                # exit; the parser has a thread of its own anyway.
                use_threads=False,
                block_size=max(_PYARROW_BLOCK_BYTES, _longest(block)),
                column_names=[str(index) for index in range(len(self.columns))],
            ),
            parse_options=pacsv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(
                column_types={
                    str(index): _arrow_type(column, digits)
                    for index, column in enumerate(self.columns)
                },
                null_values=[],
                true_values=[*TRUE_WORDS, "1"],
                false_values=[*FALSE_WORDS, "0"],
            ),
        )

    def _columns(self, table: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for index, column in enumerate(self.columns):
            data = table.column(index)
            if column.kind == "exact":
                found[column.name] = unscaled(data)
            elif column.kind != "ignored":
                found[column.name] = plain_column(data, column.kind)
        return found

    def bad_row(
        self, block: bytes, first_line: int, row: int, expected: str, name: str = ""
    ) -> InputError:
        """Return the error that names a row of a block and shows it, or its column `name`."""
        text = block.split(b"\n", row + 1)[row].rstrip(b"\r")
        if name:
            text = text.split(b",")[[column.name for column in self.columns].index(name)]
        return InputError(self.path, expected, shown(text), line=first_line + row)


def bodies(path: str, blocks: Iterable[bytes], layout: Layout, lines: LinesRead) -> Iterator[bytes]:
    """Yield the data rows of a file's blocks: no byte order mark, no header, no blank last lines.

    Blank lines inside of a block stay: rows count lines, and they are errors. `lines` counts what
    is left out.

    Raises InputError for blank lines of whole blocks that are not the last.
    """
    lines.header, lines.blank = layout.first_line - 1, 0
    rows, is_first = 0, True
    for block in blocks:
        text, is_first = layout.strip(block) if is_first else block, False
        end = _end_of_rows(text)
        if end and lines.blank:
            line = layout.first_line + rows
            raise InputError(path, f"{len(layout.columns)} columns", "an empty line", line=line)
        lines.blank += count_lines(text[end:])
        if end:
            rows += count_lines(text[:end])
            body, text, block = [text[:end]], b"", b""
            # Nothing is held of what is handed on: many files may be read side by side.
            yield body.pop()


def _end_of_rows(block: bytes) -> int:
    """Return where the last line that is not blank ends."""
    # The end alone first: stripping copies what it is given.
    tail = block[-_TAIL_BYTES:]
    kept = tail.rstrip(b"\r\n")
    end = len(block) - len(tail) + len(kept) if kept else len(block.rstrip(b"\r\n"))
    return block.find(b"\n", end) + 1 or len(block) if end else 0


def _probe(block: bytes) -> bytes:
    return block[: block.find(b"\n", _PROBE_BYTES) + 1] or block


def _more(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {group: max(left[group], right[group]) for group in left}


def _longest(block: bytes) -> int:
    # pyarrow refuses a line longer than its block; a block without line ends is one line.
    return 0 if b"\n" in block[:_PYARROW_BLOCK_BYTES] else len(block)


def _arrow_type(column: Column, digits: Mapping[str, int]) -> Any:
    if column.kind == "exact":
        return pa.decimal128(38, digits[column.group])
    return {"integer": pa.int64(), "boolean": pa.bool_()}.get(column.kind, pa.string())


def plain_column(data: Any, kind: str) -> NDArray[Any]:
    """Return a column without nulls as numpy; read off its buffers, as to_numpy loads pandas."""
    if kind == "text":
        return np.array(data.to_pylist(), dtype=object)
    if kind == "integer":
        return _joined(
            [np.frombuffer(c.buffers()[1], np.int64, len(c), c.offset * 8) for c in data.chunks]
        )
    parts = []
    for chunk in data.chunks:
        bits = np.unpackbits(np.frombuffer(chunk.buffers()[1], np.uint8), bitorder="little")
        parts.append(bits[chunk.offset : chunk.offset + len(chunk)].view(np.bool_))
    return _joined(parts)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _divided(values: ExactArray, digits: int) -> ExactArray | None:
    """Divide by ten to the power of `digits`, None where that is not exact."""
    if digits == 0:
        return values
    factor = 10**digits
    if values.dtype == np.int64 and factor > INT64_MAX:
        return None if np.any(values) else values
    quotient = values // factor
    return quotient if np.array_equal(quotient * factor, values) else None
