"""What an aggregator published, kept."""

from __future__ import annotations

from kline_harness.columns import concat
from kline_harness.interfaces import Observer
from kline_harness.kline import Emission, KlineBatch


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
