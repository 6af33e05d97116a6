"""Turns closed and open partial klines into an emission in the order of publication."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kline_harness.aggregators import partials as p
from kline_harness.aggregators.partials import Partials
from kline_harness.columns import Instrument
from kline_harness.interfaces import Tick
from kline_harness.interval import CODE, Interval
from kline_harness.kline import Emission, KlineBatch, Life, LifeBatch, Trigger

# KlineBatch column: partial column, where the names differ.
_RENAMED = {
    "open_time_ns": "bucket",
    "quote_volume": "quote",
    "taker_buy_volume": "taker_volume",
    "taker_buy_quote_volume": "taker_quote",
    "first_trade_id": "first_id",
    "last_trade_id": "last_id",
    "at_ns": "close_at",
    "trigger": "close_trigger",
}
_LIFE_COLUMNS = (
    *("seq", "order", "symbol", "life", "interval", "open_time_ns", "trades", "at_ns"),
    "trigger",
)
# A tick's own row comes after the rows of every symbol it closed.
_LAST = np.int64(2**62)


def emission_of(
    instruments: tuple[Instrument, ...],
    levels: Sequence[tuple[Interval, Partials, Partials]],
    start: int,
    ticks: Sequence[tuple[Tick, int]],
) -> Emission:
    """Order everything that happened from event `start` of the feed on.

    Order: event of the feed, then symbol, interval and open time; a tick's own row comes last.
    `levels` are (interval, klines closed since, klines open now).
    """
    return Emission(_klines(instruments, levels), _events(instruments, levels, start, ticks))


def _klines(
    instruments: tuple[Instrument, ...], levels: Sequence[tuple[Interval, Partials, Partials]]
) -> KlineBatch:
    filled = [(interval, closed) for interval, closed, _ in levels if p.rows_of(closed)]
    if not filled:
        return KlineBatch.empty(instruments)
    table = p.join([closed for _, closed in filled])
    codes = np.repeat(
        np.array([CODE[interval] for interval, _ in filled], dtype=np.int8),
        [p.rows_of(closed) for _, closed in filled],
    )
    order = np.lexsort((table["bucket"], codes, table["symbol"], table["close_seq"]))
    quiet = table["applied"][order] == 0
    columns = {
        name: table[_RENAMED.get(name, name)][order]
        for name in KlineBatch.column_names()
        if name != "interval"
    }
    columns["interval"] = codes[order]
    columns["symbol"] = columns["symbol"].astype(np.int16)
    columns["trigger"] = columns["trigger"].astype(np.int8)
    columns["first_trade_id"] = np.where(quiet, -1, columns["first_trade_id"])
    columns["last_trade_id"] = np.where(quiet, -1, columns["last_trade_id"])
    for name in ("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"):
        columns[name] = np.where(quiet, 0, columns[name])
    return KlineBatch.build(instruments, columns)


def _events(
    instruments: tuple[Instrument, ...],
    levels: Sequence[tuple[Interval, Partials, Partials]],
    start: int,
    ticks: Sequence[tuple[Tick, int]],
) -> LifeBatch:
    rows = [_tick_rows(ticks)]
    for interval, closed, open_now in levels:
        code = CODE[interval]
        rows.append(_life_rows(closed, code, Life.FINALIZED, "close"))
        for table in (closed, open_now):
            live = table["first_seq"] == table["open_seq"]
            opened = table["open_seq"] >= start
            rows.append(_life_rows(p.take(table, opened & live), code, Life.OPENED_LIVE, "open"))
            rows.append(
                _life_rows(p.take(table, opened & ~live), code, Life.OPENED_PROVISIONAL, "open")
            )
            first = (table["first_seq"] >= start) & (table["first_seq"] != p.NEVER) & ~live
            rows.append(_life_rows(p.take(table, first), code, Life.FIRST_TRADE, "first"))
    table = p.join(rows)
    order = np.lexsort(
        (table["life"], table["open_time_ns"], table["interval"], table["order"], table["seq"])
    )
    table = p.take(table, order)
    return LifeBatch(
        instruments,
        table["symbol"].astype(np.int16),
        table["life"].astype(np.int8),
        table["interval"].astype(np.int8),
        table["open_time_ns"],
        table["trades"],
        table["at_ns"],
        table["trigger"].astype(np.int8),
    )


def _life_rows(table: Partials, code: int, life: Life, event: str) -> Partials:
    rows = p.rows_of(table)
    if rows == 0:
        return {name: np.empty(0, dtype=np.int64) for name in _LIFE_COLUMNS}
    trades = np.full(rows, 1 if life in (Life.OPENED_LIVE, Life.FIRST_TRADE) else 0)
    trigger = np.full(rows, Trigger.TRADE, dtype=np.int64)
    return {
        "seq": table[f"{event}_seq"],
        "order": table["symbol"],
        "symbol": table["symbol"],
        "life": np.full(rows, life, dtype=np.int64),
        "interval": np.full(rows, code, dtype=np.int64),
        "open_time_ns": table["bucket"],
        "trades": table["applied"] if life is Life.FINALIZED else trades,
        "at_ns": table[f"{event}_at"],
        "trigger": trigger if life is Life.FIRST_TRADE else table[f"{event}_trigger"],
    }


def _tick_rows(ticks: Sequence[tuple[Tick, int]]) -> Partials:
    rows = len(ticks)
    return {
        "seq": np.array([seq for _, seq in ticks], dtype=np.int64),
        "order": np.full(rows, _LAST),
        "symbol": np.full(rows, -1, dtype=np.int64),
        "life": np.full(rows, Life.TICK, dtype=np.int64),
        "interval": np.full(rows, -1, dtype=np.int64),
        "open_time_ns": np.array([tick.time_ns for tick, _ in ticks], dtype=np.int64),
        "trades": np.zeros(rows, dtype=np.int64),
        "at_ns": np.array([tick.at_ns for tick, _ in ticks], dtype=np.int64),
        "trigger": np.full(rows, Trigger.TICK, dtype=np.int64),
    }
