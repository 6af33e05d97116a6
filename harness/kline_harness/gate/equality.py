"""Two sides of klines, whatever they come in, against each other, field by field.

The rows of both sides are compared some minutes of close times at a time, each part of a file
read when its minutes come: what is held is as little for a month of seconds as for a day.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import nsmallest
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.archives import read_klines
from kline_harness.errors import InputError, UsageError
from kline_harness.gate.canonical import COLUMNS, fields_of, lines_of, microseconds_of
from kline_harness.interval import interval_named
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.results import KlineTable
from kline_harness.storage.dataset import KlineDataset
from kline_harness.units import Int64Array

# Rows of both sides that are compared at once, and those of parts that are kept once read.
_ROWS_AT_ONCE = 20_000
_ROWS_KEPT = 300_000
# What is never cut: rows that close in the same ten minutes are compared together.
_BUCKET_US = 600_000_000

_T = TypeVar("_T")
# symbol, interval, open time
_Key: TypeAlias = tuple[str, str, str]
# The key, which of several with the same key, which of its fields, and the sentence.
_Line: TypeAlias = tuple[_Key, int, int, str]


@dataclass(slots=True)
class Differing:
    """What differs: the first lines by symbol, interval and open time, and how many in all."""

    shown: int
    ours: int = 0
    theirs: int = 0
    total: int = 0
    _lines: list[_Line] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The first `shown` lines."""
        return [text for *_, text in nsmallest(self.shown, self._lines)]

    def add(self, line: _Line) -> None:
        """Count a line, and keep it if it may be one of the first."""
        self.total += 1
        self._lines.append(line)
        if len(self._lines) > 2 * self.shown + 1_000:
            self._lines = nsmallest(self.shown, self._lines)


def difference(ours: Any, theirs: Any, shown: int) -> str:
    """Return what differs, a line per field; empty when both sides are identical.

    Only fields that both sides have are compared. No more than `shown` lines are written out.

    Raises InputError or UsageError for a side that holds no klines.
    """
    found = differing(ours, theirs, shown)
    if not found.total:
        return ""
    head = f"klines are not identical: {found.ours:,} ours, {found.theirs:,} theirs"
    hidden = found.total - len(found.lines)
    return "\n".join([head, *found.lines, *([f"  and {hidden:,} more"] if hidden else [])])


def differing(
    ours: Any, theirs: Any, shown: int, names: tuple[str, str] = ("ours", "theirs")
) -> Differing:
    """Return the first `shown` lines of what differs, and how many there are.

    Raises InputError or UsageError for a side that holds no klines.
    """
    sides = (_Side.of(ours), _Side.of(theirs))
    found = Differing(shown, sides[0].rows, sides[1].rows)
    for first, last in _windows(sides):
        mine, yours = (list(side.tables(first, last)) for side in sides)
        if not _same(mine, yours):
            _compare(_by_key(mine), _by_key(yours), names, found)
    return found


# Rows of a side, with the fields that they have.
_Table: TypeAlias = tuple[pa.Table, tuple[str, ...]]
_Rows: TypeAlias = dict[_Key, list[tuple[str, tuple[str, ...]]]]


def _same(mine: list[_Table], yours: list[_Table]) -> bool:
    """Tell whether two sides have the same rows in the same order, which most of them have."""
    kinds = {(table.schema, fields) for table, fields in (*mine, *yours)}
    if not mine or not yours or len(kinds) > 1:
        return False
    left, right = (pa.concat_tables([table for table, _ in side]) for side in (mine, yours))
    return bool(left.equals(right))


def _by_key(parts: list[_Table]) -> _Rows:
    found: _Rows = {}
    for table, fields in parts:
        for line in lines_of(table):
            symbol, interval, open_time, _ = line.split(",", 3)
            found.setdefault((symbol, interval, open_time), []).append((line, fields))
    return found


def _compare(mine: _Rows, yours: _Rows, names: tuple[str, str], found: Differing) -> None:
    for key in mine.keys() | yours.keys():
        left, right = mine.get(key, []), yours.get(key, [])
        for nth in range(max(len(left), len(right))):
            place = "  " + " ".join(key) + (f" (copy {nth + 1})" if nth else "")
            if nth >= len(left) or nth >= len(right):
                found.add((key, nth, 0, f"{place}: only in {names[nth >= len(left)]}"))
            elif left[nth] != right[nth]:
                (line, ours), (other, theirs) = left[nth], right[nth]
                values, others = fields_of(line), fields_of(other)
                for order, name in enumerate(FIELDS):
                    both = name in ours and name in theirs
                    if both and values[name] != others[name]:
                        text = f"{names[0]} {values[name]}, {names[1]} {others[name]}"
                        found.add((key, nth, order, f"{place} {name}: {text}"))


# Reads the columns that are named.
_Read: TypeAlias = Callable[[Sequence[str]], pa.Table]


@dataclass(slots=True)
class _Part:
    """Rows that are read at once, the fields they have, and between which closes they are."""

    read: _Read
    fields: tuple[str, ...]
    rows: int
    first: int
    last: int


@dataclass(slots=True)
class _Side:
    """The rows of a side in parts, and how many of them close in which ten minutes."""

    parts: list[_Part] = field(default_factory=list)
    buckets: Int64Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    counts: Int64Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _kept: OrderedDict[int, tuple[pa.Table, Int64Array]] = field(default_factory=OrderedDict)

    @staticmethod
    def of(given: Any) -> _Side:
        side = _Side()
        for read, fields in _readers(given):
            side._add(read, fields)
        return side

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def tables(self, first: int, last: int) -> Iterator[_Table]:
        """Yield the rows that close in some ten minutes, in the order in which they are stored."""
        for number, part in enumerate(self.parts):
            if part.first <= last and part.last >= first:
                table, closes = self._read(number)
                chosen = table.filter(pa.array((closes >= first) & (closes <= last)))
                if chosen.num_rows:
                    yield chosen, part.fields

    def _add(self, read: _Read, fields: tuple[str, ...]) -> None:
        closes = _buckets(read(COLUMNS[:3]))
        if not len(closes):
            return
        part = _Part(read, fields, len(closes), int(closes.min()), int(closes.max()))
        self.parts.append(part)
        found, counts = np.unique(closes, return_counts=True)
        self.buckets, self.counts = _added(
            np.concatenate([self.buckets, found]), np.concatenate([self.counts, counts])
        )

    def _read(self, number: int) -> tuple[pa.Table, Int64Array]:
        """Return a part; those read last are kept."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        room = _ROWS_KEPT // 2 - self.parts[number].rows
        while self._kept and sum(len(closes) for _, closes in self._kept.values()) > room:
            self._kept.popitem(last=False)
        table = self.parts[number].read(COLUMNS)
        self._kept[number] = table, _buckets(table)
        return self._kept[number]


def _added(buckets: Int64Array, counts: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return each bucket once, with the sum of its counts."""
    each, place = np.unique(buckets, return_inverse=True)
    sums = np.zeros(len(each), dtype=np.int64)
    np.add.at(sums, place, counts)
    return each, sums


def _buckets(table: pa.Table) -> Int64Array:
    """Return about when each kline closes, the order in which klines are stored, in ten minutes."""
    opens: Int64Array = microseconds_of(table["open_time"])
    names = table["interval"].cast(pa.string()).combine_chunks().dictionary_encode()
    lengths = []
    for text in names.dictionary.to_pylist():
        interval = interval_named(text)
        lengths.append(0 if interval is None else (interval.length_ns or 0) // 1_000)
    codes = names.indices.to_numpy(zero_copy_only=False)
    closes: Int64Array = opens + np.array([*lengths, 0], dtype=np.int64)[codes]
    return closes // _BUCKET_US


def _windows(sides: tuple[_Side, _Side]) -> Iterator[tuple[int, int]]:
    """Yield the first and last ten minutes of what is compared at once."""
    buckets, counts = _added(
        np.concatenate([side.buckets for side in sides]),
        np.concatenate([side.counts for side in sides]),
    )
    rows, start = 0, 0
    for place, count in enumerate(counts.tolist()):
        if rows and rows + count > _ROWS_AT_ONCE:
            yield int(buckets[start]), int(buckets[place - 1])
            rows, start = 0, place
        rows += count
    if rows:
        yield int(buckets[start]), int(buckets[-1])


_Reader: TypeAlias = tuple[_Read, tuple[str, ...]]


def _readers(side: Any) -> Iterator[_Reader]:
    """Yield what reads each part of a side, with the fields that it has."""
    if isinstance(side, pa.Table):
        yield side.select, FIELDS
    elif isinstance(side, KlineBatch | KlineTable):
        yield side.to_arrow().select, FIELDS
    elif isinstance(directory := getattr(side, "directory", None), Path):  # of a replay
        yield from _readers(directory)
    elif isinstance(side, str | Path):
        yield from _of_path(Path(side))
    elif isinstance(side, list | tuple):
        for part in side:
            yield from _readers(part)
    else:
        raise UsageError(f"expected klines or a path to them, found {type(side).__name__}")


def _of_path(path: Path) -> Iterator[_Reader]:
    if path.is_dir():
        for folder in (path / "klines", path):
            if readers := KlineDataset(folder).readers():
                yield from ((partial(_table, folder, read), FIELDS) for read in readers)
                return
        raise InputError(path, "a run folder or a dataset of klines", "no part-*.parquet in it")
    if path.suffix == ".parquet":
        for group in range(_read(path, lambda: pq.read_metadata(path).num_row_groups)):
            yield partial(_table, path, partial(_row_group, path, group)), FIELDS
        return
    klines = read_klines(path)
    for number in range(klines.rows.blocks):
        yield partial(_block, klines.rows.piece, number), klines.fields


def _table(path: Path, read: _Read, names: Sequence[str]) -> pa.Table:
    # Columns that a file lacks are left out without a word by the reader, not here.
    return _read(path, lambda: read(names).select(names))


def _read(path: Path, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except (pa.ArrowException, OSError, KeyError) as error:
        found = str(error).partition("\n")[0]
        raise InputError(path, "klines in Parquet as a replay stores them", found) from error


def _row_group(path: Path, group: int, names: Sequence[str]) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read_row_group(group, list(names), use_threads=False)


def _block(
    piece: Callable[[int], tuple[KlineBatch, Int64Array]], number: int, names: Sequence[str]
) -> pa.Table:
    return piece(number)[0].to_arrow().select(names)
