"""Rows that klagg reads at startup, and rows that it answers pulls with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kline_harness.aggregators.per_event import Amount
from kline_harness.errors import UsageError
from kline_harness.interval import Interval
from kline_harness.klagg.numbers import MEASURES, Numbers
from kline_harness.klagg.periods import Period
from kline_harness.klagg.slots import Slot


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """The latest stored kline of a symbol and period, amounts as text.

    The ids of its first and last raw trade, where known, let a right aggregator tell whether it
    can be continued; klagg stores none.
    """

    open_time_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    count: int
    taker_buy_volume: str
    taker_buy_quote_volume: str
    first_trade_id: int = -1
    last_trade_id: int = -1


@dataclass(frozen=True, slots=True)
class BarRecord:
    """A bar as deltas and snapshots show it: amounts as plain decimal text, written when read.

    `amounts` are the eight that `MEASURES` names.
    """

    symbol: str
    interval: str
    open_time_ns: int
    count: int
    is_final: bool
    amounts: tuple[Amount, ...]
    numbers: Numbers

    @property
    def open(self) -> str:
        """Return the first price."""
        return self._text(0)

    @property
    def high(self) -> str:
        """Return the highest price."""
        return self._text(1)

    @property
    def low(self) -> str:
        """Return the lowest price."""
        return self._text(2)

    @property
    def close(self) -> str:
        """Return the last price."""
        return self._text(3)

    @property
    def volume(self) -> str:
        """Return the quantity traded."""
        return self._text(4)

    @property
    def quote_volume(self) -> str:
        """Return the quote quantity traded."""
        return self._text(5)

    @property
    def taker_buy_volume(self) -> str:
        """Return the quantity that takers bought."""
        return self._text(6)

    @property
    def taker_buy_quote_volume(self) -> str:
        """Return the quote quantity that takers bought for."""
        return self._text(7)

    def _text(self, place: int) -> str:
        return self.numbers.text(self.amounts[place], MEASURES[place])


@dataclass(frozen=True, slots=True)
class PullAnswer:
    """The answer to a pull: `kind` is ``deltas`` or ``snapshot``."""

    at_ns: int
    kind: str
    records: Sequence[BarRecord]


def stored_row(
    database: Mapping[tuple[str, str], DatabaseRow], symbol: str, interval: Interval
) -> DatabaseRow:
    """Return the latest stored row of a symbol and interval.

    Raises UsageError when there is none: klagg refuses to start then.
    """
    row = database.get((symbol, interval.text))
    if row is None:
        raise UsageError(f"klagg needs a stored kline of {symbol} {interval} to start from")
    return row


def load(slot: Slot, period: Period, row: DatabaseRow, numbers: Numbers) -> None:
    """Continue a stored kline."""
    prices = (row.open, row.high, row.low, row.close)
    volumes = (row.volume, row.quote_volume, row.taker_buy_volume, row.taker_buy_quote_volume)
    texts = (*prices, *volumes)
    amounts = [numbers.parse(text, m) for text, m in zip(texts, MEASURES, strict=True)]
    slot.seed(row.open_time_ns, period.next_open_ns(row.open_time_ns), amounts[3])
    slot.set_fields(amounts, row.count)
    slot.first_trade_id, slot.last_trade_id = row.first_trade_id, row.last_trade_id


def bar_record(
    symbol: str, interval: str, slot: Slot, numbers: Numbers, *, is_final: bool = False
) -> BarRecord:
    """Return what a slot looks like now."""
    return BarRecord(
        symbol, interval, slot.open_time_ns, slot.count, is_final, slot.amounts(), numbers
    )
