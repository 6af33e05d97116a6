"""Which time a replay's trades cover: a kline that reaches out of it can only be partial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kline_harness.units import BoolArray, Int64Array


@dataclass(frozen=True, slots=True)
class Coverage:
    """Disjoint windows [start, end) in nanoseconds, ascending, in which no trade is missing."""

    windows: tuple[tuple[int, int], ...]

    @staticmethod
    def of(windows: Iterable[tuple[int, int]]) -> Coverage:
        """Join windows that touch or overlap."""
        joined: list[tuple[int, int]] = []
        for start, end in sorted(windows):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        return Coverage(tuple(joined))

    def whole(self, opens_ns: Int64Array, closes_ns: Int64Array) -> BoolArray:
        """Tell which klines [open, close) lie inside one window."""
        inside = np.zeros(len(opens_ns), dtype=np.bool_)
        for start, end in self.windows:
            inside |= (opens_ns >= start) & (closes_ns <= end)
        return inside

    def touched(self, opens_ns: Int64Array, closes_ns: Int64Array) -> BoolArray:
        """Tell which klines share any time with a window."""
        shared = np.zeros(len(opens_ns), dtype=np.bool_)
        for start, end in self.windows:
            shared |= (opens_ns < end) & (closes_ns > start)
        return shared
