"""nautilus_trader, its aggregators alone: 1m from trades, eleven intervals from the 1m bars.

As it aggregates trades of the past on request: no clock, no message bus, no venue. Its bars have no
quote volume, no count and no taker volume.
"""

import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd
from nautilus_trader.common.component import TestClock
from nautilus_trader.data.aggregation import TimeBarAggregator
from nautilus_trader.model.data import BarType, TradeTick
from nautilus_trader.test_kit.providers import TestInstrumentProvider

DAY_NS = 86_400_000_000_000
# What 1m bars are rolled up to, in minutes.
LONGER = {
    **{minutes: f"{minutes}-MINUTE" for minutes in (3, 5, 15, 30)},
    **{hours * 60: f"{hours}-HOUR" for hours in (1, 2, 4, 6, 8, 12)},
    1440: "1-DAY",
}
COLUMNS = ("interval_ms", "open_time_ms", "open", "high", "low", "close", "volume")

path, out = sys.argv[1:3]
instrument = TestInstrumentProvider.btcusdt_perp_binance()  # prices in 0.1, quantities in 0.001
trades = pd.read_csv(path)
times = (trades.transact_time.to_numpy() * 1_000_000).astype("uint64")
day_ns = int(times[0]) // DAY_NS * DAY_NS
ticks = TradeTick.from_raw_arrays_to_list(
    *(instrument.id, 1, 3, trades.price.to_numpy(), trades.quantity.to_numpy()),
    (trades.is_buyer_maker.to_numpy() + 1).astype("uint8"),
    trades.agg_trade_id.astype(str).tolist(),
    *(times, times),
)
# A bar is closed by what comes after it: the first trade of the next day.
after_ns = day_ns + DAY_NS + 1_000_000
after = TradeTick.to_dict(ticks[-1]) | {"ts_event": after_ns, "ts_init": after_ns}
ticks.append(TradeTick.from_dict(after))

clock = TestClock()
clock.set_time(day_ns)
rows: list[tuple[float, ...]] = []


def aggregated(minutes: int, name: str, source: Sequence[Any], handle: str) -> list[Any]:
    """Return the bars of an interval, and add them to the rows; they state when they open."""
    bars: list[Any] = []
    kind = BarType.from_str(f"{instrument.id}-{name}")
    aggregator = TimeBarAggregator(instrument, kind, bars.append, clock, "right-open")
    aggregator.start_batch_update(bars.append, day_ns + 1)
    take = getattr(aggregator, handle)
    for one in source:
        take(one)
    for bar in bars:
        prices = map(float, (bar.open, bar.high, bar.low, bar.close, bar.volume))
        rows.append((minutes * 60_000, bar.ts_event // 1_000_000, *prices))
    return bars


shortest = aggregated(1, "1-MINUTE-LAST-INTERNAL", ticks, "handle_trade_tick")
for minutes, name in LONGER.items():
    composite = f"{name}-LAST-INTERNAL@1-MINUTE-INTERNAL"
    aggregated(minutes, composite, shortest, "handle_bar")
pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(out)
