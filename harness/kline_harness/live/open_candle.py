"""The kline of a series that is open, as the trades given so far make it."""

from __future__ import annotations

from dataclasses import dataclass

from kline_harness.columns import Instrument
from kline_harness.interval import Interval
from kline_harness.kline import KlineBatch
from kline_harness.live.klines import FinalsLog, RecentTrades, Row
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_SECOND, ExactArray, format_exact


@dataclass(frozen=True, slots=True)
class _Sum:
    """Prices, volume and trades of a stretch of time, at the scales of an instrument."""

    instrument: Instrument
    first: int
    high: int
    low: int
    last: int
    volume: int
    count: int

    def then(self, later: _Sum) -> _Sum:
        """Return both together."""
        instrument = self.instrument.finest(later.instrument)
        mine, other = self._at(instrument), later._at(instrument)
        return _Sum(
            instrument,
            mine.first,
            max(mine.high, other.high),
            min(mine.low, other.low),
            other.last,
            mine.volume + other.volume,
            mine.count + other.count,
        )

    def _at(self, instrument: Instrument) -> _Sum:
        price = 10 ** (instrument.price_scale - self.instrument.price_scale)
        quantity = 10 ** (instrument.quantity_scale - self.instrument.quantity_scale)
        prices = (self.first * price, self.high * price, self.low * price, self.last * price)
        return _Sum(instrument, *prices, self.volume * quantity, self.count)

    def row(self, open_ns: int) -> Row:
        """Return the row of the page."""
        prices = (self.first, self.high, self.low, self.last)
        text = [format_exact(number, self.instrument.price_scale) for number in prices]
        amount = format_exact(self.volume, self.instrument.quantity_scale)
        return [open_ns // NS_PER_SECOND, *text, amount, self.count, 0]


class OpenCandle:
    """Adds up what is new since it was asked last: a frame costs what came since the one before.

    It is made of the finals of the `finest` interval that lie in it, and of the trades after those.
    """

    def __init__(self, symbol: str, interval: Interval, finest: Interval) -> None:
        self._symbol, self._interval, self._finest = symbol, interval, finest
        self._begin_ns = -1
        self._after_ns = 0
        self._finals: _Sum | None = None
        self._trades: _Sum | None = None
        self._final_cursor = self._trade_cursor = 0

    def row(self, finals: FinalsLog, recent: RecentTrades, now_ns: int) -> Row | None:
        """Return the kline that is open at an instant, None before its first trade."""
        begin_ns = self._interval.open_time_ns(now_ns)
        if begin_ns != self._begin_ns:
            self._begin_ns = begin_ns
            self._finals, self._final_cursor = None, finals.since_ns(begin_ns)
            self._begin_trades(begin_ns)
        if self._interval != self._finest:
            self._add_finals(finals)
        trades = recent.since(self._trade_cursor, self._symbol, self._after_ns)
        self._trade_cursor = recent.end
        if trades is not None:
            self._trades = _then(self._trades, _of_trades(trades))
        whole = _then(self._finals, self._trades)
        return None if whole is None else whole.row(begin_ns)

    def _begin_trades(self, after_ns: int) -> None:
        self._after_ns, self._trade_cursor, self._trades = after_ns, 0, None

    def _add_finals(self, finals: FinalsLog) -> None:
        after_ns = self._after_ns
        for batch in finals.since(self._final_cursor, self._symbol, self._finest):
            inside = batch.take(batch.open_time_ns >= self._begin_ns)
            if not len(inside):
                continue
            after_ns = max(after_ns, int(inside.close_time_ns().max()))
            # A kline without trades has a price, and none of the trades.
            traded = inside.take(inside.count > 0)
            if len(traded):
                self._finals = _then(self._finals, _of_klines(traded))
        self._final_cursor = finals.end
        if after_ns != self._after_ns:
            self._begin_trades(after_ns)


def _then(one: _Sum | None, later: _Sum | None) -> _Sum | None:
    if one is None or later is None:
        return later if one is None else one
    return one.then(later)


def _of_trades(trades: Tape) -> _Sum:
    price = trades.price
    prices = int(price[0]), int(price.max()), int(price.min()), int(price[-1])
    count = int((trades.last_id - trades.first_id + 1).sum())
    instrument = trades.instruments[int(trades.symbol[0])]
    return _Sum(instrument, *prices, _total(trades.quantity), count)


def _of_klines(klines: KlineBatch) -> _Sum:
    prices = int(klines.open[0]), int(klines.high.max()), int(klines.low.min())
    instrument = klines.instruments[int(klines.symbol[0])]
    return _Sum(
        instrument, *prices, int(klines.close[-1]), _total(klines.volume), _total(klines.count)
    )


def _total(values: ExactArray) -> int:
    return sum(values.tolist())
