"""Lags as places in the stream, and which gaps they can account for."""

from __future__ import annotations

from bisect import bisect_right


class Lags:
    """Counts lags; lends each gap that spans a lag the klines that the lag swallowed.

    A gap is put down to the lags between its two klines only as far as they missed enough; what
    is beyond that, the aggregator left out.
    """

    def __init__(self) -> None:
        self.missed = 0
        self._positions: list[int] = []
        self._remaining: list[int] = []

    def __len__(self) -> int:
        return len(self._positions)

    def add(self, position: int, missed: int) -> None:
        """Record a lag directly before the kline delivered at `position`."""
        self._positions.append(position)
        self._remaining.append(missed)
        self.missed += missed

    def explain(self, after: int, until: int, lost: int) -> bool:
        """Tell whether lags behind position `after` and up to `until` missed `lost` klines more.

        If so, those are spent.
        """
        first = bisect_right(self._positions, after)
        spans = range(first, bisect_right(self._positions, until))
        if sum(self._remaining[n] for n in spans) < lost:
            return False
        for number in spans:
            spent = min(lost, self._remaining[number])
            self._remaining[number] -= spent
            lost -= spent
        return bool(spans)
