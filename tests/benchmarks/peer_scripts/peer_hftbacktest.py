"""hftbacktest: a backtest that steps from minute to minute, its last trades added up by numba.

It is a simulator of orders and has no bars of its own: this is how a strategy of it gets them. Raw
trades inside an aggregate travel in the event's free field; longer intervals are rolled up.
"""

import sys
from typing import Any

import numpy as np
import pandas as pd
from hftbacktest import (
    BUY_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.types import event_dtype
from numba import njit

MINUTE_NS = 60_000_000_000
FIELDS = ("open", "high", "low", "close", "volume", "quote_volume", "count", "taker_buy_volume")


def minutes(hbt: Any, first_ns: int, count: int) -> Any:
    """Return a row of fields per minute; the count is 0 where nothing was traded."""
    bars = np.zeros((count, 8))
    hbt.elapse(0)  # the clock begins with the first event
    for row in range(count):
        # Up to the last nanosecond of the minute: it includes what happens at the instant.
        until = first_ns + (row + 1) * MINUTE_NS - 1
        ended = hbt.elapse(until - hbt.current_timestamp) != 0
        trades = hbt.last_trades(0)
        bar = bars[row]
        for trade in trades:
            if bar[6] == 0:
                bar[0] = bar[1] = bar[2] = trade.px
            bar[1] = max(bar[1], trade.px)
            bar[2] = min(bar[2], trade.px)
            bar[3] = trade.px
            bar[4] += trade.qty
            bar[5] += trade.px * trade.qty
            bar[6] += trade.ival
            if trade.ev & BUY_EVENT == BUY_EVENT:
                bar[7] += trade.qty
        hbt.clear_last_trades(0)
        if ended:
            break
    return bars


path, out = sys.argv[1:3]
trades = pd.read_csv(path)
events = np.zeros(len(trades), event_dtype)
side = np.where(trades.is_buyer_maker, SELL_EVENT, BUY_EVENT)
events["ev"] = TRADE_EVENT | EXCH_EVENT | LOCAL_EVENT | side
events["exch_ts"] = events["local_ts"] = trades.transact_time * 1_000_000
events["px"], events["qty"] = trades.price, trades.quantity
events["ival"] = trades.last_trade_id - trades.first_trade_id + 1
asset = (
    BacktestAsset()
    .data(events)
    .linear_asset(1.0)
    .constant_order_latency(0, 0)
    .risk_adverse_queue_model()
    .no_partial_fill_exchange()
    .tick_size(0.1)
    .lot_size(0.001)
    .last_trades_capacity(10_000)
)
hbt = HashMapMarketDepthBacktest([asset])
first = int(events["exch_ts"][0]) // MINUTE_NS * MINUTE_NS
count = (int(events["exch_ts"][-1]) - first) // MINUTE_NS + 1
compiled: Any = njit(minutes)
rows = compiled(hbt, first, count)
hbt.close()

bars = pd.DataFrame(rows, columns=FIELDS, index=first // 1_000_000 + np.arange(count) * 60_000)
bars = bars[bars["count"] > 0]
how = dict.fromkeys(FIELDS, "sum") | {"open": "first", "high": "max", "low": "min", "close": "last"}
frames = []
for k in (1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440):
    frame = bars.groupby(bars.index // (k * 60_000) * (k * 60_000)).agg(how)
    frame["interval_ms"] = k * 60_000
    frames.append(frame.rename_axis("open_time_ms").reset_index())
pd.concat(frames).to_parquet(out)
