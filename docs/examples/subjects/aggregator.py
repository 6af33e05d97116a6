"""A kline aggregator that speaks kline-subject/1; --bug: a trade at a kline's end joins it."""

import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal, getcontext

getcontext().prec = 200
BUG, NS = "--bug" in sys.argv, 10**9
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
intervals, klines, seen = [], {}, set()  # an open kline: open time, close time, price, trades


def say(**message):
    sys.stdout.write(json.dumps(message, default=lambda number: f"{number:f}") + "\n")


def span(interval, time):
    if interval == "1M":
        day = datetime.fromtimestamp(time // NS, UTC).replace(day=1, hour=0, minute=0, second=0)
        ends = day, (day + timedelta(days=32)).replace(day=1)
        return tuple(int(end.timestamp()) * NS for end in ends)
    size = int(interval[:-1]) * SECONDS[interval[-1]] * NS
    start = time - (time - (4 * 86_400 * NS if interval == "1w" else 0)) % size
    return start, start + size


def final(key):
    start, end, price, trades = klines[key]
    rows = sorted(trades) or [(0, price, *[Decimal(0)] * 2, -1, -1, None)]
    buys = [row for row in trades if not row[6]]
    names = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")
    prices = [row[1] for row in rows]
    sums = [sum((row[at] for row in part), Decimal(0)) for part in (rows, buys) for at in (2, 3)]
    values = (prices[0], max(prices), min(prices), prices[-1], *sums)
    fields = dict(zip((*names, "taker_buy_quote_volume"), values, strict=True))
    fields |= {"count": sum(row[5] - row[4] + 1 for row in trades)}
    fields |= {"first_id": rows[0][4], "last_id": rows[-1][5]}
    say(type="final", symbol=key[0], interval=key[1], open_time_ns=start, **fields)
    klines[key] = *span(key[1], end), prices[-1], []


def on_trade(symbol, time, trade):
    for interval in intervals:
        key, (start, end) = (symbol, interval), span(interval, time - BUG)
        klines.setdefault(key, (start, end, trade[1], []))
        while klines[key][1] <= start:
            final(key)
        if start == klines[key][0]:  # else it is late
            klines[key][3].append(trade)


for line in sys.stdin:
    message = json.loads(line)
    match message["type"]:
        case "hello":
            intervals = message["intervals"]
            say(type="ready", protocol=1, name="python example", wants=["trades", "ticks"])
        case "trades":
            numbers = [map(Decimal, message[name]) for name in ("price", "quantity", "quote")]
            plain = [message[name] for name in ("first_id", "last_id", "buyer_is_maker", "kind")]
            for id, time, *rest, kind in zip(
                message["id"], message["event_time_ns"], *numbers, *plain, strict=True
            ):
                if kind == "MARKET" and (message["symbol"], id) not in seen:
                    seen.add((message["symbol"], id))
                    on_trade(message["symbol"], time, (id, *rest))
        case "tick":
            for key in klines:
                while klines[key][1] <= message["time_ns"]:
                    final(key)
        case "sync":
            say(type="synced", n=message["n"])
        case "end":
            for key in [key for key, kline in klines.items() if kline[3]]:
                final(key)
            say(type="done")
        case other:
            sys.exit(f"unknown message {other}")
    sys.stdout.flush()
