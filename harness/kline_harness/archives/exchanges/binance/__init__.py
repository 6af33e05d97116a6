"""Binance: trades and klines, as archives, recordings and saved replies.

Sources:
* The public data repository, README: columns of aggTrades, trades and klines.
* REST documents "Compressed/Aggregate Trades List" (objects with a p q f l T m M), "Old Trade
  Lookup" (id price qty quoteQty time isBuyerMaker) and "Kline/Candlestick Data" (lists of twelve);
  the last kline is still forming when the reply is sent.
* Ids: spot trades and aggregates have every id (block trades have their own). Futures, "Recent
  Trades List" and "Aggregate Trade Streams": "only market trades", while insurance fund trades and
  auto-deleveraging (ADL) use up ids; recordings of the raw stream hold these too, by name.
* Its kline files and recordings: open is the first trade's price, equal to the previous close in
  about half of busy minutes only; a quiet interval is a flat row in each of 498,103 quiet minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kline_harness.archives.exchange import Exchange, KlineForm
from kline_harness.archives.made_text import line_of, lines_of_objects
from kline_harness.id_rule import IdRule
from kline_harness.kline_rule import Basis, KlineRule, OpenRule, QuietRule

BINANCE = "binance"
AGGREGATE_COLUMNS = ("id", "price", "quantity", "first_id", "last_id", "time", "maker")
_TRADE_COLUMNS = ("id", "price", "quantity", "quote", "time", "maker")
# The archive's own order of the columns, where there is no header; spot's have one more.
TRADE_LAYOUTS = {
    "aggTrades": (AGGREGATE_COLUMNS, (*AGGREGATE_COLUMNS, "best")),
    "trades": (_TRADE_COLUMNS, (*_TRADE_COLUMNS, "best")),
}
KLINE_COLUMNS = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("count", "taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
# What the one-letter names of aggregate trades in replies stand for, in the words of the files.
_AGGREGATE_NAMES = {
    "a": "agg_trade_id",
    "p": "price",
    "q": "quantity",
    "f": "first_trade_id",
    "l": "last_trade_id",
    "T": "transact_time",
    "m": "is_buyer_maker",
    "M": "is_best_match",
}


def _lines(path: str, values: Sequence[Any]) -> list[str] | None:
    """Return the rows of replies with aggregate trades; all others say what their fields are."""
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    if not items or not isinstance(items[0], dict) or not {"a", "p", "q"} <= set(items[0]):
        return None
    names, *rows = lines_of_objects(path, items)
    return [line_of(path, [_AGGREGATE_NAMES.get(n, n) for n in names.split(",")]), *rows]


# The archive's names, the documents', and those that libraries for its replies give.
_TRADE_NAMES = {
    "agg_id": "aggtradeid aggregatetradeid aggid aggregateid",
    "id": "id tradeid",
    "price": "price",
    "quantity": "quantity qty amount size",
    "quote": "quoteqty quotequantity quoteamount",
    "base": "baseqty basequantity",
    "first_id": "firsttradeid firstid",
    "last_id": "lasttradeid lastid",
    "time": "time timestamp transacttime tradetime",
    "maker": "isbuyermaker buyermaker buyerismaker isbuyerthemaker",
    "best": "isbestmatch bestmatch isbestpricematch wasthebestpricematch",
}
_KLINE_NAMES = {
    "open_time": "opentime",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "close_time": "closetime",
    "quote_volume": "quotevolume quoteassetvolume",
    "count": "count trades numberoftrades numtrades",
    "taker_buy_volume": "takerbuyvolume takerbuybaseassetvolume takerbuybasevolume",
    "taker_buy_quote_volume": "takerbuyquotevolume takerbuyquoteassetvolume",
    "ignore": "ignore ignored unused",
}


EXCHANGE = Exchange(
    BINANCE,
    KlineRule(
        OpenRule.FIRST_TRADE,
        QuietRule.FLAT,
        Basis.PROVED,
        Basis.PROVED,
        "kline files and recordings",
    ),
    IdRule.FUND_TRADES,
    spot_ids=IdRule.EVERY_ID,
    recorded_ids=IdRule.RECORDED,
    kline_forms=(
        KlineForm(KLINE_COLUMNS),
        KlineForm(KLINE_COLUMNS[:11]),
        KlineForm(marks=("taker_buy_volume",)),
    ),
    reply=_lines,
    trade_names=_TRADE_NAMES,
    kline_names=_KLINE_NAMES,
)
