"""ccxt.pro: trades as `watch_trades` returns them (every new one, `newUpdates`), and OHLCV."""

import asyncio
import json
import sys

import ccxt.pro

rest, stream, out, channel, market = [*sys.argv[1:], "linear"][:5]


async def watch(call, take, file):
    while True:
        try:
            found = await asyncio.wait_for(call(), 4)
        except TimeoutError:
            return
        except Exception as error:
            if take is trades:
                said = {"error": type(error).__name__, "said": str(error)[:200]}
                file.write(json.dumps(said) + "\n")
            return
        take(found, file)


def trades(found, file):
    for one in found:
        info = one["info"]
        row = {"id": info.get("a", info.get("t")), "price": info["p"], "quantity": info["q"]}
        file.write(json.dumps({**row, "time": info["T"], "maker": info["m"]}) + "\n")


last = {}


def ohlcv(found, file):
    for one in found:
        last[one[0]] = one


async def main():
    kind = ccxt.pro.binance if market == "spot" else ccxt.pro.binanceusdm
    exchange = kind({"newUpdates": True, "enableRateLimit": False})
    exchange.options["watchTrades"] = {"name": channel}
    exchange.options["fetchMarkets"] = {"types": [market]}
    exchange.options["fetchCurrencies"] = False
    for name, url in exchange.urls["api"].items():
        if isinstance(url, str):
            exchange.urls["api"][name] = rest + "/" + url.split("/", 3)[3]
    for name, url in exchange.urls["api"]["ws"].items():
        if isinstance(url, str):
            exchange.urls["api"]["ws"][name] = stream + "/" + url.split("/", 3)[3]
    await exchange.load_markets()
    symbol = next(name for name, one in exchange.markets.items() if one["id"] == "ALFAUSDT")
    history = await exchange.fetch_ohlcv(symbol, "1m", limit=100)
    with open(f"{out}.trades", "w") as first, open(f"{out}.klines", "w") as second:
        await asyncio.gather(
            watch(lambda: exchange.watch_ohlcv(symbol, "1m"), ohlcv, second),
            watch(lambda: exchange.watch_trades(symbol), trades, first),
        )
        # What each kline was in the end; the newest is still forming.
        second.write("open_time,open,high,low,close,volume\n")
        for opened in sorted(last)[:-1]:
            second.write(",".join(map(str, last[opened])) + "\n")
    await exchange.close()
    print(json.dumps({"history": len(history)}))


asyncio.run(main())
