"""What a run leaves behind of each channel and each consumer."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from kline_harness.simulation.channels import Lost, Received
from kline_harness.units import Int64Array

# Two columns of one length: instants, and a number for each.
Pairs: TypeAlias = tuple[Int64Array, Int64Array]


@dataclass(frozen=True, slots=True)
class ConsumerRecord:
    """What one consumer received: values by fate, and how many waited for it.

    Of the values sent, `before_subscribing`, `lagged`, `unread` and `after_leaving` never reached
    it; all of them where it was never `connected`. `lost` are those it lagged behind, or the
    queue refused, where the channel remembers them. By instant, `depths` are how many waited at
    each wake-up, `stalled` at each publication during a stall, and `lags` how many it learned
    to have lagged behind.
    """

    name: str
    delivered: int
    lagged: int
    lag_events: int
    depth_peak: int
    before_subscribing: int
    unread: int
    after_leaving: int
    connected: bool
    died_at_ns: int | None
    lost: Lost
    depths: Pairs
    stalled: Pairs
    lags: Pairs

    @staticmethod
    def of(
        name: str,
        received: Received,
        *,
        lost: Lost,
        depths: Pairs,
        stalled: Pairs,
        lags: Pairs,
        before_subscribing: int = 0,
        connected: bool = True,
        died_at_ns: int | None = None,
    ) -> ConsumerRecord:
        """Build a record from what the channel counted and what the consumer's process noted."""
        counts = (received.delivered, received.lagged, received.lag_events, received.depth_peak)
        fates = (before_subscribing, received.unread, received.after)
        ends = (connected, died_at_ns, lost)
        return ConsumerRecord(name, *counts, *fates, *ends, depths, stalled, lags)


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """What one channel carried; `unsent` was published without a receiver.

    `refused` found no room: that happens to a queue only.
    """

    name: str
    design: str
    capacity: int
    published: int
    sent: int
    unsent: int
    refused: int
    consumers: tuple[ConsumerRecord, ...]


def pairs_of(pairs: Collection[tuple[int, int]]) -> Pairs:
    """Return pairs as two columns."""
    flat = itertools.chain.from_iterable(pairs)
    table = np.fromiter(flat, dtype=np.int64, count=2 * len(pairs)).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()
