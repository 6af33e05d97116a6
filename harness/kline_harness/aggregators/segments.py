"""Cuts a slice of the feed into segments: trades of one symbol in one bucket with no tick between.

Everything after this works on segments, of which there are a few per kline, not on trades.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kline_harness.aggregators.partials import NEVER, Partials, empty, extreme_rows
from kline_harness.compiled.levels import TickColumns
from kline_harness.interval import Interval
from kline_harness.kline import Trigger
from kline_harness.tape import Tape
from kline_harness.units import Int64Array, sum_groups


def trade_partials(trades: Tape, seq: Int64Array, starts: Int64Array) -> Partials:
    """Add up runs of trades that begin at `starts`, each of one symbol and bucket."""
    buyer = ~trades.buyer_is_maker
    count = np.where(trades.first_id < 0, 1, trades.last_id - trades.first_id + 1)
    opens = extreme_rows(trades.trade_id, starts, lowest=True)
    closes = extreme_rows(trades.trade_id, starts, lowest=False)
    return {
        "symbol": trades.symbol[starts].astype(np.int64),
        "bucket": trades.event_time_ns[starts],
        "open": trades.price[opens],
        "high": np.maximum.reduceat(trades.price, starts),
        "low": np.minimum.reduceat(trades.price, starts),
        "close": trades.price[closes],
        "volume": sum_groups(trades.quantity, starts),
        "quote": sum_groups(trades.quote, starts),
        "taker_volume": sum_groups(trades.quantity * buyer, starts),
        "taker_quote": sum_groups(trades.quote * buyer, starts),
        "count": sum_groups(count, starts),
        "applied": trades.recorded(starts),
        "open_key": trades.trade_id[opens],
        "close_key": trades.trade_id[closes],
        "first_id": np.minimum.reduceat(trades.first_id, starts),
        "last_id": np.maximum.reduceat(trades.last_id, starts),
        "open_seq": seq[starts],
        "open_at": trades.arrival_ns[starts],
        "open_trigger": np.full(len(starts), Trigger.TRADE, dtype=np.int64),
        "first_seq": seq[starts],
        "first_at": trades.arrival_ns[starts],
    }


def segment_starts(symbols: NDArray[np.int16], buckets: Int64Array, cuts: Int64Array) -> Int64Array:
    """Return where symbol or bucket changes or a tick cuts, in rows sorted by symbol."""
    if len(symbols) == 0:
        return np.empty(0, dtype=np.int64)
    new = buckets[1:] != buckets[:-1]
    if symbols[0] != symbols[-1]:
        new |= symbols[1:] != symbols[:-1]
    begins = np.ones(len(symbols), dtype=np.bool_)
    begins[1:] = new
    begins[cuts[cuts < len(symbols)]] = True
    return np.flatnonzero(begins)


def tick_cuts(symbols: NDArray[np.int16], rows: Int64Array, positions: Int64Array) -> Int64Array:
    """Return where ticks cut trades sorted by symbol.

    `rows` are the trades' places in the feed, `positions` how many trades of the feed come
    before each tick.
    """
    if len(positions) == 0 or len(rows) == 0:
        return np.empty(0, dtype=np.int64)
    if symbols[0] == symbols[-1]:
        return np.searchsorted(rows, positions)
    # A trade's place within (symbol, place in the feed) order; one search finds every cut.
    span = int(max(rows.max(), positions.max())) + 1
    keys = symbols.astype(np.int64) * span + rows
    distinct = symbols[np.flatnonzero(np.diff(symbols, prepend=-1))].astype(np.int64)
    wanted = distinct[:, None] * span + positions[None, :]
    return np.searchsorted(keys, wanted.ravel())


def tick_partials(symbols: Sequence[int], interval: Interval, ticks: TickColumns) -> Partials:
    """Return one row without trades per symbol and tick."""
    table = empty(len(symbols) * len(ticks.seq))
    table["symbol"] = np.repeat(np.asarray(symbols, dtype=np.int64), len(ticks.seq))
    table["bucket"] = np.tile(interval.open_times_ns(ticks.time_ns), len(symbols))
    table["open_seq"] = np.tile(ticks.seq, len(symbols))
    table["open_at"] = np.tile(ticks.at_ns, len(symbols))
    table["open_trigger"][:] = Trigger.TICK
    table["first_seq"][:] = NEVER
    return table
