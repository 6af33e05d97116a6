"""The exchange's klines by series and open time: neighbours, and the same kline in other files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

import numpy as np
import pyarrow as pa

from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.series_rows import ascending, chunks
from kline_harness.units import Int64Array

Row = Mapping[str, Decimal | int]


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row stands among the exchange's klines.

    `last` in its file; `repeated` where the file has more than one row of its open time;
    `claimed` where the name of the file claims all of its time; `following` is the kline right
    after it, of whatever file of the series has it.
    """

    last: bool = True
    repeated: bool = False
    claimed: bool = False
    following: Row | None = None


@dataclass(frozen=True, slots=True)
class Absence:
    """A stretch of time without a row, and what the other files say of it.

    `contradicted` where one has a row inside, of any symbol and interval; `confirmed` where one
    reaches over it, has none inside, and had to have one.
    """

    contradicted: bool = False
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class OtherRow:
    """A kline as another file has it; `later` if that was written later, None if unknown."""

    source: str
    values: Row
    later: bool | None = None


class ExchangeRows:
    """Looks klines up in the references of a comparison, named by their place in it."""

    def __init__(self, references: Sequence[ReferenceKlines]) -> None:
        self._references = references
        self._files = [_File(reference) for reference in references]
        self._same: dict[tuple[str, str], list[int]] = {}
        for place, reference in enumerate(references):
            key = (reference.symbol, reference.interval.text)
            self._same.setdefault(key, []).append(place)

    def opens(self, place: int) -> Int64Array:
        """Return the open times of a file's rows, ascending."""
        return self._files[place].opens

    def previous_close(self, place: int, open_ns: int) -> Decimal | int | None:
        """Return the close of the kline before one, None where the file has none."""
        file = self._files[place]
        row = file.row(file.reference.interval.open_time_ns(open_ns - 1))
        return None if row is None else file.values(row)["close"]

    def alternatives(self, place: int, open_ns: int) -> Iterator[OtherRow]:
        """Yield the same kline as other files have it, in the order of the references."""
        mine = self._references[place]
        for other in self._same[mine.symbol, mine.interval.text]:
            row = None if other == place else self._files[other].row(open_ns)
            if row is not None:
                reference = self._references[other]
                times = (mine.written_at, reference.written_at)
                later = None
                if times[0] is not None and times[1] is not None and times[0] != times[1]:
                    later = times[1] > times[0]
                yield OtherRow(reference.source, self._files[other].values(row), later)

    def rows(self, place: int, start_ns: int, end_ns: int) -> list[tuple[int, Row]]:
        """Return the rows that open in [start, end) with their open times, in order."""
        file = self._files[place]
        first, stop = np.searchsorted(file.opens, (start_ns, end_ns)).tolist()
        opens = file.opens[first:stop].tolist()
        return list(zip(opens, file.value_rows(first, stop), strict=True))

    def row_place(self, place: int, open_ns: int) -> RowPlace:
        """Return where the row of an open time stands."""
        file = self._files[place]
        mine, opens = file.reference, file.opens
        first, stop = np.searchsorted(opens, (open_ns, open_ns + 1)).tolist()
        close_ns = mine.interval.close_time_ns(open_ns)
        claimed = mine.claimed is not None and close_ns <= mine.claimed[1]
        found = RowPlace(stop == len(opens), stop - first > 1, claimed)
        for other in (place, *self._same[mine.symbol, mine.interval.text]):
            row = self._files[other].row(close_ns)
            if row is not None:
                return replace(found, following=self._files[other].values(row))
        return found

    def busiest(self, place: int, open_ns: int) -> dict[str, Decimal]:
        """Return the most trades and the most volume of any other kline, as far as stated."""
        file = self._files[place]
        own = file.row(open_ns)
        others = {
            name: [Decimal(value) for row, value in ranked if row != own]
            for name, ranked in file.ranked.items()
        }
        return {name: values[0] for name, values in others.items() if values}

    def price_range(self, place: int, open_ns: int) -> tuple[Decimal, Decimal] | None:
        """Return the lowest and the highest price of all other klines of a file."""
        file = self._files[place]
        own = file.row(open_ns)
        ends = [
            Decimal(next((value for row, value in ranked if row != own), 0))
            for ranked in (file.lowest, file.highest)
        ]
        return (ends[0], ends[1]) if all(ends) else None

    def states_quiet(self, place: int) -> bool:
        """Tell whether a file has rows of klines without trades."""
        return self._files[place].has_quiet

    def omits_quiet(self, place: int) -> bool:
        """Tell whether it is documented that a file's source has no rows of quiet klines."""
        return self._references[place].omits_quiet

    def absence(self, place: int, open_ns: int) -> Absence:
        """Return what the other files say of the stretch without a row around an instant."""
        opens, interval = self._files[place].opens, self._references[place].interval
        after = int(np.searchsorted(opens, open_ns))
        if after == 0 or after == len(opens):
            return Absence()
        start_ns, end_ns = interval.close_time_ns(int(opens[after - 1])), int(opens[after])
        contradicted = confirmed = False
        for other, file in enumerate(self._files):
            if other == place or len(file.opens) == 0:
                continue
            frame = file.reference.interval
            first, stop = np.searchsorted(file.opens, (start_ns, end_ns)).tolist()
            closes = frame.close_times_ns(file.opens[first:stop])
            contradicted |= bool(np.any(closes <= end_ns))
            due = frame.opens_between(frame.close_time_ns(start_ns - 1), end_ns)
            due = due[frame.close_times_ns(due) <= end_ns]
            reaches = file.opens[0] < start_ns and file.opens[-1] >= end_ns
            confirmed |= bool(reaches and len(due) and first == stop)
        return Absence(contradicted, confirmed)


class _File:
    """One file's rows by open time."""

    def __init__(self, reference: ReferenceKlines) -> None:
        self.reference = reference

    @cached_property
    def opens(self) -> Int64Array:
        """Return the open times, ascending."""
        opens = self.reference.rows.opens_ns()
        return opens if self._order is None else opens[self._order]

    @cached_property
    def _order(self) -> Int64Array | None:
        return ascending(self.reference.rows.opens_ns())

    @cached_property
    def ranked(self) -> Mapping[str, list[tuple[int, Decimal | int]]]:
        """Return the two highest counts and volumes with their rows, as far as stated."""
        # In an order of their own: what is stored must not follow a set's.
        names = [name for name in ("count", "volume") if name in self.reference.fields]
        return {name: self._two(name) for name in names}

    @cached_property
    def highest(self) -> list[tuple[int, Decimal | int]]:
        """Return the two highest prices with their rows."""
        return self._two("high")

    @cached_property
    def lowest(self) -> list[tuple[int, Decimal | int]]:
        """Return the two lowest prices with their rows."""
        return self._two("low", -1)

    def _two(self, name: str, sign: int = 1) -> list[tuple[int, Decimal | int]]:
        """Return the two greatest values of a column, or the least, with their rows."""
        best: list[tuple[int, Decimal | int]] = []
        for rows, column in self._pieces(name):
            some = [*best, *zip(rows.tolist(), column.to_pylist(), strict=True)]
            best = sorted(some, key=lambda one: (-sign * one[1], one[0]))[:2]
        return best

    @cached_property
    def has_quiet(self) -> bool:
        """Tell whether some row has no volume."""
        stated = "volume" in self.reference.fields
        pieces = self._pieces("volume") if stated else ()
        return any(value == 0 for _, column in pieces for value in column.to_pylist())

    def value_rows(self, first: int, stop: int) -> list[Row]:
        """Return the fields that the file states of some rows by open time."""
        names = self.reference.fields
        rows = np.arange(first, stop) if self._order is None else self._order[first:stop]
        table = self.reference.rows.take(rows, names)
        columns = [table[name].to_pylist() for name in names]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def row(self, open_ns: int) -> int | None:
        """Return the first row of an open time."""
        found = int(np.searchsorted(self.opens, open_ns))
        there = found < len(self.opens) and self.opens[found] == open_ns
        if not there:
            return None
        return found if self._order is None else int(self._order[found])

    def values(self, row: int) -> dict[str, Decimal | int]:
        """Return the fields that the file states."""
        table = self.reference.rows.take(np.array([row]), self.reference.fields)
        return {name: table[name][0].as_py() for name in self.reference.fields}

    def _pieces(self, name: str) -> Iterator[tuple[Int64Array, pa.ChunkedArray]]:
        """Yield a column with its row numbers, a few rows at a time."""
        rows = self.reference.rows
        for some in chunks(len(rows)):
            numbers = np.arange(some.start, some.stop)
            yield numbers, rows.take(numbers, (name,))[name]
