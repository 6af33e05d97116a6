"""The right aggregator, written to be read: one trade at a time, in exact integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kline_harness.aggregators.per_event import Amount, PerEventAggregator, TradeRow
from kline_harness.columns import Instrument
from kline_harness.interfaces import Tick
from kline_harness.interval import CODE, Interval
from kline_harness.kline import Life
from kline_harness.ledger import SeriesAccount, TradeAccount
from kline_harness.ranges import IntSet
from kline_harness.tape import TradeKind


@dataclass(slots=True)
class _Kline:
    """The open kline of a series; flat at the previous close until a trade comes (`rows` 0)."""

    open_time_ns: int
    close_time_ns: int
    open: Amount = 0
    high: Amount = 0
    low: Amount = 0
    close: Amount = 0
    volume: Amount = 0
    quote_volume: Amount = 0
    count: int = 0
    taker_buy_volume: Amount = 0
    taker_buy_quote_volume: Amount = 0
    rows: int = 0
    lowest_id: int = -1
    highest_id: int = -1
    first_trade_id: int = -1
    last_trade_id: int = -1

    def apply(self, trade: TradeRow) -> None:
        """Add a trade of this bucket: ids, not arrival, decide open and close."""
        price = trade.price
        if self.rows == 0 or trade.trade_id < self.lowest_id:
            self.lowest_id, self.first_trade_id = trade.trade_id, trade.first_id
            self.open = price
        if self.rows == 0 or trade.trade_id > self.highest_id:
            self.highest_id, self.last_trade_id = trade.trade_id, trade.last_id
            self.close = price
        self.high = price if self.rows == 0 else max(self.high, price)
        self.low = price if self.rows == 0 else min(self.low, price)
        self.volume += trade.quantity
        self.quote_volume += trade.quote
        self.count += trade.last_id - trade.first_id + 1
        if not trade.buyer_is_maker:
            self.taker_buy_volume += trade.quantity
            self.taker_buy_quote_volume += trade.quote
        self.rows += 1

    def fields(self) -> tuple[Amount, ...]:
        """Return the nine fields in the exchange's order."""
        return (
            *(self.open, self.high, self.low, self.close),
            *(self.volume, self.quote_volume, self.count),
            *(self.taker_buy_volume, self.taker_buy_quote_volume),
        )

    def rescale(self, price: int, quantity: int, quote: int) -> None:
        """Multiply prices, quantities and quote quantities by powers of ten."""
        self.open *= price
        self.high *= price
        self.low *= price
        self.close *= price
        self.volume *= quantity
        self.taker_buy_volume *= quantity
        self.quote_volume *= quote
        self.taker_buy_quote_volume *= quote


@dataclass(slots=True)
class _Series:
    """One symbol's interval: its open kline, if it had a trade, and its account."""

    symbol: int
    interval: Interval
    code: int
    account: SeriesAccount
    kline: _Kline | None = None


class ReferenceAggregator(PerEventAggregator):
    """What an aggregator must publish, by the exchange's rules, for every symbol of its feed.

    1. A trade that is not MARKET is rejected and does nothing else.
    2. A trade whose id the symbol has had is a duplicate, in every interval, whatever became of
       the first one, and does nothing else.
    3. A symbol's first other trade opens one kline per interval; before it ticks do nothing.
    4. A trade in a newer bucket finalizes the open kline and the flat ones skipped, then opens
       its own; in the open bucket it is applied; in an older one it is late. Each interval
       decides for itself.
    5. A tick at t finalizes every kline whose close time is t or earlier and opens the bucket
       that holds t, flat at the previous close until a trade comes.
    6. At the end of the feed the klines still open that have trades are published (a flat one
       says nothing: its time is not over); their trades stay `open` in
       the account, as the feed's end made these klines final, not the exchange.

    Intervals are published shortest first. Commands and pulls change nothing.
    """

    def __init__(self, intervals: Sequence[Interval]) -> None:
        super().__init__(sorted(set(intervals), key=CODE.__getitem__))
        self._series: dict[int, list[_Series]] = {}
        self._seen: dict[int, IntSet] = {}

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Apply a trade to each interval by rules 1 to 4."""
        account = self.account(trade.symbol)
        if trade.kind != TradeKind.MARKET:
            kind = TradeKind(trade.kind).name.lower()
            account.rejected.setdefault(kind, []).append(trade.trade_id)
        elif not self._seen.setdefault(trade.symbol, IntSet()).add(trade.trade_id):
            account.duplicate.append(trade.trade_id)
        else:
            for series in self._series_of(trade.symbol):
                self._apply(series, trade)

    def on_tick(self, tick: Tick) -> None:
        """Bring every series to the bucket that holds the tick's time, by rule 5."""
        for symbol in sorted(self._series):
            for series in self._series[symbol]:
                if series.kline is not None and series.kline.close_time_ns <= tick.time_ns:
                    self._move_to(series, series.kline, tick.time_ns)
                    self._open_provisional(series, series.kline, tick.time_ns)
        self.publish_tick(tick)

    def on_end(self, at_ns: int) -> None:
        """Publish what is still open and has trades."""
        for symbol in sorted(self._series):
            for series in self._series[symbol]:
                if series.kline is not None and series.kline.rows:
                    self._finalize(series, series.kline)
                    series.account.open = series.kline.rows
                series.kline = None

    def on_rescale(self, symbol: int, old: Instrument, new: Instrument) -> None:
        """Bring the open klines of a symbol to finer scales."""
        for series in self._series.get(symbol, ()):
            if series.kline is not None:
                series.kline.rescale(
                    10 ** (new.price_scale - old.price_scale),
                    10 ** (new.quantity_scale - old.quantity_scale),
                    10 ** (new.quote_scale - old.quote_scale),
                )

    def accounts(self) -> Mapping[str, TradeAccount]:
        """Return, per symbol of the feed, what became of every trade received so far."""
        for rows in self._series.values():
            for series in rows:
                if series.kline is not None:
                    series.account.open = series.kline.rows
        return super().accounts()

    def _series_of(self, symbol: int) -> list[_Series]:
        series = self._series.get(symbol)
        if series is None:
            accounts = self.account(symbol).series
            series = self._series[symbol] = [
                _Series(symbol, interval, CODE[interval], accounts[interval.text])
                for interval in self.intervals
            ]
        return series

    def _apply(self, series: _Series, trade: TradeRow) -> None:
        kline, time_ns = series.kline, trade.event_time_ns
        if kline is not None and time_ns < kline.open_time_ns:
            series.account.late.append(trade.trade_id)
            return
        if kline is not None and time_ns < kline.close_time_ns:
            kline.apply(trade)
            if kline.rows == 1:
                self._tell(Life.FIRST_TRADE, series, kline)
        else:
            if kline is not None:
                self._move_to(series, kline, time_ns)
            kline = series.kline = _opened(series.interval, time_ns)
            kline.apply(trade)
            self._tell(Life.OPENED_LIVE, series, kline)
        series.account.applied += 1

    def _move_to(self, series: _Series, kline: _Kline, time_ns: int) -> None:
        """Finalize the open kline and every flat one before the bucket that holds an instant."""
        self._finalize(series, kline)
        while series.interval.close_time_ns(kline.close_time_ns) <= time_ns:
            kline = self._open_provisional(series, kline, kline.close_time_ns)
            self._finalize(series, kline)

    def _open_provisional(self, series: _Series, previous: _Kline, time_ns: int) -> _Kline:
        kline = series.kline = _opened(series.interval, time_ns)
        kline.open = kline.high = kline.low = kline.close = previous.close
        self._tell(Life.OPENED_PROVISIONAL, series, kline)
        return kline

    def _finalize(self, series: _Series, kline: _Kline) -> None:
        self.publish_kline(
            *(series.symbol, series.code, kline.open_time_ns),
            kline.fields(),
            (kline.first_trade_id, kline.last_trade_id),
        )
        self._tell(Life.FINALIZED, series, kline)

    def _tell(self, life: Life, series: _Series, kline: _Kline) -> None:
        self.publish_life(life, series.symbol, series.code, kline.open_time_ns, kline.rows)


def _opened(interval: Interval, time_ns: int) -> _Kline:
    return _Kline(interval.open_time_ns(time_ns), interval.close_time_ns(time_ns))
