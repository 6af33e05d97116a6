"""Trades of one or more symbols as columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import Columns, Instrument
from kline_harness.units import BoolArray, ExactArray, Int64Array, multiply


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


@dataclass(frozen=True, eq=False)
class Tape(Columns):
    """Trades in the order of their source.

    Columns: `symbol` index into `instruments`; `trade_id` the id that orders and identifies the
    row (the aggregate's own id in aggregate layouts); `price`, `quantity`, `quote` scaled
    integers; `first_id`, `last_id` the raw trades inside an aggregate, equal to `trade_id` in
    raw layouts; `event_time_ns` the exchange's trade time T; `arrival_ns` when the aggregator
    receives it; `buyer_is_maker`; `kind`, a `TradeKind`.
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
