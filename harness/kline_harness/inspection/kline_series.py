"""The klines of one file as a series: each open time once, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.archives import ExchangeKlines
from kline_harness.comparison.series_rows import ascending, chunks
from kline_harness.interval import Interval
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.units import BoolArray, ExactArray, Int64Array, format_exact, mask


class KlineSeries:
    """One file's klines by open time, each once: of rows with the same one the first is taken.

    `repeats` are the other rows, by their place in the `order` of time, None for the file's.
    """

    def __init__(self, klines: ExchangeKlines, name: str) -> None:
        self.klines = klines
        self.name = name
        self.interval: Interval = klines.interval
        opens = klines.rows.opens_ns()
        # Of a file in order no row number is held: a month of seconds has millions.
        self.order = ascending(opens)
        if self.order is not None:
            opens = opens[self.order]
        self.repeats: Int64Array = np.flatnonzero(opens[1:] == opens[:-1]) + 1
        self._rows = self.order
        if len(self.repeats):
            kept = np.delete(np.arange(len(opens)), self.repeats)
            self._rows = kept if self.order is None else self.order[kept]
            opens = opens[kept]
        # The open times of the series.
        self.opens: Int64Array = opens

    def __len__(self) -> int:
        return len(self.opens)

    def take(self, rows: NDArray[Any]) -> KlineBatch:
        """Return some klines of the series, by their place in it."""
        return self.klines.rows.take(rows if self._rows is None else self._rows[rows])[0]

    def pieces(self) -> Iterator[KlineBatch]:
        """Yield the klines of the series, some at a time."""
        for some in chunks(len(self)):
            yield self.take(np.arange(some.start, some.stop))

    def column(self, name: str) -> ExactArray:
        """Join a column of all pieces, in the order of the file."""
        return np.concatenate([getattr(piece, name) for piece in self.pieces()])

    @cached_property
    def prices_only(self) -> bool:
        """Whether the file knows no trades: of an index or a mark price, or without volumes."""
        if "volume" not in self.klines.fields:
            return True
        moves = False
        for batch in self.pieces():
            if batch.volume.any():
                return False
            moves |= bool((batch.high != batch.low).any())
        return moves

    @cached_property
    def quiet(self) -> BoolArray:
        """Where nothing traded, of the rows of the series."""
        return np.concatenate([quiet_rows(batch, self.fields) for batch in self.pieces()])

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that say something."""
        if self.prices_only:
            return tuple(name for name in self.klines.fields if name in FIELDS[:4])
        return self.klines.fields


def quiet_rows(batch: KlineBatch, fields: Iterable[str]) -> BoolArray:
    """Find the klines in which nothing traded, by count, else by volume."""
    for name in ("count", "volume"):
        if name in fields:
            return mask(getattr(batch, name) == 0)
    return np.zeros(len(batch), dtype=np.bool_)


def shown(batch: KlineBatch, row: int, fields: Iterable[str]) -> dict[str, Any]:
    """Return some fields of one kline as exact decimal text."""
    (instrument,) = batch.instruments
    scales = (
        dict.fromkeys(batch.price_columns(), instrument.price_scale)
        | dict.fromkeys(batch.quantity_columns(), instrument.quantity_scale)
        | dict.fromkeys(batch.quote_columns(), instrument.quote_scale)
    )
    return {name: format_exact(getattr(batch, name)[row], scales.get(name, 0)) for name in fields}
