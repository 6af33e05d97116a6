"""Aggregators that publish klines or events other than those they made."""

from __future__ import annotations

from collections.abc import Sequence

from kline_harness.aggregators.per_event import Amount, TradeRow
from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.interfaces import Tick
from kline_harness.interval import Interval
from kline_harness.kline import Life
from kline_harness.units import NS_PER_DAY, NS_PER_MINUTE

_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME, _COUNT = 0, 1, 2, 3, 4, 6


# Symbol, interval and open time of a kline.
Key = tuple[int, int, int]


class _Altered(ReferenceAggregator):
    """Publishes what `alter` makes of each kline's nine fields; nothing for None."""

    def alter(self, key: Key, fields: list[Amount]) -> list[Amount] | None:
        """Return the fields to publish."""
        raise NotImplementedError

    def publish_kline(
        self,
        symbol: int,
        interval: int,
        open_time_ns: int,
        fields: Sequence[Amount],
        trade_ids: tuple[int, int],
    ) -> None:
        """Publish the altered kline."""
        altered = self.alter((symbol, interval, open_time_ns), list(fields))
        if altered is not None:
            super().publish_kline(symbol, interval, open_time_ns, altered, trade_ids)


class NoGapFill(_Altered):
    """Quiet klines are not published."""

    def alter(self, key: Key, fields: list[Amount]) -> list[Amount] | None:
        """Leave a quiet kline out."""
        return fields if fields[_COUNT] else None


class HighLowSwappedOnTies(_Altered):
    """High and low are swapped where a kline closes at its open."""

    def alter(self, key: Key, fields: list[Amount]) -> list[Amount] | None:
        """Swap them."""
        if fields[_OPEN] == fields[_CLOSE]:
            fields[_HIGH], fields[_LOW] = fields[_LOW], fields[_HIGH]
        return fields


class OpenIsPreviousClose(_Altered):
    """A kline opens at the close of the one before, whatever its first trade was."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        super().__init__(intervals)
        self._closes: dict[tuple[int, int], Amount] = {}

    def alter(self, key: Key, fields: list[Amount]) -> list[Amount] | None:
        """Replace the open, and widen high and low to hold it."""
        opened = self._closes.get(key[:2], fields[_OPEN])
        self._closes[key[:2]] = fields[_CLOSE]
        fields[_OPEN] = opened
        fields[_HIGH], fields[_LOW] = max(fields[_HIGH], opened), min(fields[_LOW], opened)
        return fields


class FloatVolume(_Altered):
    """Volumes are summed as floats of whole units."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        super().__init__(intervals)
        self._sums: dict[Key, float] = {}

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Sum beside the exact sum."""
        applied = [series.account.applied for series in self._series_of(trade.symbol)]
        super().on_trade(trade, at_ns)
        scale = 10 ** self.instruments[trade.symbol].quantity_scale
        for series, before in zip(self._series_of(trade.symbol), applied, strict=True):
            if series.account.applied > before:
                opened = series.interval.open_time_ns(trade.event_time_ns)
                key = (trade.symbol, series.code, opened)
                self._sums[key] = self._sums.get(key, 0.0) + trade.quantity / scale

    def alter(self, key: Key, fields: list[Amount]) -> list[Amount] | None:
        """Publish the float, cut off after its last decimal."""
        total = self._sums.pop(key, 0.0)
        fields[_VOLUME] = int(total * 10 ** self.instruments[key[0]].quantity_scale)
        return fields


class CloseByArrival(_Altered):
    """The close is the trade that arrived last, not that of the highest id."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        super().__init__(intervals)
        self._last: dict[Key, Amount] = {}

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Remember the price last seen in each bucket."""
        received = len(self.account(trade.symbol).duplicate)
        super().on_trade(trade, at_ns)
        if trade.kind == 0 and len(self.account(trade.symbol).duplicate) == received:
            for series in self._series_of(trade.symbol):
                opened = series.interval.open_time_ns(trade.event_time_ns)
                self._last[trade.symbol, series.code, opened] = trade.price

    def alter(self, key: Key, fields: list[Amount]) -> list[Amount] | None:
        """Publish that price."""
        fields[_CLOSE] = self._last.pop(key, fields[_CLOSE])
        return fields


class IdsSwapped(ReferenceAggregator):
    """First and last trade id are swapped."""

    def publish_kline(
        self,
        symbol: int,
        interval: int,
        open_time_ns: int,
        fields: Sequence[Amount],
        trade_ids: tuple[int, int],
    ) -> None:
        """Swap them."""
        super().publish_kline(symbol, interval, open_time_ns, fields, trade_ids[::-1])


class ResetAtTick(ReferenceAggregator):
    """A tick begins every open kline anew."""

    def on_tick(self, tick: Tick) -> None:
        """Forget the amounts of klines that stay open."""
        super().on_tick(tick)
        for rows in self._series.values():
            for series in rows:
                if series.kline is not None:
                    series.kline.volume = series.kline.quote_volume = 0
                    series.kline.taker_buy_volume = series.kline.taker_buy_quote_volume = 0


class _Calendar(ReferenceAggregator):
    """Keeps a calendar of its own for one interval."""

    wrong: Interval

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Put the wrong calendar in place before anything is opened."""
        for series in self._series_of(trade.symbol):
            if series.interval.text == self.wrong.text:
                series.interval = self.wrong
        super().on_trade(trade, at_ns)


class WeekOnThursday(_Calendar):
    """Weeks are counted from the epoch, which was a Thursday."""

    wrong = Interval("1w", 7 * NS_PER_DAY)


class MonthOf30Days(_Calendar):
    """Months are thirty days long."""

    wrong = Interval("1M", 30 * NS_PER_DAY)


class TickTakenForLater(ReferenceAggregator):
    """A tick is taken for one a minute later, so klines are final before their time."""

    def on_tick(self, tick: Tick) -> None:
        """Process the tick as a later one, and publish it as it came."""
        super().on_tick(Tick(tick.at_ns, tick.time_ns + NS_PER_MINUTE))

    def publish_tick(self, tick: Tick) -> None:
        """Publish the time that was told."""
        super().publish_tick(Tick(tick.at_ns, tick.time_ns - NS_PER_MINUTE))


class TickIgnored(ReferenceAggregator):
    """Ticks finalize nothing."""

    def on_tick(self, tick: Tick) -> None:
        """Publish that the tick was processed, and do nothing."""
        self.publish_tick(tick)


class FinalWithoutEvent(ReferenceAggregator):
    """Finals of quiet klines have no lifecycle event."""

    def publish_life(
        self, life: Life, symbol: int, interval: int, open_time_ns: int, trades: int
    ) -> None:
        """Leave it out."""
        if life is not Life.FINALIZED or trades:
            super().publish_life(life, symbol, interval, open_time_ns, trades)


class OpenedTwice(ReferenceAggregator):
    """A first trade on a provisional kline is told as a new kline."""

    def publish_life(
        self, life: Life, symbol: int, interval: int, open_time_ns: int, trades: int
    ) -> None:
        """Tell the wrong event."""
        told = Life.OPENED_LIVE if life is Life.FIRST_TRADE else life
        super().publish_life(told, symbol, interval, open_time_ns, trades)


class PublishedTwice(ReferenceAggregator):
    """A quiet kline is published twice."""

    def publish_kline(
        self,
        symbol: int,
        interval: int,
        open_time_ns: int,
        fields: Sequence[Amount],
        trade_ids: tuple[int, int],
    ) -> None:
        """Publish it, and again."""
        super().publish_kline(symbol, interval, open_time_ns, fields, trade_ids)
        if not fields[_COUNT]:
            super().publish_kline(symbol, interval, open_time_ns, fields, trade_ids)
