"""python-binance: aggregate trades and klines as its socket manager's `recv` returns them."""

import asyncio
import json
import sys

from binance import AsyncClient, BinanceSocketManager

rest, stream, out, queue, market = [*sys.argv[1:], "um"][:5]


async def listen(socket, take, file):
    async with socket as messages:
        while True:
            try:
                message = await asyncio.wait_for(messages.recv(), 4)
            except TimeoutError:
                return
            except Exception as error:
                file.write(json.dumps({"error": type(error).__name__, "said": str(error)}) + "\n")
                return
            if message.get("e") == "error":
                file.write(
                    json.dumps({"error": message.get("type"), "said": str(message.get("m"))}) + "\n"
                )
                return
            take(message.get("data", message), file)


def trade(data, file):
    row = {"id": data["a"], "price": data["p"], "quantity": data["q"], "time": data["T"]}
    file.write(json.dumps({**row, "maker": data["m"]}) + "\n")


def kline(data, file):
    file.write(json.dumps(data) + "\n")


async def main():
    AsyncClient.API_URL, AsyncClient.FUTURES_URL = f"{rest}/api", f"{rest}/fapi"
    BinanceSocketManager.STREAM_URL = BinanceSocketManager.FSTREAM_URL = f"{stream}/"
    client = await AsyncClient.create()
    history = client.get_klines if market == "spot" else client.futures_klines
    history = await history(symbol="ALFAUSDT", interval="1m", limit=100)
    manager = BinanceSocketManager(
        client, **({"max_queue_size": int(queue)} if queue != "default" else {})
    )
    if market == "spot":
        sockets = manager.kline_socket("ALFAUSDT"), manager.aggtrade_socket("ALFAUSDT")
    else:
        sockets = (
            manager.kline_futures_socket("ALFAUSDT"),
            manager.aggtrade_futures_socket("ALFAUSDT"),
        )
    with open(f"{out}.trades", "w") as trades, open(f"{out}.klines", "w") as klines:
        await asyncio.gather(
            listen(sockets[0], kline, klines),
            listen(sockets[1], trade, trades),
        )
    await client.close_connection()
    print(json.dumps({"history": len(history)}))


asyncio.run(main())
