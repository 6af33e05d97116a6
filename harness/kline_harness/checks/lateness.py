"""How late finals were: exact distributions of whole nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kline_harness.interval import INTERVALS
from kline_harness.run_rows import LatenessRow
from kline_harness.units import Int64Array

_COMPRESS_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class LatenessStatistics:
    """Publication instant minus close time, over the finals of one interval.

    Quantiles are nearest-rank: values that occurred. Negative where the clock that publishes
    runs behind the exchange's. Klines published because the feed ended are not counted.
    """

    interval: str
    finals: int
    min_ns: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    max_ns: int

    def to_dict(self) -> LatenessRow:
        """Return the quantiles as a row of run.json."""
        return {
            "interval": self.interval,
            "count": self.finals,
            "min_ns": self.min_ns,
            "p50_ns": self.p50_ns,
            "p90_ns": self.p90_ns,
            "p99_ns": self.p99_ns,
            "max_ns": self.max_ns,
        }


class Histogram:
    """Counts of exact values; memory grows with the distinct values only."""

    def __init__(self) -> None:
        self._values: Int64Array = np.empty(0, dtype=np.int64)
        self._counts: Int64Array = np.empty(0, dtype=np.int64)
        self._raw: list[Int64Array] = []
        self._raw_rows = 0

    def add(self, values: Int64Array) -> None:
        """Count values."""
        self._raw.append(values)
        self._raw_rows += len(values)
        if self._raw_rows > _COMPRESS_ROWS + len(self._values):
            self._compress()

    def _compress(self) -> None:
        fresh = np.concatenate([np.empty(0, dtype=np.int64), *self._raw])
        self._raw, self._raw_rows = [], 0
        values = np.concatenate([self._values, fresh])
        weights = np.concatenate([self._counts, np.ones(len(fresh), dtype=np.int64)])
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
        starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
        self._values = values[starts]
        self._counts = np.add.reduceat(weights, starts) if len(starts) else weights

    def statistics(self, code: int) -> LatenessStatistics | None:
        """Return the quantiles for an interval code, None when nothing was counted."""
        self._compress()
        if len(self._values) == 0:
            return None
        ranks = np.cumsum(self._counts)
        total = int(ranks[-1])

        def quantile(percent: int) -> int:
            rank = max(1, -(-total * percent // 100))
            return int(self._values[np.searchsorted(ranks, rank)])

        return LatenessStatistics(
            interval=INTERVALS[code].text,
            finals=total,
            min_ns=int(self._values[0]),
            p50_ns=quantile(50),
            p90_ns=quantile(90),
            p99_ns=quantile(99),
            max_ns=int(self._values[-1]),
        )
