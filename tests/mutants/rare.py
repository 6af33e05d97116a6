"""Rare defects: each shows only when several things come together, as real ones do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kline_harness.aggregators.per_event import Amount, TradeRow
from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.columns import Rows
from kline_harness.interval import Interval
from kline_harness.kline import KlineBatch
from kline_harness.replay.assembly import Deliver, Substitutions
from kline_harness.simulation.listener import Listening
from kline_harness.storage.parquet_writer import ParquetWriter
from kline_harness.tape import TradeKind

from tests.mutants.channel_defects import End
from tests.mutants.trade_defects import DuplicateApplied

_SMALLEST_RING = 2
_COUNT = 6


class DuplicateAfterFinal(DuplicateApplied):
    """A copy that comes when its minute is final, but not its longest kline, counts again."""

    def counts_again(self, trade: TradeRow) -> bool:
        """Tell whether the copy comes in between."""
        klines = [series.kline for series in self._series_of(trade.symbol)]
        first, last = klines[0], klines[-1]
        if first is None or last is None:
            return False
        return last.open_time_ns <= trade.event_time_ns < first.open_time_ns


class LateIntoProvisional(ReferenceAggregator):
    """A late trade is taken into the open kline if that one is flat and opened by a tick."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Move such a trade."""
        kline = self._series_of(trade.symbol)[0].kline
        if kline is not None and trade.event_time_ns < kline.open_time_ns and kline.rows == 0:
            trade = trade._replace(event_time_ns=kline.open_time_ns)
        super().on_trade(trade, at_ns)


class SentinelOpensAtZero(ReferenceAggregator):
    """A sentinel row that would be the first of a minute opens it, at a price of zero."""

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Take such a row for a trade."""
        if trade.kind == TradeKind.SENTINEL:
            kline = self._series_of(trade.symbol)[0].kline
            if kline is not None and kline.close_time_ns <= trade.event_time_ns:
                trade = trade._replace(kind=int(TradeKind.MARKET))
        super().on_trade(trade, at_ns)


class FillsTwo(ReferenceAggregator):
    """Of the quiet klines that one trade outruns, two are filled and the others are not."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        super().__init__(intervals)
        self._filled: tuple[int, int, int] = (-1, -1, -1)
        self._quiet = 0

    def publish_kline(
        self,
        symbol: int,
        interval: int,
        open_time_ns: int,
        fields: Sequence[Amount],
        trade_ids: tuple[int, int],
    ) -> None:
        """Leave out a third quiet kline of one series at one instant."""
        series = (symbol, interval, self.now_ns)
        quiet = fields[_COUNT] == 0
        self._quiet = self._quiet + quiet if series == self._filled else int(quiet)
        self._filled = series
        if not quiet or self._quiet <= 2:
            super().publish_kline(symbol, interval, open_time_ns, fields, trade_ids)


class LagTwiceAround(End):
    """The writer's end loses count when it missed more than twice the smallest ring."""

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Tell one less of a long lag."""
        is_long = self.name == "writer" and missed > 2 * _SMALLEST_RING
        super().on_lag(now_ns, missed - is_long)


def lag_twice_around(consumer: Listening, deliver: Deliver) -> tuple[Listening, Deliver]:
    """Return an end with that defect."""
    end = LagTwiceAround(consumer, deliver)
    return end, end.on_rows


@dataclass(slots=True)
class RowLostAfterError(ParquetWriter):
    """After a commit that failed the first row of the next delivery is forgotten."""

    failed: int = 0

    def on_rows(self, now_ns: int, rows: Rows[KlineBatch]) -> None:
        """Forget the row."""
        lost = self.counters.dropped
        if lost > self.failed:
            self.failed = lost
            rows = rows[1:]
        ParquetWriter.on_rows(self, now_ns, rows)


RARE: dict[str, Substitutions] = {
    "duplicate_after_final": Substitutions(aggregator=DuplicateAfterFinal),
    "late_into_provisional": Substitutions(aggregator=LateIntoProvisional),
    "sentinel_opens_at_zero": Substitutions(aggregator=SentinelOpensAtZero),
    "fills_two": Substitutions(aggregator=FillsTwo),
    "lag_twice_around": Substitutions(channel=lag_twice_around),
    "row_lost_after_error": Substitutions(writer=RowLostAfterError),
}
