"""A fast subject that takes Arrow: 1m klines of raw trades that come in order."""

import json
import sys
from typing import Any

import numpy as np
import pyarrow as pa

MINUTE = 60 * 10**9
NAMES = (
    *("open", "high", "low", "close", "volume", "quote_volume"),
    *("taker_buy_volume", "taker_buy_quote_volume"),
)
READ, SAY = sys.stdin.buffer, sys.stdout
klines: dict[str, dict[str, Any]] = {}


def words(column: Any) -> tuple[Any, int]:
    """The low words of 128-bit decimals, which hold them, and their scale."""
    data = np.frombuffer(column.buffers()[1], np.int64).reshape(-1, 2)
    return data[column.offset : column.offset + len(column), 0], column.type.scale


def plain(value: int, scale: int) -> str:
    text = str(value).rjust(scale + 1, "0")
    return f"{text[:-scale]}.{text[-scale:]}" if scale else text


def final(symbol: str) -> None:
    kline = klines[symbol]
    price, quantity = kline["scales"]
    scales = [price] * 4 + [quantity, price + quantity] * 2
    names = NAMES
    fields = {n: plain(kline[n], s) for n, s in zip(names, scales, strict=True)}
    message = {"type": "final", "symbol": symbol, "interval": "1m", "count": kline["count"]}
    SAY.write(json.dumps(message | {"open_time_ns": kline["at"]} | fields) + "\n")
    flat = dict.fromkeys(names[:4], kline["close"]) | dict.fromkeys(names[4:], 0)
    klines[symbol] = flat | {"at": kline["at"] + MINUTE, "count": 0, "scales": kline["scales"]}


def on_trades(symbol: str, batch: Any) -> None:
    (prices, p), (quantities, q) = words(batch.column(0)), words(batch.column(1))
    opened = batch.column(2)[0].as_py() // MINUTE * MINUTE
    fields = NAMES
    fresh = dict.fromkeys(fields, 0) | {"at": opened, "count": 0, "scales": (p, q)}
    kline = klines.setdefault(symbol, fresh)
    while kline["at"] < opened:
        final(symbol)
        kline = klines[symbol]
    high, low = int(prices.max()), int(prices.min())
    if not kline["count"]:
        kline |= {"open": int(prices[0]), "high": high, "low": low}
    kline |= {"high": max(high, kline["high"]), "low": min(low, kline["low"])}
    quotes = prices * quantities
    buys = ~np.asarray(batch.column(3))
    kline |= {"close": int(prices[-1]), "count": kline["count"] + len(prices)}
    kline["volume"] += int(quantities.sum())
    kline["quote_volume"] += int(quotes.sum())
    kline["taker_buy_volume"] += int(quantities[buys].sum())
    kline["taker_buy_quote_volume"] += int(quotes[buys].sum())


while line := READ.readline():
    message = json.loads(line)
    if message["type"] == "hello":
        columns = ["price", "quantity", "event_time_ns", "buyer_is_maker"]
        ready = {"type": "ready", "protocol": 1, "name": "arrow", "arrow": True}
        SAY.write(json.dumps(ready | {"wants": ["trades", "ticks"], "columns": columns}) + "\n")
    elif message["type"] == "trades":
        body = READ.read(message["arrow"])
        on_trades(message["symbol"], pa.ipc.open_stream(body).read_next_batch())
        continue
    elif message["type"] == "tick":
        for symbol, kline in klines.items():
            while kline["at"] + MINUTE <= message["time_ns"]:
                final(symbol)
                kline = klines[symbol]
        continue
    elif message["type"] == "sync":
        SAY.write(f'{{"type":"synced","n":{message["n"]}}}\n')
    elif message["type"] == "end":
        for symbol in [one for one, kline in klines.items() if kline["count"]]:
            final(symbol)
        SAY.write('{"type":"done"}\n')
    SAY.flush()
