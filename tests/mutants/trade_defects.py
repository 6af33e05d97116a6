"""Aggregators that do the wrong thing with a trade."""

from __future__ import annotations

from collections.abc import Sequence

from kline_harness.aggregators.per_event import TradeRow
from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.interval import Interval
from kline_harness.kline import Life
from kline_harness.tape import TradeKind
from kline_harness.units import NS_PER_MILLISECOND

_FOREIGN_IDS = 10**15


class BoundaryOffByOne(ReferenceAggregator):
    """The last millisecond of a kline belongs to the next one."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Take the trade for one millisecond later."""
        time_ns = trade.event_time_ns + NS_PER_MILLISECOND
        super().on_trade(trade._replace(event_time_ns=time_ns), at_ns)


class LeftOpen(ReferenceAggregator):
    """A trade at the opening instant belongs to the kline before."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Take the trade for one nanosecond earlier."""
        super().on_trade(trade._replace(event_time_ns=trade.event_time_ns - 1), at_ns)


class SwappedTaker(ReferenceAggregator):
    """Sellers are taken for buyers."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Swap the side."""
        super().on_trade(trade._replace(buyer_is_maker=not trade.buyer_is_maker), at_ns)


class CountOfAggregates(ReferenceAggregator):
    """Counts rows, not the raw trades in them."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Make a raw trade of the aggregate."""
        super().on_trade(trade._replace(last_id=trade.first_id), at_ns)


class FundTradeApplied(ReferenceAggregator):
    """Trades of the insurance fund make klines."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Take any trade for a market trade."""
        super().on_trade(trade._replace(kind=int(TradeKind.MARKET)), at_ns)


class DuplicateApplied(ReferenceAggregator):
    """A trade that comes twice counts twice."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        super().__init__(intervals)
        self._ids: set[tuple[int, int]] = set()

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Give a copy an id of its own."""
        identity = (trade.symbol, trade.trade_id)
        if identity in self._ids and self.counts_again(trade):
            trade = trade._replace(trade_id=_FOREIGN_IDS + trade.trade_id)
        self._ids.add(identity)
        super().on_trade(trade, at_ns)

    def counts_again(self, trade: TradeRow) -> bool:
        """Tell whether a copy does: here every one."""
        return True


class FirstTradeLost(ReferenceAggregator):
    """The trade that opens a minute is counted as applied and forgotten."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        super().__init__(intervals)
        self._minute: dict[int, int] = {}

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Forget the first trade of each minute but the symbol's first."""
        opened = self.intervals[0].open_time_ns(trade.event_time_ns)
        before = self._minute.get(trade.symbol)
        self._minute[trade.symbol] = opened
        if before is None or before == opened or trade.kind != TradeKind.MARKET:
            super().on_trade(trade, at_ns)
            return
        for series in self.account(trade.symbol).series.values():
            series.applied += 1


class LateAppliedToOpen(ReferenceAggregator):
    """A trade of a kline that is final is added to the open one."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Move a late trade into the open kline of the shortest interval."""
        kline = self._series_of(trade.symbol)[0].kline
        if kline is not None and trade.event_time_ns < kline.open_time_ns:
            trade = trade._replace(event_time_ns=kline.open_time_ns)
        super().on_trade(trade, at_ns)


class LateAppliedToFinal(ReferenceAggregator):
    """A trade of a kline that is final publishes that kline again."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Publish a kline of the late trade alone."""
        series = self._series_of(trade.symbol)[0]
        if series.kline is not None and trade.event_time_ns < series.kline.open_time_ns:
            opened = series.interval.open_time_ns(trade.event_time_ns)
            price, amounts = trade.price, (trade.quantity, trade.quote)
            fields = (price, price, price, price, *amounts, 1, 0, 0)
            ids = (trade.first_id, trade.last_id)
            self.publish_kline(trade.symbol, series.code, opened, fields, ids)
            self.publish_life(Life.FINALIZED, trade.symbol, series.code, opened, 1)
        super().on_trade(trade, at_ns)


class LateNotCounted(ReferenceAggregator):
    """Late trades vanish without being counted."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Forget what was late."""
        super().on_trade(trade, at_ns)
        for series in self.account(trade.symbol).series.values():
            series.late.clear()


class RejectedNotCounted(ReferenceAggregator):
    """Trades that are not market trades vanish without being counted."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Drop them at the door."""
        if trade.kind == TradeKind.MARKET:
            super().on_trade(trade, at_ns)
