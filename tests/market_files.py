"""The invented market in the exchange's own formats: archive rows and a stream recording."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from tests.market import MINUTE, Fill, Market, aggregates
from tests.oracle import OracleKline, OracleTrade

NS = 1_000_000
"""Nanoseconds in the millisecond that the archive counts in."""

CLOCK_BEHIND_NS = 1_300_000_000
"""How far the receiver's clock is behind the exchange's."""

TRADES_HEADER = "id,price,qty,quote_qty,time,is_buyer_maker"
AGGREGATES_HEADER = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
)
KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)


def decimal(scaled: int, decimals: int) -> Decimal:
    """The exact value of ticks or steps."""
    return Decimal(scaled).scaleb(-decimals)


def text(value: Decimal, decimals: int) -> str:
    """With exactly so many decimals."""
    return f"{value:.{decimals}f}"


def stripped(number: str) -> str:
    """Without trailing zeros, as the exchange sometimes writes."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def lines(header: str, rows: Iterable[str]) -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode()


def trade_rows(market: Market, tape: Sequence[Fill], rng: Random) -> Iterable[str]:
    """Prices and quantities in both forms; the quote quantity never has trailing zeros."""
    for fill in tape:
        if fill.kind != "MARKET":
            continue
        price = text(decimal(fill.price, market.price_decimals), market.price_decimals)
        size = text(decimal(fill.quantity, market.quantity_decimals), market.quantity_decimals)
        quote_decimals = market.price_decimals + market.quantity_decimals
        quote = text(decimal(fill.price * fill.quantity, quote_decimals), quote_decimals)
        if rng.randrange(3) == 0:
            price, size = stripped(price), stripped(size)
        side = str(fill.sell).lower()
        yield f"{fill.id},{price},{size},{stripped(quote)},{fill.time},{side}"


def aggregate_rows(market: Market, tape: Sequence[Fill], rng: Random) -> Iterable[str]:
    """An aggregate has the time of its first fill."""
    for aggregate_id, group in enumerate(aggregates(tape), market.first_aggregate_id):
        first, last = group[0], group[-1]
        total = sum(fill.quantity for fill in group)
        price = text(decimal(first.price, market.price_decimals), market.price_decimals)
        size = text(decimal(total, market.quantity_decimals), market.quantity_decimals)
        if rng.randrange(3) == 0:
            price, size = stripped(price), stripped(size)
        side = str(first.sell).lower()
        yield f"{aggregate_id},{price},{size},{first.id},{last.id},{first.time},{side}"


def kline_row(market: Market, kline: OracleKline) -> str:
    """Amounts of a quiet kline are a bare 0, as in the exchange's USD-M files."""

    def amount(value: Decimal, decimals: int) -> str:
        return text(value, decimals) if kline.count else "0"

    quote_decimals = market.price_decimals + market.quantity_decimals
    prices = (kline.open, kline.high, kline.low, kline.close)
    return ",".join(
        [
            str(kline.open_time_ns // NS),
            *(text(price, market.price_decimals) for price in prices),
            amount(kline.volume, market.quantity_decimals),
            str(kline.close_time_ns // NS - 1),
            amount(kline.quote_volume, quote_decimals),
            str(kline.count),
            amount(kline.taker_buy_volume, market.quantity_decimals),
            amount(kline.taker_buy_quote_volume, quote_decimals),
            "0",
        ]
    )


def oracle_trades(market: Market, tape: Sequence[Fill]) -> list[OracleTrade]:
    """The tape as the oracle takes it."""
    return [
        OracleTrade(
            id=fill.id,
            price=decimal(fill.price, market.price_decimals),
            quantity=decimal(fill.quantity, market.quantity_decimals),
            first_id=fill.id,
            last_id=fill.id,
            time_ns=fill.time * NS,
            buyer_is_maker=fill.sell,
            symbol=market.symbol,
            kind=fill.kind,
        )
        for fill in tape
    ]


# --- the recording -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    """A fill as received; the time is the receiver's."""

    received_ns: int
    sent: int
    fill: Fill


def received(tape: Sequence[Fill], rng: Random) -> list[Message]:
    """The whole stream in receive order, which now and then is not id order.

    Near a minute's edge latency is constant, so that no trade is overtaken by the next minute:
    without faults, klines made in receive order are right.
    """
    messages: list[Message] = []
    time, place, delay_ns, lag = -1, 0, 0, 0
    for fill in tape:
        place += 1
        if fill.time != time:
            time, place, lag = fill.time, 0, rng.choice((0, 0, 1, 1, 2))
            delay_ns = 4_000_000 + rng.randrange(6_000_000)
            if rng.randrange(30) == 0:
                delay_ns += rng.randrange(60_000_000)
        extra_ns = rng.randrange(1_000_000, 30_000_000) if rng.randrange(40) == 0 else 0
        if not 200 <= fill.time % MINUTE < MINUTE - 200:
            delay_ns, extra_ns = 5_000_000, 0
        arrival_ns = fill.time * NS - CLOCK_BEHIND_NS + delay_ns + extra_ns + place * 1_531
        messages.append(Message(arrival_ns, fill.time + lag, fill))
    ordered = sorted(messages, key=lambda message: (message.received_ns, message.fill.id))
    for index in range(1, len(ordered)):
        # One wire: no two messages at one instant.
        earliest_ns = ordered[index - 1].received_ns + 1
        if ordered[index].received_ns < earliest_ns:
            ordered[index] = replace(ordered[index], received_ns=earliest_ns)
    return ordered


def stream_line(market: Market, message: Message) -> str:
    """`<receive time ns> <combined stream envelope>`, fields in the exchange's order."""
    fill = message.fill
    data = {
        "e": "trade",
        "E": message.sent,
        "T": fill.time,
        "s": market.symbol,
        "t": fill.id,
        "p": text(decimal(fill.price, market.price_decimals), market.price_decimals),
        "q": text(decimal(fill.quantity, market.quantity_decimals), market.quantity_decimals),
        "X": fill.kind,
        "m": fill.sell,
    }
    envelope = {"stream": f"{market.symbol.lower()}@trade", "data": data}
    return f"{message.received_ns} {json.dumps(envelope, separators=(',', ':'))}"
