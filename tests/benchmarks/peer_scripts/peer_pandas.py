"""pandas: the C parser, group by 1m, roll up."""

import sys

import pandas as pd

path, out = sys.argv[1:3]
trades = pd.read_csv(path)
trades["quote"] = trades.price * trades.quantity
trades["n"] = trades.last_trade_id - trades.first_trade_id + 1
trades["taker"] = trades.quantity.where(~trades.is_buyer_maker, 0.0)
minutes = trades.groupby(trades.transact_time // 60_000 * 60_000).agg(
    open=("price", "first"),
    high=("price", "max"),
    low=("price", "min"),
    close=("price", "last"),
    volume=("quantity", "sum"),
    quote_volume=("quote", "sum"),
    count=("n", "sum"),
    taker_buy_volume=("taker", "sum"),
)
how = {
    "open": "first",
    "high": "max",
    "low": "min",
    "close": "last",
    "volume": "sum",
    "quote_volume": "sum",
    "count": "sum",
    "taker_buy_volume": "sum",
}
frames = []
for k in (1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440):
    frame = minutes.groupby(minutes.index // (k * 60_000) * (k * 60_000)).agg(how)
    frame["interval_ms"] = k * 60_000
    frames.append(frame.rename_axis("open_time_ms").reset_index())
pd.concat(frames).to_parquet(out)
