"""Klines of trades, one after the other, in exact decimals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)
_MINUTE = 60_000
LENGTHS = {
    "1m": _MINUTE,
    "3m": 3 * _MINUTE,
    "5m": 5 * _MINUTE,
    "15m": 15 * _MINUTE,
    "30m": 30 * _MINUTE,
    "1h": 60 * _MINUTE,
    "2h": 120 * _MINUTE,
    "4h": 240 * _MINUTE,
    "6h": 360 * _MINUTE,
    "8h": 480 * _MINUTE,
    "12h": 720 * _MINUTE,
    "1d": 1440 * _MINUTE,
    "1w": 7 * 1440 * _MINUTE,
}
# 1970-01-01 was a Thursday: weeks open on Mondays.
_MONDAY = 4 * 1440 * _MINUTE


def open_ms(interval: str, time_ms: int) -> int:
    """Return when the kline of an instant opened."""
    offset = _MONDAY if interval == "1w" else 0
    return time_ms - (time_ms - offset) % LENGTHS[interval]


@dataclass(slots=True)
class Bar:
    """A kline that is forming, or was; `whole` tells that no trade of it can be lacking."""

    symbol: str
    interval: str
    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote: Decimal = ZERO
    count: int = 0
    taker: Decimal = ZERO
    taker_quote: Decimal = ZERO
    whole: bool = True

    @property
    def close_ms(self) -> int:
        """The open time of the next kline."""
        return self.open_ms + LENGTHS[self.interval]

    @staticmethod
    def flat(symbol: str, interval: str, open_: int, price: Decimal, whole: bool) -> Bar:
        """Return a kline without trades, at the close before."""
        return Bar(symbol, interval, open_, price, price, price, price, whole=whole)

    @staticmethod
    def of_row(symbol: str, interval: str, row: Sequence[Any]) -> Bar:
        """Return a kline as REST gives it: not whole, for it may still be forming."""
        prices = [Decimal(text) for text in row[1:5]]
        volumes = [Decimal(row[k]) for k in (5, 7, 9, 10)]
        bar = Bar(symbol, interval, int(row[0]), *prices, whole=False)
        bar.volume, bar.quote, bar.taker, bar.taker_quote = volumes
        bar.count = int(row[8])
        return bar

    def add(self, price: Decimal, size: Decimal, trades: int, buyer_is_maker: bool) -> None:
        """Add a trade, or an aggregate of so many."""
        if self.count == 0:
            self.open = self.high = self.low = price
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        quote = price * size
        self.volume += size
        self.quote += quote
        self.count += trades
        if not buyer_is_maker:
            self.taker += size
            self.taker_quote += quote


class Aggregator:
    """Makes the klines of some symbols and intervals; finals go to `publish` as they close.

    A trade that comes after its kline was closed is late: `again` is called with the kline's
    symbol, interval and open time. `complete_from` is, by symbol, since when no trade was missed.
    """

    def __init__(
        self,
        intervals: Sequence[str],
        publish: Callable[[Bar], None],
        again: Callable[[str, str, int], None],
    ) -> None:
        self._intervals, self._publish, self._again = tuple(intervals), publish, again
        self._bars: dict[tuple[str, str], Bar] = {}
        self._last_ids: dict[str, int] = {}
        self.complete_from: dict[str, int] = {}
        self.trades = self.late = self.duplicates = self.finals = 0

    def seed(self, bar: Bar) -> None:
        """Begin a series with its last kline of REST."""
        self._bars[bar.symbol, bar.interval] = bar

    def settle(self, bar: Bar) -> None:
        """Learn a kline that is over from REST: the one after it, if quiet so far, begins there."""
        after = self._bars.get((bar.symbol, bar.interval))
        if after is not None and after.open_ms == bar.close_ms and after.count == 0:
            after.open = after.high = after.low = after.close = bar.close

    def interrupted(self) -> None:
        """Learn that trades may be missed from now on: no open kline is whole any more."""
        for bar in self._bars.values():
            bar.whole = False
        self.complete_from.clear()

    def trade(self, message: dict[str, Any]) -> None:
        """Take an aggregate trade of the stream."""
        symbol, time_ms, number = message["s"], int(message["T"]), int(message["a"])
        if number <= self._last_ids.get(symbol, -1):
            self.duplicates += 1
            return
        self._last_ids[symbol] = number
        price, size = Decimal(message["p"]), Decimal(message["q"])
        trades = int(message["l"]) - int(message["f"]) + 1
        self.trades += 1
        late = False
        for interval in self._intervals:
            bar = self._roll(symbol, interval, time_ms, price)
            opened = open_ms(interval, time_ms)
            if bar.open_ms > opened:
                late = True
                self._again(symbol, interval, opened)
            else:
                bar.add(price, size, trades, bool(message["m"]))
        self.late += late

    def tick(self, now_ms: int) -> None:
        """Close every kline whose time is over."""
        for (symbol, interval), bar in list(self._bars.items()):
            if bar.close_ms <= now_ms:
                self._roll(symbol, interval, now_ms, None)

    def forming(self) -> list[Bar]:
        """Return the klines as they stand."""
        return [replace(bar) for bar in self._bars.values()]

    def _roll(self, symbol: str, interval: str, time_ms: int, price: Decimal | None) -> Bar:
        """Return the kline of an instant, with those before it closed and published."""
        opened = open_ms(interval, time_ms)
        bar = self._bars.get((symbol, interval))
        if bar is None:
            assert price is not None
            bar = Bar.flat(symbol, interval, opened, price, self._is_whole(symbol, opened))
            self._bars[symbol, interval] = bar
        while bar.open_ms < opened:
            self.finals += 1
            self._publish(bar)
            whole = self._is_whole(symbol, bar.close_ms)
            bar = Bar.flat(symbol, interval, bar.close_ms, bar.close, whole)
            self._bars[symbol, interval] = bar
        return bar

    def _is_whole(self, symbol: str, opened: int) -> bool:
        since = self.complete_from.get(symbol)
        return since is not None and opened >= since
