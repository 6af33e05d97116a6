"""Trades of one or more symbols as columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import array_of, dictionary_text
from kline_harness.columns import Columns, Instrument
from kline_harness.decimals import decimal_columns
from kline_harness.nouns import counted
from kline_harness.ranges import RangeSet
from kline_harness.tabular import Tabular
from kline_harness.units import BoolArray, ExactArray, Int64Array, multiply, utc_text

_TIME = pa.timestamp("ns", tz="UTC")


class TradeKind(IntEnum):
    """What a trade is; only MARKET trades make klines.

    The stream's field X names the others. A sentinel is an archive row marked invalid by the
    exchange (price 0, quantity 0, first and last id -1).
    """

    MARKET = 0
    INSURANCE_FUND = 1
    ADL = 2
    OTHER = 3
    SENTINEL = 4
    ZERO_QUANTITY = 5


@dataclass(frozen=True, eq=False, repr=False)
class Tape(Tabular, Columns):
    """Trades in the order of their source.

    Columns: `symbol` index into `instruments`; `trade_id` the id that orders and identifies the
    row (the aggregate's own id in aggregate layouts); `price`, `quantity`, `quote` scaled
    integers; `first_id`, `last_id` the raw trades inside an aggregate, equal to `trade_id` in
    raw layouts, -1 where the source states no ids (`trade_id` is then the row's number);
    `event_time_ns` the exchange's trade time T; `arrival_ns` when the aggregator receives it;
    `buyer_is_maker`; `kind`, a `TradeKind`.
    """

    trade_id: Int64Array
    price: ExactArray
    quantity: ExactArray
    quote: ExactArray
    first_id: Int64Array
    last_id: Int64Array
    event_time_ns: Int64Array
    arrival_ns: Int64Array
    buyer_is_maker: BoolArray
    kind: NDArray[np.int8]

    def recorded(self, starts: Int64Array) -> Int64Array:
        """Return how many rows of the source each run of rows that begins at `starts` holds."""
        return np.diff(starts, append=len(self))

    def id_stops(self) -> Int64Array:
        """Return, for each row, the id after the last one that it holds."""
        return self.trade_id + 1

    def note_ids(self, seen: RangeSet) -> BoolArray:
        """Add the rows' ids to those seen; tell which rows are new, the first of equal ids."""
        return seen.add_new(self.trade_id)

    def single(self) -> Tape:
        """Return the rows as the single trades that they are."""
        return self

    @classmethod
    def price_columns(cls) -> tuple[str, ...]:
        """Name the price column."""
        return ("price",)

    @classmethod
    def quantity_columns(cls) -> tuple[str, ...]:
        """Name the quantity column."""
        return ("quantity",)

    @classmethod
    def quote_columns(cls) -> tuple[str, ...]:
        """Name the quote quantity column."""
        return ("quote",)

    def to_arrow(self) -> pa.Table:
        """Return the trades as a table, in their order.

        Times are named without their unit, which the type says: `event_time`, `arrival`.

        Raises OutputError where a number does not fit decimal128(38, 18): nothing is rounded.
        """
        exact = decimal_columns(self)
        columns = {
            "symbol": dictionary_text(self.symbol, [i.symbol for i in self.instruments]),
            "trade_id": array_of(self.trade_id, pa.int64()),
            **{name: exact[name] for name in ("price", "quantity", "quote")},
            "first_id": array_of(self.first_id, pa.int64()),
            "last_id": array_of(self.last_id, pa.int64()),
            "event_time": array_of(self.event_time_ns, _TIME),
            "arrival": array_of(self.arrival_ns, _TIME),
            "buyer_is_maker": array_of(self.buyer_is_maker, pa.int64()).cast(pa.bool_()),
            "kind": dictionary_text(self.kind, [kind.name.lower() for kind in TradeKind]),
        }
        return pa.table(columns)

    def describe(self) -> str:
        """Return how many trades of which symbols, and what time they are of."""
        what = f"{counted(len(self), 'trade')} of {self.symbols_text()}"
        if len(self) == 0:
            return what
        times = self.event_time_ns
        return f"{what}, {utc_text(int(times.min()))} to {utc_text(int(times.max()))}"

    @staticmethod
    def of(
        instrument: Instrument,
        *,
        trade_id: Int64Array,
        price: ExactArray,
        quantity: ExactArray,
        event_time_ns: Int64Array,
        buyer_is_maker: BoolArray,
        quote: ExactArray | None = None,
        first_id: Int64Array | None = None,
        last_id: Int64Array | None = None,
        arrival_ns: Int64Array | None = None,
        kind: NDArray[np.int8] | None = None,
    ) -> Tape:
        """Build the tape of one symbol; what is left out is derived.

        Quote quantity is price times quantity, ids are those of a raw trade, arrival is the
        event time, kind is MARKET.
        """
        rows = len(trade_id)
        return Tape(
            instruments=(instrument,),
            symbol=np.zeros(rows, dtype=np.int16),
            trade_id=trade_id,
            price=price,
            quantity=quantity,
            quote=multiply(price, quantity) if quote is None else quote,
            first_id=trade_id if first_id is None else first_id,
            last_id=trade_id if last_id is None else last_id,
            event_time_ns=event_time_ns,
            arrival_ns=event_time_ns if arrival_ns is None else arrival_ns,
            buyer_is_maker=buyer_is_maker,
            kind=np.zeros(rows, dtype=np.int8) if kind is None else kind,
        )
