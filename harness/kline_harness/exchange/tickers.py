"""The last 24 hours of every symbol, to the hour, as the exchange's tickers state them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from kline_harness.columns import Instrument, by_symbol
from kline_harness.exchange.text_matrix import fixed_text
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_HOUR, NS_PER_MILLISECOND, NS_PER_SECOND

_HOURS = 24


@dataclass(slots=True)
class _Hour:
    """The trades of one hour; `number` counts hours from the epoch."""

    number: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    quote: int = 0
    count: int = 0
    first_id: int = -1
    last_id: int = -1


@dataclass(slots=True)
class _Symbol:
    instrument: Instrument
    hours: deque[_Hour] = field(default_factory=deque)

    def add(self, trades: Tape) -> None:
        hours = trades.event_time_ns // NS_PER_HOUR
        start = 0
        while start < len(hours):
            number = int(hours[start])
            stop = int(hours.searchsorted(number, side="right"))
            self._add_hour(number, trades[start:stop])
            start = stop

    def _add_hour(self, number: int, trades: Tape) -> None:
        prices = trades.price
        if not self.hours or self.hours[-1].number != number:
            first = int(prices[0])
            self.hours.append(_Hour(number, first, first, first, first))
            self.hours[-1].first_id = int(trades.first_id[0])
        hour = self.hours[-1]
        hour.high, hour.low = max(hour.high, int(prices.max())), min(hour.low, int(prices.min()))
        hour.close = int(prices[-1])
        # Python's whole numbers: no sum of a day overflows.
        hour.volume += sum(trades.quantity.tolist())
        hour.quote += sum(trades.quote.tolist())
        hour.count += int((trades.last_id - trades.first_id + 1).sum())
        hour.last_id = int(trades.last_id[-1])

    def within(self, at_ns: int) -> list[_Hour]:
        while self.hours and self.hours[0].number <= at_ns // NS_PER_HOUR - _HOURS:
            self.hours.popleft()
        return list(self.hours)


class Tickers:
    """What each symbol traded in the last 24 hours; the oldest hour leaves as a whole."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self._symbols = [_Symbol(one) for one in instruments]
        self._changed: set[int] = set()

    def add(self, trades: Tape) -> None:
        """Take trades in order of time, over the instruments given."""
        for code, part in by_symbol(trades):
            self._symbols[code].add(part)
            self._changed.add(code)

    def changed_minis(self, at_ns: int) -> list[str]:
        """Return the short ticker of every symbol that traded since this was last asked.

        Source: the exchange's stream document, "All Market Mini Tickers Stream": only tickers
        that have changed are in the array.
        """
        codes, self._changed = sorted(self._changed), set()
        return [self._mini(self._symbols[code], at_ns) for code in codes]

    def day(self, code: int, at_ns: int) -> str | None:
        """Return the reply of ticker/24hr for one symbol, None where it has not traded."""
        symbol = self._symbols[code]
        hours = symbol.within(at_ns)
        if not hours:
            return None
        one = symbol.instrument
        price, quantity, quote = one.price_scale, one.quantity_scale, one.quote_scale
        first, last = hours[0].open, hours[-1].close
        volume, total = sum(h.volume for h in hours), sum(h.quote for h in hours)
        change = last - first
        percent = (change * 100_000 // first + 5) // 10 if first else 0
        mean = (
            fixed_text(total * 10 ** (price + quantity) // (volume * 10**quote), price)
            if volume
            else fixed_text(0, price)
        )
        count, now = sum(h.count for h in hours), at_ns // NS_PER_MILLISECOND
        return (
            f'{{"symbol":"{one.symbol}","priceChange":"{fixed_text(change, price)}",'
            f'"priceChangePercent":"{fixed_text(percent, 2)}","weightedAvgPrice":"{mean}",'
            f'"lastPrice":"{fixed_text(last, price)}","openPrice":"{fixed_text(first, price)}",'
            f'"highPrice":"{fixed_text(max(h.high for h in hours), price)}",'
            f'"lowPrice":"{fixed_text(min(h.low for h in hours), price)}",'
            f'"volume":"{fixed_text(volume, quantity)}","quoteVolume":"{fixed_text(total, quote)}",'
            f'"openTime":{hours[0].number * NS_PER_HOUR // NS_PER_MILLISECOND},"closeTime":{now},'
            f'"firstId":{hours[0].first_id},"lastId":{hours[-1].last_id},"count":{count}}}'
        )

    def _mini(self, symbol: _Symbol, at_ns: int) -> str:
        hours, one = symbol.within(at_ns), symbol.instrument
        price = one.price_scale
        return (
            f'{{"e":"24hrMiniTicker","E":{at_ns // NS_PER_MILLISECOND},"s":"{one.symbol}",'
            f'"c":"{fixed_text(hours[-1].close, price)}","o":"{fixed_text(hours[0].open, price)}",'
            f'"h":"{fixed_text(max(h.high for h in hours), price)}",'
            f'"l":"{fixed_text(min(h.low for h in hours), price)}",'
            f'"v":"{fixed_text(sum(h.volume for h in hours), one.quantity_scale)}",'
            f'"q":"{fixed_text(sum(h.quote for h in hours), one.quote_scale)}"}}'
        )


MINI_NS = NS_PER_SECOND
