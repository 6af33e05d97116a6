"""The last 24 hours of every symbol, to the hour, as the exchange's tickers state them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from kline_harness.columns import Instrument, concat
from kline_harness.exchange.parts import StepPart, parts
from kline_harness.exchange.text_matrix import fixed_text
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_HOUR, NS_PER_MILLISECOND, NS_PER_SECOND

_HOURS = 24
MINI_NS = NS_PER_SECOND
_WAITING_ROWS = 65_536


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

    def add(self, part: StepPart) -> None:
        number = (part.at_ns - 1) // NS_PER_HOUR
        if not self.hours or self.hours[-1].number != number:
            self.hours.append(_Hour(number, part.open, part.open, part.open, part.open))
            self.hours[-1].first_id = part.first_id
        hour = self.hours[-1]
        hour.high, hour.low = max(hour.high, part.high), min(hour.low, part.low)
        hour.close = part.close
        hour.volume += part.volume
        hour.quote += part.quote
        hour.count += part.count
        hour.last_id = part.last_id

    def within(self, at_ns: int) -> list[_Hour]:
        while self.hours and self.hours[0].number <= at_ns // NS_PER_HOUR - _HOURS:
            self.hours.popleft()
        return list(self.hours)


class Tickers:
    """What each symbol traded in the last 24 hours; the oldest hour leaves as a whole."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self._symbols = [_Symbol(one) for one in instruments]
        # Trades that nobody has asked about yet.
        self._waiting: list[Tape] = []
        self._rows = 0
        self._changed: set[int] = set()
        self._second_ns = 0

    def add(self, trades: Tape) -> None:
        """Take trades in order of time, over the instruments given."""
        self._changed.clear()
        self._waiting.append(trades)
        self._rows += len(trades)
        if self._rows > _WAITING_ROWS:
            self._fold()

    def minis(self, trades: Tape, end_ns: int) -> Iterator[tuple[int, list[str]]]:
        """Take trades; yield each whole second by now, and the short tickers that changed in it.

        Source: the exchange's stream document, "All Market Mini Tickers Stream": only tickers
        that have changed are in the array.
        """
        self._fold()
        for part in parts(trades, MINI_NS):
            if part.at_ns != self._second_ns:
                yield from self._said()
                self._second_ns = part.at_ns
            self._symbols[part.code].add(part)
            self._changed.add(part.code)
        if self._second_ns <= end_ns:
            yield from self._said()

    def day(self, code: int, at_ns: int) -> str | None:
        """Return the reply of ticker/24hr for one symbol, None where it has not traded."""
        self._fold()
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

    def _fold(self) -> None:
        for part in parts(concat(self._waiting), NS_PER_HOUR) if self._rows else ():
            self._symbols[part.code].add(part)
        self._waiting, self._rows = [], 0

    def _said(self) -> Iterator[tuple[int, list[str]]]:
        codes, self._changed = sorted(self._changed), set()
        if codes:
            at_ns = self._second_ns
            yield at_ns, [self._mini(self._symbols[code], at_ns) for code in codes]

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
