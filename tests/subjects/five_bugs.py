"""Five bugs that an aggregator may well have, each planted in the readable one."""

from kline_harness.aggregators.per_event import TradeRow
from kline_harness.aggregators.reference import ReferenceAggregator


class EndIncluded(ReferenceAggregator):
    """A trade at the very end of a minute is counted in that minute."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        super().on_trade(trade._replace(event_time_ns=trade.event_time_ns - 1), at_ns)


class ArrivalDecides(ReferenceAggregator):
    """The order in which trades came decides open and close, not their ids."""

    _count = 0

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        self._count += 1
        super().on_trade(trade._replace(trade_id=self._count), at_ns)


class CountsRows(ReferenceAggregator):
    """An aggregate counts as one trade."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        super().on_trade(trade._replace(last_id=trade.first_id), at_ns)


class KeepsThePrice(ReferenceAggregator):
    """A kline that a tick opened keeps the price carried as its low or high."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        before = {
            id(series): series.kline.close
            for series in self._series.get(trade.symbol, ())
            if series.kline is not None and series.kline.rows == 0
        }
        super().on_trade(trade, at_ns)
        for series in self._series.get(trade.symbol, ()):
            if id(series) in before and series.kline is not None and series.kline.rows == 1:
                price = before[id(series)]
                series.kline.high = max(series.kline.high, price)
                series.kline.low = min(series.kline.low, price)


class LateIsAdded(ReferenceAggregator):
    """A trade that is late is added to the kline that is open."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        opened = [
            series.kline.open_time_ns
            for series in self._series.get(trade.symbol, ())
            if series.kline is not None
        ]
        if opened and trade.event_time_ns < min(opened):
            trade = trade._replace(event_time_ns=min(opened))
        super().on_trade(trade, at_ns)
