"""nautilus_trader's live Binance adapter: trades, the exchange's bars, and bars of its own."""

import asyncio
import json
import sys
from contextlib import ExitStack

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceAccountType,
    BinanceDataClientConfig,
    BinanceLiveDataClientFactory,
)
from nautilus_trader.common.actor import Actor
from nautilus_trader.config import LiveDataEngineConfig, LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import InstrumentId, TraderId

rest, stream, out, idle = sys.argv[1:5]
symbol = InstrumentId.from_str("ALFAUSDT-PERP.BINANCE")
MINUTE_NS = 60_000_000_000


class Listener(Actor):
    """Writes down what it is given."""

    def __init__(self, files):
        super().__init__()
        self.files = files
        self.seen = 0

    def on_start(self):
        self.subscribe_trade_ticks(symbol)
        for source in ("EXTERNAL", "INTERNAL"):
            self.subscribe_bars(BarType.from_str(f"{symbol}-1-MINUTE-LAST-{source}"))

    def on_trade_tick(self, tick):
        self.seen += 1
        row = {"id": int(tick.trade_id.value), "price": str(tick.price), "quantity": str(tick.size)}
        # It makes nanoseconds of the milliseconds in floats: some are short of them.
        row |= {"time": (tick.ts_event + 500_000) // 1_000_000}
        row |= {"maker": tick.aggressor_side == AggressorSide.SELLER}
        self.files["trades"].write(json.dumps(row) + "\n")

    def on_bar(self, bar):
        # The exchange's bars have the last millisecond as their time, its own the end.
        opened = (bar.ts_event - 1) // MINUTE_NS * 60_000
        row = (opened, bar.open, bar.high, bar.low, bar.close, bar.volume)
        place = "klines" if bar.bar_type.is_externally_aggregated() else "own"
        self.files[place].write(",".join(map(str, row)) + "\n")
        if place == "own":
            # What it knew when its clock closed the bar: the trades above this line.
            self.files["trades"].write(json.dumps({"bar": opened}) + "\n")


async def main(files):
    account = BinanceAccountType.USDT_FUTURES
    client = BinanceDataClientConfig(
        api_key="none",
        api_secret="none",
        account_type=account,
        base_url_http=rest,
        base_url_ws=stream,
        use_agg_trade_ticks=True,
    )
    config = TradingNodeConfig(
        trader_id=TraderId("HARNESS-001"),
        logging=LoggingConfig(log_level="ERROR"),
        data_engine=LiveDataEngineConfig(time_bars_skip_first_non_full_bar=True),
        data_clients={BINANCE: client},
        timeout_disconnection=2.0,
        timeout_post_stop=1.0,
    )
    node = TradingNode(config=config)
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.build()
    # Its own `load_all` also asks for an account, which needs keys: exchangeInfo does not.
    (adapter,) = node.kernel.data_engine._clients.values()
    provider = adapter._instrument_provider
    info = await provider._http_market.query_futures_exchange_info()
    for one in info.symbols:
        provider._parse_instrument(symbol_info=one, ts_event=info.serverTime * 1_000_000)
    listener = Listener(files)
    node.trader.add_actor(listener)
    task = asyncio.ensure_future(node.run_async())
    seen = -1
    while listener.seen != seen:
        seen = listener.seen
        await asyncio.sleep(float(idle))
    await node.stop_async()
    task.cancel()
    print(json.dumps({"symbols": len(info.symbols)}), flush=True)


with ExitStack() as stack:
    files = {}
    for place in ("trades", "klines", "own"):
        # Line by line: the server that started this may end it.
        files[place] = stack.enter_context(open(f"{out}.{place}", "w", buffering=1))
        if place != "trades":
            files[place].write("open_time,open,high,low,close,volume\n")
    asyncio.new_event_loop().run_until_complete(main(files))
