"""The exchange's klines by series and open time: neighbours, and other files' words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.comparison.compare import Reference, opens_ns
from kline_harness.units import Int64Array


class Theirs:
    """Looks klines up in the references of a comparison, named by their place in it."""

    def __init__(self, references: Sequence[Reference]) -> None:
        self._references = references
        self._orders: dict[int, tuple[Int64Array, NDArray[np.intp]]] = {}
        self._same: dict[tuple[str, str], list[int]] = {}
        for place, reference in enumerate(references):
            key = (reference.symbol, reference.interval.text)
            self._same.setdefault(key, []).append(place)

    def previous_close(self, place: int, open_ns: int) -> Decimal | int | None:
        """Return the close of the kline before one, None where the file has none."""
        reference = self._references[place]
        row = self._row(place, reference.interval.open_time_ns(open_ns - 1))
        return None if row is None else _values(reference.table, row, ("close",))["close"]

    def alternatives(
        self, place: int, open_ns: int
    ) -> Iterator[tuple[str, Mapping[str, Decimal | int]]]:
        """Yield the same kline as other files have it, in the order of the references."""
        mine = self._references[place]
        for other in self._same[mine.symbol, mine.interval.text]:
            row = None if other == place else self._row(other, open_ns)
            if row is not None:
                reference = self._references[other]
                yield reference.source, _values(reference.table, row, reference.fields)

    def _row(self, place: int, open_ns: int) -> int | None:
        if place not in self._orders:
            opens = opens_ns(self._references[place].table)
            order = np.argsort(opens, kind="stable")
            self._orders[place] = (opens[order], order)
        opens, order = self._orders[place]
        found = int(np.searchsorted(opens, open_ns))
        return int(order[found]) if found < len(opens) and opens[found] == open_ns else None


def _values(table: pa.Table, row: int, fields: Sequence[str]) -> dict[str, Decimal | int]:
    return {name: table[name][row].as_py() for name in fields}
