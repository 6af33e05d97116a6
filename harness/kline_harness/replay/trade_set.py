"""Trades in memory: what exploration and control runs replay."""

from __future__ import annotations

from dataclasses import dataclass

from kline_harness.replay.assembly import TradeSource
from kline_harness.tape import Tape


@dataclass(frozen=True, slots=True)
class TradeSet:
    """Trades in order of arrival, read once, and what is known of how they arrived."""

    tape: Tape
    delay_ns: int = 0
    latency_max_ns: int = 0
    until_ns: int | None = None

    def source(self) -> TradeSource:
        """Return the trades as a source that can be read any number of times."""
        symbols = sorted(instrument.symbol for instrument in self.tape.instruments)
        return TradeSource(
            lambda: iter([self.tape]),
            lambda: symbols,
            lambda: self.delay_ns,
            lambda: self.latency_max_ns,
            lambda: self.until_ns,
        )
