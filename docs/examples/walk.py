"""A walk through a day, cell by cell, as in a notebook: files, replay, pandas, a plot.

python docs/examples/walk.py [PICTURE]     # or open it in an editor that knows `# %%` cells
"""

# %% Files first: what is in them, and is anything wrong?
from __future__ import annotations

import sys
from pathlib import Path

import kline_harness as kh
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DAY = Path(__file__).resolve().parents[2] / "fixtures" / "um-day"
TRADES = DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
HOURS = DAY / "ALFAUSDT-1h-2024-05-15.zip"

print(kh.inspect([TRADES, HOURS]).sentence)

# %% The trades as a table: exact decimals, instants in UTC.
trades = kh.read_trades(TRADES).to_pandas()
print(trades[["event_time", "price", "quantity", "buyer_is_maker"]].head(3))

# %% The replay: minutes and hours, the hours held to the exchange's own.
run = kh.replay(TRADES, klines=HOURS, intervals="1m,1h")
print(run)

# %% Minutes added up to hours by pandas are the published hours, to the last digit.
minutes = run.klines.select(interval="1m").to_pandas()
hours = run.klines.select(interval="1h").to_pandas().set_index("open_time")
added = minutes.groupby(minutes["open_time"].dt.floor("h"))["volume"].sum()
print("volumes are equal:", bool((added == hours["volume"]).all()))

# %% How much of each hour was bought by takers?
hours["taker share"] = (hours["taker_buy_volume"] / hours["volume"]).astype(float)
print(hours["taker share"].describe().round(3))

# %% A picture. Floats are for the eye alone: they are made here and nowhere before.
figure, (above, below) = plt.subplots(2, sharex=True, figsize=(9, 5))
above.plot(minutes["open_time"], minutes["close"].astype(float), linewidth=0.8)
above.set_ylabel("close")
below.bar(hours.index, hours["volume"].astype(float), width=0.03, align="edge")
below.set_ylabel("volume per hour")
figure.autofmt_xdate()
picture = Path(sys.argv[1]) if len(sys.argv) > 1 else run.directory / "walk.png"
figure.savefig(picture)
print("picture:", picture.name, picture.stat().st_size > 0)
