"""Canonical lines of klines by day, on disk: what is held does not grow with the klines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import TypeAlias

import numpy as np

from kline_harness.column_spool import ColumnPlace, ColumnSpool

_LINES_AT_ONCE = 20_000
_DATE_LENGTH = len("2024-05-15")
_Lines: TypeAlias = tuple[str, ...]


class Days(Mapping[str, _Lines]):
    """The lines of each day: "ALFAUSDT,1m,2024-05-15" to those of that symbol and interval."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._spool = ColumnSpool()
        self._places: dict[str, list[ColumnPlace]] = {}
        # The last open time of each day, and the days that got lines from before theirs.
        self._ends: dict[str, str] = {}
        self._unordered: set[str] = set()
        # Whoever asks for a day asks for it again, a kline at a time.
        self._last: tuple[str, _Lines] = ("", ())
        self.klines = 0
        rest = iter(lines)
        while some := list(islice(rest, _LINES_AT_ONCE)):
            self.add(some)

    def add(self, lines: Iterable[str]) -> None:
        """Put lines behind those of their days; those of one day are best handed in together."""
        days = [(day, list(found)) for day, found in groupby(lines, _day)]
        texts = ["".join(f"{line}\n" for line in found).encode() for _, found in days]
        whole = self._spool.write(np.frombuffer(b"".join(texts), np.uint8))
        start = whole.start
        for (day, found), text in zip(days, texts, strict=True):
            place = whole._replace(start=start, size=len(text))
            self._places.setdefault(day, []).append(place)
            start += len(text)
            if _open_time(found[0]) < self._ends.get(day, ""):
                self._unordered.add(day)
            self._ends[day] = _open_time(found[-1])
            self.klines += len(found)
        self._last = ("", ())

    def put_in_order(self) -> None:
        """Sort the lines of each day by open time; each `add` was given them in that order."""
        for day in sorted(self._unordered):
            lines = sorted(self[day], key=_open_time)
            del self._places[day]
            self.klines -= len(lines)
            self.add(lines)
        self._unordered.clear()

    def text(self, day: str) -> bytes:
        """Return the lines of a day as text, each with its newline."""
        return b"".join(self._spool.read(place).tobytes() for place in self._places[day])

    def __getitem__(self, day: str) -> _Lines:
        if self._last[0] != day:
            self._last = (day, tuple(self.text(day).decode().split("\n")[:-1]))
        return self._last[1]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._places))

    def __len__(self) -> int:
        return len(self._places)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Days):
            return NotImplemented
        same = self._places.keys() == other._places.keys()
        return same and all(self.text(day) == other.text(day) for day in self._places)

    __hash__ = None  # type: ignore[assignment]


def _day(line: str) -> str:
    """Return the day of a line: symbol, interval and date of the open time."""
    symbol, interval, open_time, _ = line.split(",", 3)
    return f"{symbol},{interval},{open_time[:_DATE_LENGTH]}"


def _open_time(line: str) -> str:
    """Return the text of a line's open time."""
    return line.split(",", 3)[2]
