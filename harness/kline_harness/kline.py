"""Klines as columns: finals, the events of their life, and what an aggregator emits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import Columns
from kline_harness.interval import INTERVALS
from kline_harness.units import ExactArray, Int64Array

# The nine fields the exchange publishes, in its order.
FIELDS = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
)
PRICE_FIELDS = ("open", "high", "low", "close")
QUANTITY_FIELDS = ("volume", "taker_buy_volume")
QUOTE_FIELDS = ("quote_volume", "taker_buy_quote_volume")


class Trigger(IntEnum):
    """What made an aggregator publish: a trade, a clock tick, or the end of the feed."""

    TRADE = 0
    TICK = 1
    END = 2


@dataclass(frozen=True, eq=False)
class KlineBatch(Columns):
    """Final klines in the order of publication.

    Columns: `interval` index into `INTERVALS`; `open_time_ns`; the nine fields as scaled
    integers (`count` counts raw trades); `first_trade_id`, `last_trade_id` (-1 without a trade);
    `at_ns` the virtual instant of publication, never decreasing; `trigger`, a `Trigger`.
    """

    interval: NDArray[np.int8]
    open_time_ns: Int64Array
    open: ExactArray
    high: ExactArray
    low: ExactArray
    close: ExactArray
    volume: ExactArray
    quote_volume: ExactArray
    count: Int64Array
    taker_buy_volume: ExactArray
    taker_buy_quote_volume: ExactArray
    first_trade_id: Int64Array
    last_trade_id: Int64Array
    at_ns: Int64Array
    trigger: NDArray[np.int8]

    @classmethod
    def price_columns(cls) -> tuple[str, ...]:
        """Name the four prices."""
        return PRICE_FIELDS

    @classmethod
    def quantity_columns(cls) -> tuple[str, ...]:
        """Name the two volumes in base units."""
        return QUANTITY_FIELDS

    @classmethod
    def quote_columns(cls) -> tuple[str, ...]:
        """Name the two volumes in quote units."""
        return QUOTE_FIELDS

    def close_time_ns(self) -> Int64Array:
        """Return the exclusive close time of each kline."""
        out = np.empty(len(self), dtype=np.int64)
        for code in np.unique(self.interval):
            rows = self.interval == code
            out[rows] = INTERVALS[code].close_times_ns(self.open_time_ns[rows])
        return out


class Life(IntEnum):
    """A transition in the life of a kline, or the clock tick an aggregator has processed.

    A kline is opened provisional (flat at the previous close) by a tick or by filling a gap, or
    live by a trade; a first trade makes a provisional kline live; it is finalized once.
    """

    OPENED_PROVISIONAL = 0
    OPENED_LIVE = 1
    FIRST_TRADE = 2
    UPDATED = 3
    FINALIZED = 4
    TICK = 5


@dataclass(frozen=True, eq=False)
class LifeBatch(Columns):
    """Lifecycle events in the order of publication.

    Columns: `life`, a `Life`; `interval` (-1 for a tick); `open_time_ns` of the kline (the
    clock's time for a tick); `trades` rows applied to the kline so far; `at_ns`; `trigger`.
    A tick belongs to no symbol: its `symbol` is -1.
    """

    life: NDArray[np.int8]
    interval: NDArray[np.int8]
    open_time_ns: Int64Array
    trades: Int64Array
    at_ns: Int64Array
    trigger: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Emission:
    """What an aggregator publishes for a slice of its feed, each row with its virtual instant."""

    klines: KlineBatch
    events: LifeBatch
