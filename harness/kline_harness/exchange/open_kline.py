"""Klines that are still forming: what each trade adds, at the instants at which it is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kline_harness.columns import Instrument
from kline_harness.exchange.kline_text import KlineText
from kline_harness.interval import Interval
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_MILLISECOND, multiply, sum_groups

# Source: the exchange's stream documents: klines are sent every 250 ms.
UPDATE_NS = 250 * NS_PER_MILLISECOND


@dataclass(slots=True)
class _Part:
    """What the trades of one step of the clock add; `at_ns` is when it is said."""

    at_ns: int
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


class FormingKline:
    """The open kline of one symbol and interval."""

    def __init__(self, instrument: Instrument, interval: Interval, now: KlineText | None) -> None:
        self._instrument = instrument
        self._interval = interval
        self._now = now

    def add(self, part: _Part) -> KlineText:
        """Take what a step added, and return the kline as it is now."""
        # A step ends at its instant, which is not in it.
        open_ns = self._interval.open_time_ns(part.at_ns - 1)
        now = self._now
        if now is None or now.open_ns != open_ns or now.count == 0:
            self._now = now = self._begun(open_ns, part)
            return now
        now.high, now.low = max(now.high, part.high), min(now.low, part.low)
        now.close = part.close
        now.volume += part.volume
        now.quote += part.quote
        now.count += part.count
        now.taker_volume += part.taker_volume
        now.taker_quote += part.taker_quote
        now.last_id = part.last_id
        return now

    def _begun(self, open_ns: int, part: _Part) -> KlineText:
        return KlineText(
            self._instrument,
            self._interval.text,
            open_ns,
            self._interval.close_time_ns(open_ns),
            *(part.open, part.high, part.low, part.close, part.volume, part.quote, part.count),
            *(part.taker_volume, part.taker_quote, part.first_id, part.last_id),
        )


def steps(trades: Tape) -> Iterator[_Part]:
    """Yield what the trades of one symbol add, step by step; the trades are in order of time."""
    if len(trades) == 0:
        return
    ends = trades.event_time_ns // UPDATE_NS * UPDATE_NS + UPDATE_NS
    starts = np.flatnonzero(np.diff(ends, prepend=ends[0] - 1))
    lasts = np.append(starts[1:], len(ends)) - 1
    taken = ~trades.buyer_is_maker
    # Exact even where a product with 0 or 1 would be needless: no other type comes in.
    taker_volume = multiply(trades.quantity, taken.astype(np.int64))
    taker_quote = multiply(trades.quote, taken.astype(np.int64))
    columns: tuple[Any, ...] = (
        ends[starts],
        trades.price[starts],
        np.maximum.reduceat(trades.price, starts),
        np.minimum.reduceat(trades.price, starts),
        trades.price[lasts],
        sum_groups(trades.quantity, starts),
        sum_groups(trades.quote, starts),
        sum_groups(trades.last_id - trades.first_id + 1, starts),
        sum_groups(taker_volume, starts),
        sum_groups(taker_quote, starts),
        trades.first_id[starts],
        trades.last_id[lasts],
    )
    for row in zip(*(column.tolist() for column in columns), strict=True):
        yield _Part(*row)
