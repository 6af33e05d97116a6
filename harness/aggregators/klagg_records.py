"""Rows that klagg reads at startup, and rows that it answers pulls with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.aggregators.klagg_numbers import Measure, Numbers
from harness.aggregators.klagg_periods import Period
from harness.aggregators.klagg_slots import Slot
from harness.errors import UsageError
from harness.interval import Interval

# The measures of a kline's fields, the count aside.
MEASURES = (
    *(Measure.PRICE, Measure.PRICE, Measure.PRICE, Measure.PRICE),
    *(Measure.QUANTITY, Measure.QUOTE, Measure.QUANTITY, Measure.QUOTE),
)


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """The latest stored kline of a symbol and period, amounts as text.

    The ids of its first and last raw trade, where known, let a right aggregator tell whether it
    can be continued; production stores none.
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
    """A bar as deltas and snapshots show it: amounts as plain decimal text."""

    symbol: str
    interval: str
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
    is_final: bool


@dataclass(frozen=True, slots=True)
class PullAnswer:
    """The answer to a pull: `kind` is ``deltas`` or ``snapshot``."""

    at_ns: int
    kind: str
    records: tuple[BarRecord, ...]


def stored_row(
    database: Mapping[tuple[str, str], DatabaseRow], symbol: str, interval: Interval
) -> DatabaseRow:
    """Return the latest stored row of a symbol and interval.

    Raises UsageError when there is none: production refuses to start then.
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
    price, quantity, quote = Measure.PRICE, Measure.QUANTITY, Measure.QUOTE
    text = numbers.text
    return BarRecord(
        symbol,
        interval,
        slot.open_time_ns,
        open=text(slot.open, price),
        high=text(slot.high, price),
        low=text(slot.low, price),
        close=text(slot.close, price),
        volume=text(slot.volume, quantity),
        quote_volume=text(slot.quote_volume, quote),
        count=slot.count,
        taker_buy_volume=text(slot.taker_buy_volume, quantity),
        taker_buy_quote_volume=text(slot.taker_buy_quote_volume, quote),
        is_final=is_final,
    )
