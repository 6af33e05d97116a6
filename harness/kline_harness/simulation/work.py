"""How much work a run was, counted: what a gate can hold exactly."""

from __future__ import annotations

from dataclasses import dataclass

from kline_harness.columns import Columns
from kline_harness.interfaces import FeedSlice
from kline_harness.kline import Emission


@dataclass(frozen=True, slots=True)
class Work:
    """Counts of one run: the same on every machine, and however its feed was cut.

    * `simpy_events` that the kernel processed
    * `batches` published: what one channel was given at one instant
    * `bytes_fed`, `bytes_emitted`: the columns of the trades that went into the aggregator, and of
      the klines and lifecycle events that came out; a number beyond int64 counts as 8 bytes
    """

    simpy_events: int
    batches: int
    bytes_fed: int
    bytes_emitted: int


class Meter:
    """Counts while a run goes on."""

    def __init__(self) -> None:
        self.batches = 0
        self._bytes_fed = self._bytes_emitted = 0
        self._published_at: dict[str, int] = {}

    def fed(self, piece: FeedSlice) -> None:
        """Count a slice on its way into the aggregator."""
        self._bytes_fed += _bytes(piece.trades)

    def emitted(self, emission: Emission) -> None:
        """Count an emission on its way out."""
        self._bytes_emitted += _bytes(emission.klines) + _bytes(emission.events)

    def published(self, channel: str, instant_ns: int) -> None:
        """Count what a channel is given; what follows at the same instant is the same batch."""
        if self._published_at.get(channel) != instant_ns:
            self._published_at[channel] = instant_ns
            self.batches += 1

    def work(self, simpy_events: int) -> Work:
        """Return what was counted so far."""
        return Work(simpy_events, self.batches, self._bytes_fed, self._bytes_emitted)


def _bytes(table: Columns) -> int:
    return table.column_bytes() if len(table) else 0
