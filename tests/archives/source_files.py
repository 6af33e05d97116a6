"""The same few trades in the formats of other exchanges and data sellers, by plain text."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from tests.archives.files import Row

SECOND = 1_000_000_000
START_NS = 1_715_731_200 * SECOND
"""2024-05-15 00:00 UTC."""


@dataclass(frozen=True)
class Trade:
    """One trade as an exchange knows it."""

    id: int
    price: str
    quantity: str
    time_ns: int
    taker_sells: bool


def trades(digits: int, rows: int = 40) -> list[Trade]:
    """Trades with times of so many decimals of a second, several of them at one time."""
    unit = 10 ** (9 - digits)
    return [
        Trade(
            id=7_000_001 + n,
            price=f"{63000 + n % 5}.{n % 10}0",
            quantity=f"0.{n % 7}0{1 + n % 9}",
            time_ns=START_NS + (n // 3) * 20 * SECOND + (n // 3 * 1_234_567 % 10**9) // unit * unit,
            taker_sells=n % 3 == 1,
        )
        for n in range(rows)
    ]


def seconds(time_ns: int, digits: int) -> str:
    """Decimal seconds with so many decimals."""
    return f"{Decimal(time_ns).scaleb(-9):.{digits}f}"


def iso(time_ns: int) -> str:
    """ISO 8601 in UTC, to the microsecond."""
    moment = datetime.fromtimestamp(time_ns // SECOND, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % SECOND // 1000:06}Z"


@dataclass(frozen=True)
class Source:
    """A file, and the trades in it: what a reader must return of them.

    `ids` and `sides` tell whether the file states them; the receive time is `late` after.
    """

    name: str
    source: str
    trades: Sequence[Trade]
    content: bytes
    unit: str
    symbol: str = "BTCUSDT"
    ids: bool = True
    sides: bool = True
    late: int | None = None

    def rows(self) -> list[Row]:
        """The rows of the tape, as plain decimals."""
        rows = []
        for number, trade in enumerate(self.trades, 1):
            trade_id = trade.id if self.ids else number
            price, quantity = Decimal(trade.price), Decimal(trade.quantity)
            rows.append(
                Row(
                    trade_id,
                    price,
                    quantity,
                    price * quantity,
                    trade_id,
                    trade_id,
                    trade.time_ns,
                    trade.taker_sells and self.sides,
                    symbol=self.symbol,
                )
            )
        return rows


def csv(header: str, rows: Sequence[Trade], line: Callable[[Trade], str]) -> bytes:
    """A header, if any, and a line for each trade."""
    return ("\n".join([*([header] if header else []), *map(line, rows)]) + "\n").encode()


def side(trade: Trade, *, maker: bool = False) -> str:
    """The taker's side, or the maker's."""
    return "sell" if trade.taker_sells != maker else "buy"


def bybit() -> list[Source]:
    """Derivatives (no numbers, only UUIDs) and spot."""
    few, ms = trades(4), trades(3)
    linear = csv(
        "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
        "foreignNotional",
        few,
        lambda t: (
            f"{seconds(t.time_ns, 4)},BTCUSDT,{side(t).title()},{t.quantity},{t.price},"
            f"ZeroPlusTick,d9cd8295-40dc-5dce-8deb-4288258{t.id % 100000:05},6e+09,1,1.5"
        ),
    )
    spot = csv(
        "id,timestamp,price,volume,side",
        ms,
        lambda t: f"{t.id},{t.time_ns // 10**6},{t.price},{t.quantity},{side(t)}",
    )
    return [
        Source("BTCUSDT2024-05-15.csv", "bybit", few, linear, "s", ids=False),
        Source("BTCUSDT_2024-05-15.csv", "bybit", ms, spot, "ms"),
    ]


def okx() -> list[Source]:
    """Before and after the instrument's name was added; the older header is in two languages."""
    ms = trades(3)
    header = "trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/成交时间"
    body = csv("", ms, lambda t: f"{t.id},{side(t)},{t.quantity},{t.price},{t.time_ns // 10**6}")
    old = header.encode("gbk") + b"\n" + body
    new = csv(
        "instrument_name,trade_id,side,price,size,created_time",
        ms,
        lambda t: f"BTC-USDT,{t.id},{side(t)},{t.price},{t.quantity},{t.time_ns // 10**6}",
    )
    return [
        Source("BTC-USDT-trades-2024-05-14.csv", "okx", ms, old, "ms", "BTC-USDT"),
        Source("BTC-USDT-trades-2024-05-15.csv", "okx", ms, new, "ms", "BTC-USDT"),
    ]


def coinbase_and_bitstamp() -> list[Source]:
    """Coinbase states the maker's side, Bitstamp 0 for buy and 1 for sell."""
    us, whole = trades(6), trades(0)
    coinbase = csv(
        "time,trade_id,price,size,side",
        us,
        lambda t: f"{iso(t.time_ns)},{t.id},{t.price},{t.quantity},{side(t, maker=True)}",
    )
    bitstamp = csv(
        "date,tid,price,amount,type",
        whole,
        lambda t: f"{t.time_ns // SECOND},{t.id},{t.price},{t.quantity},{int(t.taker_sells)}",
    )
    return [
        Source("BTC-USD-trades.csv", "coinbase", us, coinbase, "s", "BTC-USD"),
        Source("BTCUSD_trades.csv", "bitstamp", whole, bitstamp, "s", "BTCUSD"),
    ]


def tardis() -> list[Source]:
    """With receive times, in microseconds."""
    us = trades(6)
    late = 12_345_000
    content = csv(
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
        us,
        lambda t: (
            f"binance-futures,BTCUSDT,{t.time_ns // 1000},{(t.time_ns + late) // 1000},{t.id},"
            f"{side(t)},{t.price},{t.quantity}"
        ),
    )
    packed = gzip.compress(content, 9, mtime=0)
    name = "binance-futures_trades_2024-05-15_BTCUSDT.csv.gz"
    return [Source(name, "tardis", us, packed, "us", late=late)]


def kraken() -> list[Source]:
    """Bulk CSV without ids and sides; REST replies without and with ids."""
    whole, fine = trades(0), trades(7)
    bulk = csv("", whole, lambda t: f"{t.time_ns // SECOND},{t.price},{t.quantity}")
    decimal = csv("", fine, lambda t: f"{seconds(t.time_ns, 7)},{t.price},{t.quantity}")
    sources = [
        Source("XBTUSD.csv", "kraken", whole, bulk, "s", "XBTUSD", ids=False, sides=False),
        Source("ETHUSD.csv", "kraken", fine, decimal, "s", "ETHUSD", ids=False, sides=False),
    ]
    for ids in (False, True):
        rows = ",".join(
            f'["{t.price}","{t.quantity}",{seconds(t.time_ns, 7)},"{side(t)[0]}","m",""'
            + (f",{t.id}]" if ids else "]")
            for t in fine
        )
        text = f'{{"error":[],"result":{{"XXBTZUSD":[{rows}],"last":"{fine[-1].time_ns}"}}}}'
        json.loads(text)
        name = f"kraken-trades-{'with' if ids else 'without'}-ids.json"
        sources.append(Source(name, "kraken", fine, text.encode(), "s", "XXBTZUSD", ids=ids))
    return sources


def sources() -> list[Source]:
    """All of them."""
    return [*bybit(), *okx(), *coinbase_and_bitstamp(), *tardis(), *kraken()]


# --- klines ------------------------------------------------------------------------------------

KLINES = [
    (START_NS // SECOND + 60 * n, f"10{n}.5", f"11{n}.0", f"9{n}.25", f"10{n}.0", f"{n}.125", 3 + n)
    for n in (0, 1, 2, 5)
]
"""Open time in s, open, high, low, close, volume, count; quiet minutes are left out."""


def kline_files() -> dict[str, bytes]:
    """Kraken's OHLCVT file and REST reply, and a table as pandas writes it, index and all."""
    bulk = "".join(",".join(map(str, row)) + "\n" for row in KLINES)
    rest = ",".join(json.dumps([row[0], *row[1:5], "100.7", row[5], row[6]]) for row in KLINES)
    names = "open_time,open,high,low,close,volume,trades"
    indexed = "".join(
        f"{n},{row[0] * 1000},{','.join(map(str, row[1:]))}\n" for n, row in enumerate(KLINES)
    )
    moments = [datetime.fromtimestamp(row[0], tz=UTC) for row in KLINES]
    dated = "".join(
        f"{moment:%Y-%m-%d %H:%M:%S},{','.join(map(str, row[1:]))}\n"
        for moment, row in zip(moments, KLINES, strict=True)
    )
    return {
        "XBTUSD_1.csv": bulk.encode(),
        "kraken-ohlc.json": f'{{"error":[],"result":{{"XBTUSD":[{rest}],"last":1}}}}'.encode(),
        "XBTUSD-1m.csv": f",{names}\n{indexed}".encode(),
        "XBTUSD-1m-dated.csv": f",{names.partition(',')[2]}\n{dated}".encode(),
    }
