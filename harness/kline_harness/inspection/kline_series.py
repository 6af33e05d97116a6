"""The klines of one file as a series: each open time once, in order."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from kline_harness.archives import ExchangeKlines
from kline_harness.interval import Interval
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.units import BoolArray, Int64Array, format_exact


class KlineSeries:
    """One file's klines sorted by open time, `unique` being those rows that are there once.

    Of rows with the same open time the first is taken.
    """

    def __init__(self, klines: ExchangeKlines, name: str) -> None:
        self.klines = klines
        self.name = name
        self.interval: Interval = klines.interval
        self.order = np.argsort(klines.batch.open_time_ns, kind="stable")
        self.sorted: KlineBatch = klines.batch.take(self.order)
        opens = self.sorted.open_time_ns
        self.repeats: BoolArray = np.concatenate([[False], opens[1:] == opens[:-1]])
        self.batch: KlineBatch = self.sorted.take(~self.repeats)

    @cached_property
    def prices_only(self) -> bool:
        """Whether the file knows no trades: of an index or a mark price, or without volumes."""
        if "volume" not in self.klines.fields:
            return True
        batch = self.batch
        return not batch.volume.any() and bool((batch.high != batch.low).any())

    @cached_property
    def quiet(self) -> BoolArray:
        """Where nothing traded, of the rows of `batch`."""
        return quiet_rows(self.batch, self.fields)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that say something."""
        if self.prices_only:
            return tuple(name for name in self.klines.fields if name in FIELDS[:4])
        return self.klines.fields

    @property
    def opens(self) -> Int64Array:
        """The open times of `batch`."""
        return self.batch.open_time_ns


def quiet_rows(batch: KlineBatch, fields: Iterable[str]) -> BoolArray:
    """Find the klines in which nothing traded, by count, else by volume."""
    for name in ("count", "volume"):
        if name in fields:
            return np.asarray(getattr(batch, name) == 0, dtype=np.bool_)
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
