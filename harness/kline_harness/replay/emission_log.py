"""What an aggregator published, kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kline_harness.columns import by_symbol, concat
from kline_harness.comparison.compare import Comparison, Difference
from kline_harness.interfaces import Observer
from kline_harness.interval import CODE
from kline_harness.kline import Emission, KlineBatch
from kline_harness.units import Int64Array


class EmissionLog(Observer):
    """Keeps everything that an aggregator published."""

    def __init__(self) -> None:
        self.emissions: list[Emission] = []

    def on_emission(self, emission: Emission) -> None:
        """Keep an emission that holds anything."""
        if len(emission.klines) or len(emission.events):
            self.emissions.append(emission)

    def finals(self) -> KlineBatch:
        """Return the finals as one table, in the order published."""
        filled = [emission.klines for emission in self.emissions if len(emission.klines)]
        return concat(filled) if filled else KlineBatch.empty()


class PublishedFinals(Observer):
    """Keeps which finals an aggregator published, and when."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, int], list[tuple[Int64Array, Int64Array]]] = {}

    def on_emission(self, emission: Emission) -> None:
        """Note the finals of an emission, by series."""
        klines = emission.klines
        for code, mine in by_symbol(klines):
            symbol = klines.instruments[code].symbol
            for interval in np.unique(mine.interval).tolist():
                rows = mine.interval == interval
                times = (mine.open_time_ns[rows], mine.at_ns[rows])
                self._tables.setdefault((symbol, interval), []).append(times)

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
        for opens_ns, at_ns in self._tables.get(key, []):
            rows = np.flatnonzero(opens_ns == difference.open_time_ns)
            if len(rows):
                published_ns = int(at_ns[rows[0]])
                return replace(difference, published_ns=published_ns, proof=None, trades=None)
        return difference
