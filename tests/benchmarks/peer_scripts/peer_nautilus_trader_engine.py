"""nautilus_trader, its BacktestEngine: trades through venue, message bus and clock, 1m rolled up.

The way a strategy gets its bars. They have no quote volume, no count and no taker volume.
"""

import sys
from typing import Any

import pandas as pd
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.common.actor import Actor
from nautilus_trader.config import DataEngineConfig, LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BarType, TradeTick
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.objects import Money
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
ticks = TradeTick.from_raw_arrays_to_list(
    *(instrument.id, 1, 3, trades.price.to_numpy(), trades.quantity.to_numpy()),
    (trades.is_buyer_maker.to_numpy() + 1).astype("uint8"),
    trades.agg_trade_id.astype(str).tolist(),
    *(times, times),
)
# The clock moves with the data: a trade of the next day lets it pass midnight.
after_ns = (int(times[0]) // DAY_NS + 1) * DAY_NS + 1_000_000
after = TradeTick.to_dict(ticks[-1]) | {"ts_event": after_ns, "ts_init": after_ns}
ticks.append(TradeTick.from_dict(after))


class Collector(Actor):  # type: ignore[misc]
    """Subscribes to twelve intervals and keeps their bars."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[float, ...]] = []
        self._spans: dict[Any, int] = {}

    def on_start(self) -> None:
        self._subscribe(1, "1-MINUTE-LAST-INTERNAL")
        for minutes, name in LONGER.items():
            self._subscribe(minutes, f"{name}-LAST-INTERNAL@1-MINUTE-INTERNAL")

    def _subscribe(self, minutes: int, name: str) -> None:
        kind = BarType.from_str(f"{instrument.id}-{name}")
        self._spans[kind.standard()] = minutes * 60_000
        self.subscribe_bars(kind)

    def on_bar(self, bar: Any) -> None:
        span = self._spans[bar.bar_type.standard()]
        # A bar made of bars is built 15 microseconds late, and says so.
        opened = bar.ts_event // 1_000_000 // span * span
        prices = map(float, (bar.open, bar.high, bar.low, bar.close, bar.volume))
        self.rows.append((span, opened, *prices))


engine = BacktestEngine(
    BacktestEngineConfig(
        logging=LoggingConfig(bypass_logging=True),
        data_engine=DataEngineConfig(time_bars_interval_type="right-open"),
        run_analysis=False,
    )
)
engine.add_venue(
    venue=instrument.venue,
    oms_type=OmsType.NETTING,
    account_type=AccountType.MARGIN,
    starting_balances=[Money(1_000_000, USDT)],
)
engine.add_instrument(instrument)
engine.add_data(ticks, sort=False)
collector = Collector()
engine.add_actor(collector)
engine.run()

pd.DataFrame(collector.rows, columns=list(COLUMNS)).to_parquet(out)
engine.dispose()
