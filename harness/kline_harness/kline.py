"""Klines as columns: finals, the events of their life, and what an aggregator emits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import array_of, dictionary_text
from kline_harness.columns import Columns
from kline_harness.decimals import DECIMAL, decimal_columns
from kline_harness.errors import OutputError
from kline_harness.interval import INTERVALS, close_times_by_code
from kline_harness.nouns import counted
from kline_harness.tabular import Tabular
from kline_harness.units import NS_PER_MICROSECOND, ExactArray, Int64Array, utc_text

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
DECIMAL_COLUMNS = tuple(name for name in FIELDS if name != "count")

_TEXT = pa.dictionary(pa.int32(), pa.string())
_MICROSECONDS = pa.timestamp("us", tz="UTC")
_NANOSECONDS = pa.timestamp("ns", tz="UTC")
# The stored table; `close_time` is exclusive: the open time of the next kline.
SCHEMA: pa.Schema = pa.schema(
    [
        ("symbol", _TEXT),
        ("interval", _TEXT),
        ("open_time", _MICROSECONDS),
        ("close_time", _MICROSECONDS),
        *((name, DECIMAL) for name in DECIMAL_COLUMNS),
        ("count", pa.int64()),
        ("first_trade_id", pa.int64()),
        ("last_trade_id", pa.int64()),
        ("finalized_at", _NANOSECONDS),
        ("trigger", _TEXT),
    ]
)


class Trigger(IntEnum):
    """What made an aggregator publish: a trade, a clock tick, or the end of the feed."""

    TRADE = 0
    TICK = 1
    END = 2


@dataclass(frozen=True, eq=False, repr=False)
class KlineBatch(Tabular, Columns):
    """Final klines in the order of publication.

    Columns: `interval` index into `INTERVALS`; `open_time_ns`; the nine fields as scaled
    integers (`count` counts raw trades); `first_trade_id`, `last_trade_id` (-1 without a trade, or
    where its source states no ids); `at_ns` the virtual instant of publication, never decreasing;
    `trigger`, a `Trigger`.
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
        return close_times_by_code(self.interval, self.open_time_ns)

    def to_arrow(self) -> pa.Table:
        """Return the klines as a table of `SCHEMA`, in their order.

        Raises OutputError where a number does not fit decimal128(38, 18) or a time is finer than
        a microsecond: nothing is ever rounded.
        """
        # Arrays are made from buffers, because `pyarrow.array` would import pandas.
        names = [instrument.symbol for instrument in self.instruments]
        columns = {
            "symbol": dictionary_text(self.symbol, names),
            "interval": dictionary_text(self.interval, [interval.text for interval in INTERVALS]),
            "open_time": self._microseconds("open time", self.open_time_ns),
            "close_time": self._microseconds("close time", self.close_time_ns()),
            "count": array_of(self.count, pa.int64()),
            **{name: self._ids(name) for name in ("first_trade_id", "last_trade_id")},
            "finalized_at": array_of(self.at_ns, _NANOSECONDS),
            "trigger": dictionary_text(self.trigger, [trigger.name.lower() for trigger in Trigger]),
            **decimal_columns(self),
        }
        return pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)

    def describe(self) -> str:
        """Return how many klines of which symbols and intervals, and what time they are of."""
        codes = np.unique(self.interval)
        intervals = " ".join(INTERVALS[code].text for code in codes)
        what = f"{counted(len(self), 'kline')} of {self.symbols_text()}"
        if len(self) == 0:
            return what
        first, last = (utc_text(int(t)) for t in (self.open_time_ns.min(), self.open_time_ns.max()))
        return f"{what}, {intervals}, opened {first} to {last}"

    def _ids(self, name: str) -> pa.Array:
        """Return ids: -1 where nothing traded, null where the trades' ids are not stated."""
        ids = getattr(self, name)
        return array_of(ids, pa.int64(), (ids >= 0) | (self.count == 0))

    def _microseconds(self, what: str, times_ns: Int64Array) -> pa.Array:
        whole, rest = np.divmod(times_ns, NS_PER_MICROSECOND)
        if rest.any():
            row = int(np.flatnonzero(rest)[0])
            raise OutputError(
                f"{self.symbol_text(row)}: the {what} {int(times_ns[row])} ns is finer than the "
                "microseconds of the stored table"
            )
        return array_of(whole, _MICROSECONDS)


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
