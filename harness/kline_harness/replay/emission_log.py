"""What an aggregator published, kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kline_harness.columns import Rows, by_symbol
from kline_harness.comparison.compare import Comparison, Difference
from kline_harness.interfaces import Observer
from kline_harness.interval import CODE
from kline_harness.kept_klines import KeptKlines
from kline_harness.kline import Emission
from kline_harness.units import Int64Array


class EmissionLog(Observer):
    """Keeps the finals that an aggregator published, in the order published."""

    def __init__(self) -> None:
        self.finals = KeptKlines()

    def on_emission(self, emission: Emission) -> None:
        """Keep the finals of an emission."""
        if len(emission.klines):
            self.finals.add(Rows.all(emission.klines))


class PublishedFinals(Observer):
    """Keeps which finals an aggregator published, and when."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, int], list[_Published]] = {}

    def on_emission(self, emission: Emission) -> None:
        """Note the finals of an emission, by series."""
        klines = emission.klines
        for code, mine in by_symbol(klines):
            symbol = klines.instruments[code].symbol
            for interval in np.unique(mine.interval).tolist():
                rows = mine.interval == interval
                some = _Published.of(mine.open_time_ns[rows], mine.at_ns[rows])
                self._tables.setdefault((symbol, interval), []).append(some)

    def marked(self, comparison: Comparison) -> Comparison:
        """Return a comparison whose missing klines say when they were published, if they were.

        What was published is not missing for a cause in the trades: no explanation of it counts.
        """
        series = tuple(
            replace(one, differences=tuple(self._marked(each) for each in one.differences))
            for one in comparison.series
        )
        return replace(comparison, series=series)

    def _marked(self, difference: Difference) -> Difference:
        if difference.ours is not None:
            return difference
        key = (difference.symbol, CODE[difference.interval])
        for some in self._tables.get(key, []):
            published_ns = some.at_ns(difference.open_time_ns)
            if published_ns is not None:
                return replace(difference, published_ns=published_ns, proof=None, trades=None)
        return difference


@dataclass(frozen=True, slots=True)
class _Published:
    """Klines of one series, and when they were published: `instants_ns` from each of `starts` on.

    Those that follow each other, as most do, take a few bytes in all.
    """

    opens_ns: Int64Array | range
    starts: Int64Array
    instants_ns: Int64Array

    @staticmethod
    def of(opens_ns: Int64Array, at_ns: Int64Array) -> _Published:
        starts = np.flatnonzero(np.diff(at_ns, prepend=at_ns[0] - 1))
        steps = np.diff(opens_ns)
        opens: Int64Array | range = opens_ns
        if len(steps) and steps[0] > 0 and np.all(steps == steps[0]):
            opens = range(int(opens_ns[0]), int(opens_ns[-1]) + 1, int(steps[0]))
        return _Published(opens, starts, at_ns[starts])

    def at_ns(self, open_ns: int) -> int | None:
        """Return when the first kline of an open time was published; None if none was."""
        if isinstance(self.opens_ns, range):
            rows = [self.opens_ns.index(open_ns)] if open_ns in self.opens_ns else []
        else:
            rows = np.flatnonzero(self.opens_ns == open_ns)[:1].tolist()
        if not rows:
            return None
        return int(self.instants_ns[np.searchsorted(self.starts, rows[0], side="right") - 1])
