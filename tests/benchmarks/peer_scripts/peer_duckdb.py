"""DuckDB: unzip each file with zipfile, read the CSV, group by 1m; roll up at the end."""

import os
import sys
import tempfile
import zipfile

import duckdb

*paths, out = sys.argv[1:]
db = duckdb.connect()
for number, path in enumerate(paths):
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        name = archive.extract(archive.namelist()[0], folder)
        symbol = os.path.basename(name).partition("-")[0]
        db.execute(
            f"{'insert into minutes' if number else 'create table minutes as'} "
            f"select '{symbol}' as symbol, transact_time // 60000 * 60000 as t, "
            "arg_min(price, agg_trade_id) as open, max(price) as high, min(price) as low, "
            "arg_max(price, agg_trade_id) as close, sum(quantity) as volume, "
            "sum(price * quantity) as quote_volume, "
            "sum(last_trade_id - first_trade_id + 1) as count, "
            "coalesce(sum(quantity) filter (not is_buyer_maker), 0) as taker_buy_volume "
            f"from read_csv('{name}') group by 1, 2"
        )
spans = ", ".join(f"({k * 60000})" for k in (1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440))
db.execute(
    "copy (select symbol, span as interval_ms, t // span * span as open_time_ms, "
    "arg_min(open, t) as open, max(high) as high, min(low) as low, arg_max(close, t) as close, "
    "sum(volume) as volume, sum(quote_volume) as quote_volume, sum(count)::bigint as count, "
    "sum(taker_buy_volume) as taker_buy_volume "
    f"from minutes, (values {spans}) spans(span) group by 1, 2, 3) to '{out}' (format parquet)"
)
