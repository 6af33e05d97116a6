"""What the tests of the klagg model share: run a feed given as text, look at what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kline_harness.interfaces import FeedSlice, Pull
from kline_harness.interval import INTERVALS, Interval, parse_interval
from kline_harness.klagg.aggregator import KlaggAggregator
from kline_harness.klagg.quirks import FAITHFUL, Quirk
from kline_harness.klagg.records import BarRecord, DatabaseRow
from kline_harness.kline import Trigger
from kline_harness.ledger import TradeAccount

from tests.contracts.aggregator import plain_rows
from tests.feeds import MINUTE, T0, feed


@dataclass(frozen=True)
class Bar:
    """A published kline: times in minutes after T0, amounts as exact decimal text."""

    symbol: str
    interval: str
    minute: float
    prices: tuple[str, str, str, str]
    volume: str
    quote_volume: str
    count: int
    taker_volume: str
    taker_quote_volume: str
    trade_ids: tuple[int, int]
    at_minute: float
    trigger: Trigger

    @property
    def close(self) -> str:
        return self.prices[3]


@dataclass(frozen=True)
class Ran:
    """A run of the model: what it published, what it said, and itself."""

    aggregator: KlaggAggregator
    bars: list[Bar]
    events: list[tuple[Any, ...]]
    accounts: Mapping[str, TradeAccount]

    def of(self, interval: str, symbol: str = "ALFA") -> list[Bar]:
        """Return the finals of a series in the order published."""
        return [bar for bar in self.bars if (bar.symbol, bar.interval) == (symbol, interval)]

    def minutes(self, interval: str, symbol: str = "ALFA") -> list[float]:
        """Return when the finals of a series open, in minutes after T0."""
        return [bar.minute for bar in self.of(interval, symbol)]

    def volumes(self, interval: str, symbol: str = "ALFA") -> list[str]:
        """Return the volumes of the finals of a series."""
        return [bar.volume for bar in self.of(interval, symbol)]

    def counts(self, interval: str, symbol: str = "ALFA") -> list[int]:
        """Return the counts of the finals of a series."""
        return [bar.count for bar in self.of(interval, symbol)]

    def deltas(self) -> list[list[str]]:
        """Return, per pull of deltas, the symbols and intervals told, in order."""
        return [
            [f"{record.symbol} {record.interval}" for record in answer.records]
            for answer in self.aggregator.pulls
            if answer.kind == "deltas"
        ]

    def open_bar(self, interval: str, symbol: str = "ALFA") -> BarRecord:
        """Return the bar that the last full snapshot shows open."""
        records = [a for a in self.aggregator.pulls if a.kind == "snapshot"][-1].records
        (record,) = [r for r in records if (r.symbol, r.interval) == (symbol, interval)]
        return record


def run_klagg(
    text: str | FeedSlice,
    intervals: str = "1m 5m",
    symbols: str = "ALFA",
    quirks: Collection[Quirk] = FAITHFUL,
    *,
    finish: bool = False,
    **options: Any,
) -> Ran:
    """Run a feed, then ask for a snapshot; end the feed only if told to."""
    whole = feed(text) if isinstance(text, str) else text
    parsed = [parse_interval(name) for name in intervals.split()]
    aggregator = KlaggAggregator(parsed, symbols.split(), quirks, **options)
    emissions = [aggregator.advance(whole)]
    emissions.append(aggregator.advance(FeedSlice(whole.trades[:0], (Pull(0, True),), (0,))))
    if finish:
        emissions.append(aggregator.finish(0))
    return Ran(
        aggregator,
        [bar_of(row) for emission in emissions for row in plain_rows(emission.klines)],
        [row for emission in emissions for row in plain_rows(emission.events)],
        aggregator.accounts(),
    )


def bar_of(row: tuple[Any, ...]) -> Bar:
    volume, quote_volume, count, taker_volume, taker_quote_volume = row[7:12]
    return Bar(
        row[0],
        INTERVALS[row[1]].text,
        (row[2] - T0) / MINUTE,
        row[3:7],
        volume,
        quote_volume,
        count,
        taker_volume,
        taker_quote_volume,
        (row[12], row[13]),
        (row[14] - T0) / MINUTE,
        Trigger(row[15]),
    )


def stored(
    price: str = "100", volume: str = "0", count: int = 0, *, open_ns: int = T0, **ids: int
) -> DatabaseRow:
    """Return a stored row flat at a price."""
    quote = f"{Decimal(price) * Decimal(volume):f}"
    return DatabaseRow(open_ns, price, price, price, price, volume, quote, count, "0", "0", **ids)


def database(
    intervals: str, symbols: str = "ALFA", *, row: DatabaseRow | None = None
) -> dict[tuple[str, str], DatabaseRow]:
    """Return the same row for every symbol and interval; by default empty bars at T0."""
    return {
        (symbol, interval): row or stored()
        for symbol in symbols.split()
        for interval in intervals.split()
    }


def intervals_of(text: str) -> list[Interval]:
    return [parse_interval(name) for name in text.split()]
