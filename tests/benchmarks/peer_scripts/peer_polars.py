"""The yardstick: polars reads each zip with zipfile and makes twelve intervals from 1m."""

import io
import sys
import zipfile

import polars as pl

*paths, out = sys.argv[1:]
c = pl.col
sums = ("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume")
frames = []
for path in paths:
    with zipfile.ZipFile(path) as archive:
        name = archive.namelist()[0]
        data = archive.read(name)
    trades = pl.read_csv(io.BytesIO(data)).with_columns(
        (c("price") * c("quantity")).alias("quote"),
        (c("last_trade_id") - c("first_trade_id") + 1).alias("n"),
        (c("transact_time") // 60_000 * 60_000).alias("open_time_ms"),
    )
    minutes = trades.group_by("open_time_ms", maintain_order=True).agg(
        c("price").first().alias("open"),
        c("price").max().alias("high"),
        c("price").min().alias("low"),
        c("price").last().alias("close"),
        c("quantity").sum().alias("volume"),
        c("quote").sum().alias("quote_volume"),
        c("n").sum().alias("count"),
        c("quantity").filter(~c("is_buyer_maker")).sum().alias("taker_buy_volume"),
        c("quote").filter(~c("is_buyer_maker")).sum().alias("taker_buy_quote_volume"),
    )
    symbol = pl.lit(name.partition("-")[0]).alias("symbol")
    for k in (1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440):
        span = k * 60_000
        frames.append(
            minutes.group_by((c("open_time_ms") // span * span), maintain_order=True)
            .agg(
                c("open").first(),
                c("high").max(),
                c("low").min(),
                c("close").last(),
                *(c(name).sum() for name in sums),
            )
            .with_columns(pl.lit(span).alias("interval_ms"), symbol)
        )
klines = pl.concat(frames)
if out != "-":
    klines.write_parquet(out)
