"""Klines as the exchange writes them: rows of REST replies and events of streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kline_harness.columns import Instrument
from kline_harness.exchange.text_matrix import (
    Characters,
    assembled,
    fixed_by,
    fixed_text,
    whole,
)
from kline_harness.interval import INTERVALS
from kline_harness.kline import KlineBatch
from kline_harness.units import NS_PER_MILLISECOND, ExactArray, Int64Array


@dataclass(slots=True)
class KlineText:
    """One kline; numbers are scaled integers of its instrument, times nanoseconds.

    `close_ns` is exclusive. `first_id` and `last_id` are -1 without a trade.
    """

    instrument: Instrument
    interval: str
    open_ns: int
    close_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote: int
    count: int
    taker_volume: int
    taker_quote: int
    first_id: int
    last_id: int

    def event(self, at_ns: int, kind: str, closed: bool) -> str:
        """Return the event of a stream, of the kind ``kline`` or ``continuousKline``.

        Source: the exchange's stream documents, "Kline/Candlestick Streams" and "Continuous
        Contract Kline/Candlestick Streams".
        """
        price, quantity, quote = self._scales()
        symbol = self.instrument.symbol
        at = at_ns // NS_PER_MILLISECOND
        continuous = kind == "continuousKline"
        head = (
            f'{{"e":"continuous_kline","E":{at},"ps":"{symbol}","ct":"PERPETUAL","k":{{'
            if continuous
            else f'{{"e":"kline","E":{at},"s":"{symbol}","k":{{'
        )
        own = "" if continuous else f'"s":"{symbol}",'
        return (
            f'{head}"t":{self.open_ns // NS_PER_MILLISECOND},'
            f'"T":{self.close_ns // NS_PER_MILLISECOND - 1},{own}"i":"{self.interval}",'
            f'"f":{self.first_id},"L":{self.last_id},"o":"{fixed_text(self.open, price)}",'
            f'"c":"{fixed_text(self.close, price)}","h":"{fixed_text(self.high, price)}",'
            f'"l":"{fixed_text(self.low, price)}","v":"{fixed_text(self.volume, quantity)}",'
            f'"n":{self.count},"x":{"true" if closed else "false"},'
            f'"q":"{fixed_text(self.quote, quote)}",'
            f'"V":"{fixed_text(self.taker_volume, quantity)}",'
            f'"Q":"{fixed_text(self.taker_quote, quote)}","B":"0"}}}}'
        )

    def _scales(self) -> tuple[int, int, int]:
        one = self.instrument
        return one.price_scale, one.quantity_scale, one.quote_scale


def at_finest(batch: KlineBatch, instruments: Sequence[Instrument]) -> KlineBatch:
    """Return klines at the scales of `instruments`, or finer where their own are."""
    names = {one.symbol: one for one in instruments}
    return batch.over(tuple(one.finest(names.get(one.symbol, one)) for one in batch.instruments))


def rows_of(batch: KlineBatch) -> tuple[bytes, Int64Array]:
    """Return the rows of REST replies of all klines, back to back, and where each ends.

    Source: the exchange's REST document, "Kline/Candlestick Data": twelve values, numbers with
    decimals as text, the close time inside, the last value to be ignored.
    """
    scales = batch.instruments
    price = [one.price_scale for one in scales]
    quantity = [one.quantity_scale for one in scales]
    quote = [one.quote_scale for one in scales]

    def number(values: ExactArray, of: list[int]) -> Characters:
        return fixed_by(values, batch.symbol, of)

    table = assembled(
        len(batch),
        [
            *(b"[", whole(batch.open_time_ns // NS_PER_MILLISECOND)),
            *(b',"', number(batch.open, price), b'","', number(batch.high, price)),
            *(b'","', number(batch.low, price), b'","', number(batch.close, price)),
            *(b'","', number(batch.volume, quantity), b'",'),
            *(whole(batch.close_time_ns() // NS_PER_MILLISECOND - 1), b',"'),
            *(number(batch.quote_volume, quote), b'",', whole(batch.count), b',"'),
            *(number(batch.taker_buy_volume, quantity), b'","'),
            *(number(batch.taker_buy_quote_volume, quote), b'","0"]'),
        ],
    )
    present = table != 0
    return table[present].tobytes(), np.cumsum(np.count_nonzero(present, axis=1))


def texts_of(batch: KlineBatch, instruments: Sequence[Instrument]) -> list[KlineText]:
    """Return the klines of a batch one by one, at the scales of `instruments`."""
    batch = at_finest(batch, instruments)
    found = batch.instruments
    columns = (
        *(batch.symbol, batch.interval, batch.open_time_ns, batch.close_time_ns()),
        *(batch.open, batch.high, batch.low, batch.close, batch.volume, batch.quote_volume),
        *(batch.count, batch.taker_buy_volume, batch.taker_buy_quote_volume),
        *(batch.first_trade_id, batch.last_trade_id),
    )
    return [
        KlineText(found[row[0]], INTERVALS[row[1]].text, *row[2:])
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]
