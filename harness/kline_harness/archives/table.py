"""CSV text to exact integer columns, a block of lines at a time.

The grammar is strict and written once, in `_Line`: digits, of decimals an exponent too, no
blanks, no empty field. A compiled loop reads blocks of plain rows. Any other, and where nothing
could be compiled, pyarrow parses; where it is more lenient (hexadecimal, blanks, bare carriage
returns) or fails, the block's lines are gone over one by one to name the first bad one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from kline_harness.archives.arrow_values import divided, plain_column, unscaled
from kline_harness.archives.fields import FALSE_WORDS, TRUE_WORDS
from kline_harness.archives.layout import Layout
from kline_harness.archives.line_count import LinesRead
from kline_harness.archives.mapped_values import plain_number
from kline_harness.compiled.rows import BOOLEAN, EXACT, INTEGER, count_lines, parse_rows
from kline_harness.errors import InputError
from kline_harness.units import (
    INT64_MAX,
    ExactArray,
    magnitude,
    narrow,
    parse_exact,
    trailing_zeros,
)

# What a price or quantity of a recording may have, and the decimals of any number.
DIGITS_MAX = 18
# What pyarrow's decimals hold, zeros included; of them stored klines have 20 before the point.
WIDE_DIGITS_MAX = 38
WHOLE_DIGITS_MAX = 20
# What pyarrow takes in a number and the grammar does not, apart from exponents.
_SUSPECT = (b" ", b"\t", b"+", b"x", b"X")
_INTEGER = re.compile(rb"-?[0-9]+")
_EXACT = re.compile(rb"-?[0-9]+(?:\.[0-9]*)?|-?\.[0-9]+")
_EXPONENT = re.compile(rb"[0-9.][eE][+-]?[0-9]")
# Small enough that pyarrow can spread a block over the cores.
_PYARROW_BLOCK_BYTES = 1 << 20
_PROBE_BYTES = 4 << 10
_TAIL_BYTES = 256
# Most exchanges' numbers have no more decimals.
_USUAL_SCALE = 8
_COMPILED = {"integer": INTEGER, "exact": EXACT, "boolean": BOOLEAN}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: `integer` (int64), `exact`, `boolean`, `text` or `ignored`.

    Exact columns of one `group` share a scale; only `signed` ones may be negative.
    """

    name: str
    kind: Literal["integer", "exact", "boolean", "text", "ignored"]
    group: str = ""
    signed: bool = False


class ExactTable:
    """Reads blocks of one file; `scales` is the smallest that held every value so far, by group."""

    def __init__(self, path: str, columns: tuple[Column, ...]) -> None:
        self.path = path
        self.columns = columns
        self.scales: dict[str, int] = {c.group: 0 for c in columns if c.kind == "exact"}
        # How many digits the text has after the point, which zeros can make more than the scale;
        # known where pyarrow reads.
        self._digits: Mapping[str, int] | None = None
        self._lines = _Line(path, columns)
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
        for column in self.columns:
            if column.kind == "exact":
                found[column.name] = self._checked(found[column.name], column, block, first_line)
        return found

    def _plain(self, block: bytes) -> dict[str, Any] | None:
        """Read a block whose every row is plain with the compiled loop, if there is one."""
        if self._kinds is None:
            return None
        # The scales so far, or where they do not do, what is enough for most.
        usual = {group: max(scale, _USUAL_SCALE) for group, scale in self.scales.items()}
        for scales in (self.scales, usual):
            wanted = [scales.get(column.group, 0) for column in self.columns]
            parsed = parse_rows(block, self._kinds, wanted)
            if parsed is not None:
                names = (column.name for column in self.columns)
                found: dict[str, Any] = dict(zip(names, parsed, strict=True))
                self._tighten(found, scales)
                return found
        return None

    def _any(self, block: bytes, first_line: int) -> dict[str, Any]:
        """Read any block that follows the grammar, with pyarrow.

        Raises InputError for the first line that does not.
        """
        if _EXPONENT.search(block):
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
        self._tighten(found, digits)
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

    def _tighten(self, found: dict[str, Any], digits: Mapping[str, int]) -> None:
        """Bring exact columns from the scale they were read at to the smallest for all so far."""
        for group, scale in self.scales.items():
            names = [c.name for c in self.columns if c.kind == "exact" and c.group == group]
            excess = digits[group] - scale
            tight = {name: divided(found[name], excess) for name in names}
            if any(column is None for column in tight.values()):
                excess = min(trailing_zeros(found[name], excess) for name in names)
                tight = {name: divided(found[name], excess) for name in names}
            self.scales[group] = digits[group] - excess
            found.update(tight)

    def _checked(
        self, values: ExactArray, column: Column, block: bytes, first_line: int
    ) -> ExactArray:
        if len(values) and values.min() < 0 and not column.signed:
            row = int(np.argmax(np.asarray(values < 0, dtype=np.bool_)))
            expected = f"a number that is not negative for {column.name}"
            raise self.bad_row(block, first_line, row, expected, column.name)
        limit = 10 ** (WHOLE_DIGITS_MAX + self.scales[column.group])
        if values.dtype == object and magnitude(values) >= limit:
            row = int(np.argmax(np.asarray(abs(values) >= limit, dtype=np.bool_)))
            raise self.bad_row(block, first_line, row, _too_wide(column), column.name)
        return narrow(values)

    def bad_row(
        self, block: bytes, first_line: int, row: int, expected: str, name: str = ""
    ) -> InputError:
        """Return the error that names a row of a block and shows it, or its column `name`."""
        text = block.split(b"\n", row + 1)[row].rstrip(b"\r")
        if name:
            text = text.split(b",")[[column.name for column in self.columns].index(name)]
        return InputError(self.path, expected, _shown(text), line=first_line + row)


def bodies(path: str, blocks: Iterable[bytes], layout: Layout, lines: LinesRead) -> Iterator[bytes]:
    """Yield the data rows of a file's blocks: no byte order mark, no header, no blank last lines.

    Blank lines inside of a block stay: rows count lines, and they are errors. `lines` counts what
    is left out.

    Raises InputError for blank lines of whole blocks that are not the last.
    """
    lines.header, lines.blank = layout.first_line - 1, 0
    rows = 0
    for number, block in enumerate(blocks):
        text = block if number else layout.strip(block)
        end = _end_of_rows(text)
        if end and lines.blank:
            line = layout.first_line + rows
            raise InputError(path, f"{len(layout.columns)} columns", "an empty line", line=line)
        lines.blank += count_lines(text[end:])
        if end:
            rows += count_lines(text[:end])
            yield text[:end]


def _end_of_rows(block: bytes) -> int:
    """Return where the last line that is not blank ends."""
    # The end alone first: stripping copies what it is given.
    tail = block[-_TAIL_BYTES:]
    kept = tail.rstrip(b"\r\n")
    end = len(block) - len(tail) + len(kept) if kept else len(block.rstrip(b"\r\n"))
    return block.find(b"\n", end) + 1 or len(block) if end else 0


class _Line:
    """The grammar of a row: what each column's text may be."""

    def __init__(self, path: str, columns: tuple[Column, ...]) -> None:
        self._path = path
        self._columns = columns
        booleans = sum(column.kind == "boolean" for column in columns)
        self._booleans = booleans
        self._free_text = any(column.kind in ("text", "ignored") for column in columns)
        self._words = {w.encode() for w in (*TRUE_WORDS, *FALSE_WORDS, "1", "0")}

    def is_plain(self, block: bytes) -> bool:
        """Tell whether nothing in a block hints at what pyarrow would take and we do not."""
        return not self._free_text and not any(mark in block for mark in _SUSPECT)

    def has_exponent(self, block: bytes, lines: int) -> bool:
        """Tell whether a block has an e that no boolean accounts for: each word has exactly one.

        Blocks with free text have been gone over line by line already.
        """
        if self._free_text:
            return False
        found = sum(_count(block, letter) for letter in b"eE" if letter in block)
        return found not in (0, self._booleans * lines)

    def expanded(self, block: bytes) -> bytes:
        """Return the same lines, with the decimals that have an exponent written without one."""
        places = [place for place, one in enumerate(self._columns) if one.kind == "exact"]
        lines = block.split(b"\n")
        for number, line in enumerate(lines):
            if not _EXPONENT.search(line):
                continue
            fields = line.split(b",")
            for place in places:
                field = fields[place] if place < len(fields) else b""
                text = field.decode(errors="replace").removesuffix("\r")
                if _EXPONENT.search(field) and not text.startswith("+"):
                    plain = plain_number(text)
                    end = b"\r" if field.endswith(b"\r") else b""
                    fields[place] = field if plain is None else plain.encode() + end
            lines[number] = b",".join(fields)
        return b"\n".join(lines)

    def digits(self, block: bytes, first_line: int) -> dict[str, int]:
        """Return the most digits after the point for each group of a block's rows.

        Raises InputError for the first line that is not a row.
        """
        most = {c.group: 0 for c in self._columns if c.kind == "exact"}
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        for number, line in enumerate(lines, first_line):
            fields = line.removesuffix(b"\r").split(b",")
            if len(fields) != len(self._columns):
                found = f"{len(fields)}: {_shown(line)}" if line.strip() else "an empty line"
                expected = f"{len(self._columns)} columns"
                raise InputError(self._path, expected, found, line=number)
            for column, field in zip(self._columns, fields, strict=True):
                expected = self._expected(column, field)
                if expected:
                    raise InputError(self._path, expected, _shown(field), line=number)
                if column.kind == "exact":
                    fraction = len(field.partition(b".")[2])
                    if fraction > most[column.group]:
                        most[column.group] = fraction
        return most

    def check_width(self, block: bytes, first_line: int, digits: Mapping[str, int]) -> None:
        """See that each number is narrow enough for the decimals that others of its group have.

        Raises InputError for the first that is not.
        """
        for number, line in enumerate(block.splitlines(), first_line):
            for column, field in zip(self._columns, line.split(b","), strict=True):
                whole = len(field.partition(b".")[0].removeprefix(b"-"))
                decimals = digits.get(column.group, 0) if column.kind == "exact" else 0
                if column.kind == "exact" and whole + decimals > WIDE_DIGITS_MAX:
                    expected = f"at most {WIDE_DIGITS_MAX - decimals} digits before the point"
                    expected += f" beside {decimals} decimals, for {column.name}"
                    raise InputError(self._path, expected, _shown(field), line=number)

    def _expected(self, column: Column, field: bytes) -> str:
        """Return what a field should have been, nothing if it is right."""
        if column.kind == "exact":
            return _expected_exact(column, field)
        if column.kind == "integer":
            if not _INTEGER.fullmatch(field):
                return f"an integer for {column.name}"
            if not -INT64_MAX <= int(field[:25]) <= INT64_MAX:
                return f"an integer of at most 18 digits for {column.name}"
        if column.kind == "boolean" and field not in self._words:
            return f"true or false for {column.name}"
        return ""


def _expected_exact(column: Column, field: bytes) -> str:
    if not _EXACT.fullmatch(field):
        return f"a plain decimal number for {column.name}"
    if len(field) > WIDE_DIGITS_MAX:
        return f"a number of at most {WIDE_DIGITS_MAX} digits for {column.name}"
    value, scale = parse_exact(field.decode())
    if value < 0 and not column.signed:
        return f"a number that is not negative for {column.name}"
    if abs(value) >= 10 ** (WHOLE_DIGITS_MAX + scale):
        return _too_wide(column)
    return f"at most {DIGITS_MAX} decimals for {column.name}" if scale > DIGITS_MAX else ""


def _too_wide(column: Column) -> str:
    return f"a number of at most {WHOLE_DIGITS_MAX} digits before the point for {column.name}"


def _shown(field: bytes) -> str:
    text = field.decode(errors="replace")
    return repr(text if len(text) <= 100 else text[:97] + "...")


def _probe(block: bytes) -> bytes:
    return block[: block.find(b"\n", _PROBE_BYTES) + 1] or block


def _more(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {group: max(left[group], right[group]) for group in left}


def _count(block: bytes, letter: int) -> int:
    # Six times as fast as bytes.count.
    return int(np.count_nonzero(np.frombuffer(block, dtype=np.uint8) == letter))


def _longest(block: bytes) -> int:
    # pyarrow refuses a line longer than its block; a block without line ends is one line.
    return 0 if b"\n" in block[:_PYARROW_BLOCK_BYTES] else len(block)


def _arrow_type(column: Column, digits: Mapping[str, int]) -> Any:
    if column.kind == "exact":
        return pa.decimal128(38, digits[column.group])
    return {"integer": pa.int64(), "boolean": pa.bool_()}.get(column.kind, pa.string())
