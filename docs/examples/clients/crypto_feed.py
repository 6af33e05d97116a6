"""cryptofeed: trades and closed candles as its callbacks get them; it takes wss:// alone."""

import asyncio
import json
import sys
import time

from cryptofeed import FeedHandler
from cryptofeed.defines import CANDLES, TRADES
from cryptofeed.exchanges import BinanceFutures

rest, stream, out = sys.argv[1:4]
BinanceFutures.rest_endpoints[0].address = rest
BinanceFutures.websocket_endpoints[0].address = stream
last = [time.monotonic()]
symbol = "ALFA-USDT-PERP"


async def main(trades, candles):
    async def trade(one, received):
        last[0] = time.monotonic()
        row = {"id": int(one.id), "price": str(one.price), "quantity": str(one.amount)}
        # Its time is a float of seconds.
        row |= {"time": round(one.timestamp * 1000), "maker": one.side == "sell"}
        trades.write(json.dumps(row) + "\n")

    async def candle(one, received):
        last[0] = time.monotonic()
        row = (round(one.start * 1000), one.open, one.high, one.low, one.close, one.volume)
        candles.write(",".join(map(str, (*row, one.trades))) + "\n")

    candles.write("open_time,open,high,low,close,volume,count\n")
    handler = FeedHandler(config={"uvloop": False, "log": {"disabled": True}})
    callbacks = {TRADES: trade, CANDLES: candle}
    # In one feed both are streams of one connection.
    handler.add_feed(
        BinanceFutures(symbols=[symbol], channels=[TRADES, CANDLES], callbacks=callbacks)
    )
    handler.run(start_loop=False, install_signal_handlers=False)
    while time.monotonic() - last[0] < 4:
        await asyncio.sleep(0.2)
    for task in handler.feeds:
        await task.shutdown()
    print(json.dumps({"symbols": len(BinanceFutures.symbol_mapping())}), flush=True)


with open(f"{out}.trades", "w") as first, open(f"{out}.klines", "w") as second:
    asyncio.run(main(first, second))
