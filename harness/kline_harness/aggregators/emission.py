"""Turns closed and open partial klines into an emission in the order of publication."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.aggregators import partials as p
from kline_harness.aggregators.partials import CLOSE, InRows, Partials
from kline_harness.columns import Instrument
from kline_harness.compiled.levels import Made, TickColumns, emission
from kline_harness.interval import CODE, Interval
from kline_harness.kline import Emission, KlineBatch, Life, LifeBatch, Trigger
from kline_harness.units import NS_PER_SECOND, Int64Array

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
_OF_LIFE = ("symbol", "bucket", "applied", *p.LIFE)
# A tick's own row comes after the rows of every symbol it closed.
_LAST = 1 << 16


def emission_of(
    instruments: tuple[Instrument, ...],
    levels: Sequence[tuple[Interval, Partials, Partials]],
    events: range,
    ticks: TickColumns,
) -> Emission:
    """Order everything that happened at some events of the feed.

    Order: event of the feed, then symbol, interval and open time; a tick's own row comes last.
    `levels` are (interval, klines closed since, klines open now).
    """
    found = _in_rows(instruments, levels, events, ticks)
    if found is None:
        life = _events(instruments, levels, events.start, ticks)
        found = Emission(_klines(instruments, levels), life)
    return found


def _in_rows(
    instruments: tuple[Instrument, ...],
    levels: Sequence[tuple[Interval, Partials, Partials]],
    events: range,
    ticks: TickColumns,
) -> Emission | None:
    """Return the same of levels whose klines are in rows, None of others."""
    made = [
        (CODE[interval], Made(closed.block, opened.block))
        for interval, closed, opened in levels
        if isinstance(closed, InRows) and isinstance(opened, InRows)
    ]
    if len(made) < len(levels):
        return None
    found = emission(made, len(instruments), events.start, len(events), ticks)
    if found is None:
        return None
    klines, life = found
    return Emission(KlineBatch.build(instruments, klines), LifeBatch.build(instruments, life))


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
    places = _places(table["symbol"], codes, table["bucket"], 0)
    order = np.lexsort((places, table["close_seq"]))
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
    ticks: TickColumns,
) -> LifeBatch:
    rows = [_tick_rows(ticks)]
    intervals = [interval for interval, _, _ in levels]
    closed = _joined_levels(intervals, [table for _, table, _ in levels])
    open_now = _joined_levels(intervals, [table for _, _, table in levels])
    rows.append(_life_rows(closed, Life.FINALIZED, "close"))
    for table in (closed, open_now):
        live = table["first_seq"] == table["open_seq"]
        opened = table["open_seq"] >= start
        rows.append(_life_rows(p.take(table, opened & live), Life.OPENED_LIVE, "open"))
        rows.append(_life_rows(p.take(table, opened & ~live), Life.OPENED_PROVISIONAL, "open"))
        first = (table["first_seq"] >= start) & (table["first_seq"] != p.NEVER) & ~live
        rows.append(_life_rows(p.take(table, first), Life.FIRST_TRADE, "first"))
    table = p.join(rows)
    places = _places(table["order"], table["interval"], table["open_time_ns"], table["life"])
    table = p.take(table, np.lexsort((places, table["seq"])))
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


def _joined_levels(intervals: Sequence[Interval], tables: Sequence[Partials]) -> Partials:
    """Return klines of all intervals, with what is told of their life."""
    names = [name for name in (*_OF_LIFE, *CLOSE) if name in tables[0]]
    sizes = [p.rows_of(table) for table in tables]
    codes = np.array([CODE[interval] for interval in intervals], dtype=np.int64)
    joined = p.join([{name: table[name] for name in names} for table in tables])
    return joined | {"interval": codes.repeat(sizes)}


def _places(
    symbols: Int64Array, intervals: NDArray[Any], opens_ns: Int64Array, lives: Int64Array | int
) -> Int64Array:
    """Return numbers in the order of symbol, interval, open time and life.

    Open times are whole seconds, of 36 bits from the first one on; a tick's symbol is the last.
    """
    if len(symbols) == 0:
        return symbols
    seconds = (opens_ns - opens_ns.min()) // NS_PER_SECOND
    numbers: Int64Array = (symbols * 32 + intervals + 1 << 38) + seconds * 8 + lives
    return numbers


def _life_rows(table: Partials, life: Life, event: str) -> Partials:
    rows = p.rows_of(table)
    trades = np.full(rows, 1 if life in (Life.OPENED_LIVE, Life.FIRST_TRADE) else 0)
    trigger = np.full(rows, Trigger.TRADE, dtype=np.int64)
    return {
        "seq": table[f"{event}_seq"],
        "order": table["symbol"],
        "symbol": table["symbol"],
        "life": np.full(rows, life, dtype=np.int64),
        "interval": table["interval"],
        "open_time_ns": table["bucket"],
        "trades": table["applied"] if life is Life.FINALIZED else trades,
        "at_ns": table[f"{event}_at"],
        "trigger": trigger if life is Life.FIRST_TRADE else table[f"{event}_trigger"],
    }


def _tick_rows(ticks: TickColumns) -> Partials:
    rows = len(ticks.seq)
    return {
        "seq": ticks.seq,
        "order": np.full(rows, _LAST),
        "symbol": np.full(rows, -1, dtype=np.int64),
        "life": np.full(rows, Life.TICK, dtype=np.int64),
        "interval": np.full(rows, -1, dtype=np.int64),
        "open_time_ns": ticks.time_ns,
        "trades": np.zeros(rows, dtype=np.int64),
        "at_ns": ticks.at_ns,
        "trigger": np.full(rows, Trigger.TICK, dtype=np.int64),
    }
