"""Two versions of a file, or a month and its days, held against each other row by row."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import merge
from io import BytesIO
from itertools import groupby, islice
from pathlib import Path
from typing import IO

from kline_harness.archives.compressed import TextFile
from kline_harness.archives.recognition import sniff
from kline_harness.errors import InputError
from kline_harness.nouns import counted

# Rows that are sorted in memory at once; what is in no order goes through sorted runs on disk.
ROWS_AT_ONCE = 250_000
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RowChanges:
    """Rows that only the new side has, only the old side has, or that both have differently.

    Rows are matched by trade id or open time; where a file states neither, a whole row is its own
    key and nothing counts as changed. `first` is the key of the first difference.
    """

    rows: int
    added: int
    removed: int
    changed: int
    first: str = ""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        where = f", first at {self.first}" if self.first else ""
        added = f"{counted(self.added, 'row')} added"
        return f"{added}, {self.removed:,} removed, {self.changed:,} changed{where}"


# A key, what else tells rows apart (the row itself where there is no key), and the row.
_Row = tuple[int, bytes, bytes]


def compare_rows(old: Sequence[Path], new: Sequence[Path]) -> RowChanges:
    """Compare the rows of files one after the other, in the memory of `ROWS_AT_ONCE` rows.

    Raises InputError for a file that is neither trades nor klines, OSError when the disk does not
    take the sorted runs of files that are in no order.
    """
    try:
        return _merged(_in_order(_rows(old)), _in_order(_rows(new)))
    except _Disorder:
        with ExitStack() as runs:
            return _merged(_sorted(_rows(old), runs), _sorted(_rows(new), runs))


def compare_or_say(old: Sequence[Path], new: Sequence[Path]) -> RowChanges | str:
    """Compare rows as `compare_rows` does, or say why they cannot be read."""
    try:
        return compare_rows(old, new)
    except (InputError, OSError) as error:
        return f"the rows cannot be compared: {error}"


class _Disorder(Exception):
    pass


def _rows(paths: Iterable[Path]) -> Iterator[_Row]:
    for path in paths:
        file = TextFile(path)
        layout = sniff(file)
        names = ("open_time",) if layout.kind == "klines" else ("id",)
        place = next((layout.columns.index(name) for name in names if name in layout.columns), None)
        first = True
        for block in file.blocks(_BLOCK_BYTES):
            body = layout.strip(block) if first else block
            first = False
            for line in BytesIO(body):
                row = line.rstrip(b"\r\n")
                if row:
                    key = row.split(b",", place + 1)[place] if place is not None else b""
                    yield (int(key), b"", row) if key.isdigit() else (-1, row, row)


def _in_order(rows: Iterator[_Row]) -> Iterator[_Row]:
    last = (-1, b"")
    for row in rows:
        if row[:2] < last:
            raise _Disorder
        last = row[:2]
        yield row


def _sorted(rows: Iterator[_Row], runs: ExitStack) -> Iterator[_Row]:
    """Return rows in order of their keys, merged from sorted runs in nameless files."""
    files = []
    while piece := sorted(islice(rows, ROWS_AT_ONCE)):
        file = runs.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        file.writelines(b"%d,%s\n" % (key, row) for key, _, row in piece)
        file.seek(0)
        files.append(_run(file))
    return merge(*files)


def _run(file: IO[bytes]) -> Iterator[_Row]:
    for line in file:
        key, _, row = line.removesuffix(b"\n").partition(b",")
        yield int(key), b"" if int(key) >= 0 else row, row


def _merged(old: Iterator[_Row], new: Iterator[_Row]) -> RowChanges:
    """Walk both sides in order of their keys, in the memory of a few rows."""
    tally = _Tally()
    sides = [
        ((key, [row for *_, row in rows]) for key, rows in groupby(side, lambda r: r[:2]))
        for side in (old, new)
    ]
    left, right = (next(side, None) for side in sides)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            tally.add(left[0][0], left[1], [])
            left = next(sides[0], None)
        elif left is None or right[0] < left[0]:
            tally.add(right[0][0], [], right[1])
            right = next(sides[1], None)
        else:
            tally.add(left[0][0], left[1], right[1])
            left, right = next(sides[0], None), next(sides[1], None)
    return tally.changes()


class _Tally:
    def __init__(self) -> None:
        self._rows = self._added = self._removed = self._changed = 0
        self._first = ""

    def add(self, key: int, old: list[bytes], new: list[bytes]) -> None:
        self._rows += len(new)
        if old == new:
            return
        gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
        removed, added = gone.total(), come.total()
        changed = min(removed, added) if key >= 0 else 0
        self._added += added - changed
        self._removed += removed - changed
        self._changed += changed
        if not self._first and removed + added:
            self._first = str(key) if key >= 0 else "a row without id"

    def changes(self) -> RowChanges:
        return RowChanges(self._rows, self._added, self._removed, self._changed, self._first)
