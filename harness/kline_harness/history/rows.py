"""Two versions of a file, or a month and its days, held against each other row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from kline_harness.archives.compressed import TextFile
from kline_harness.archives.layout import sniff


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
        return (
            f"{self.added:,} rows added, {self.removed:,} removed, {self.changed:,} changed{where}"
        )


_Row = tuple[int, bytes]


def compare_rows(old: Sequence[Path], new: Sequence[Path]) -> RowChanges:
    """Compare the rows of files one after the other.

    Raises InputError for a file that is neither trades nor klines.
    """
    try:
        return _merged(_in_order(_rows(old)), _in_order(_rows(new)))
    except _Disorder:
        return _gathered(_rows(old), _rows(new))


class _Disorder(Exception):
    pass


def _rows(paths: Iterable[Path]) -> Iterator[_Row]:
    for path in paths:
        file = TextFile(path)
        layout = sniff(file)
        names = ("open_time",) if layout.kind == "klines" else ("id",)
        place = next((layout.columns.index(name) for name in names if name in layout.columns), None)
        first = True
        for block in file.blocks():
            body = layout.strip(block) if first else block
            first = False
            for line in body.split(b"\n"):
                row = line.rstrip(b"\r")
                if row:
                    key = row.split(b",", place + 1)[place] if place is not None else b""
                    yield (int(key) if key.isdigit() else -1), row


def _in_order(rows: Iterator[_Row]) -> Iterator[_Row]:
    last = 0
    for row in rows:
        if row[0] < last:
            raise _Disorder
        last = row[0]
        yield row


def _merged(old: Iterator[_Row], new: Iterator[_Row]) -> RowChanges:
    """Walk both sides in order of their keys, in the memory of a few rows."""
    tally = _Tally()
    sides = [
        ((key, [row for _, row in rows]) for key, rows in groupby(side, lambda r: r[0]))
        for side in (old, new)
    ]
    left, right = (next(side, None) for side in sides)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            tally.add(left[0], left[1], [])
            left = next(sides[0], None)
        elif left is None or right[0] < left[0]:
            tally.add(right[0], [], right[1])
            right = next(sides[1], None)
        else:
            tally.add(left[0], left[1], right[1])
            left, right = next(sides[0], None), next(sides[1], None)
    return tally.changes()


def _gathered(old: Iterator[_Row], new: Iterator[_Row]) -> RowChanges:
    """Compare sides that are in no order, in memory."""
    tally = _Tally()
    left: dict[int, list[bytes]] = {}
    right: dict[int, list[bytes]] = {}
    for side, rows in ((left, old), (right, new)):
        for key, row in rows:
            side.setdefault(key, []).append(row)
    for key in sorted(left.keys() | right.keys()):
        tally.add(key, left.get(key, []), right.get(key, []))
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
