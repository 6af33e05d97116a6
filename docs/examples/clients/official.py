"""The official USD-M SDK: aggregate trades and klines as its callbacks get them."""

import asyncio
import json
import sys
import time

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)

rest, stream, out = sys.argv[1:4]
last = [time.monotonic()]


async def main():
    client = DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(api_key="", api_secret="", base_path=rest),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=stream),
    )
    history = client.rest_api.kline_candlestick_data("ALFAUSDT", "1m", limit=100).data()
    connection = await client.websocket_streams.create_connection()
    with open(f"{out}.trades", "w") as trades, open(f"{out}.klines", "w") as klines:

        def trade(data):
            last[0] = time.monotonic()
            row = {"id": data.a, "price": data.p, "quantity": data.q, "time": data.T}
            trades.write(json.dumps({**row, "maker": data.m}) + "\n")

        def kline(data):
            last[0] = time.monotonic()
            klines.write(data.model_dump_json(by_alias=True) + "\n")

        bars = await connection.kline_candlestick_streams("alfausdt", "1m")
        bars.on("message", kline)
        taken = await connection.aggregate_trade_streams("alfausdt")
        taken.on("message", trade)
        while time.monotonic() - last[0] < 4:
            await asyncio.sleep(0.2)
    print(json.dumps({"history": len(history)}), flush=True)
    await asyncio.wait_for(connection.close_connection(close_session=True), 5)


asyncio.run(main())
