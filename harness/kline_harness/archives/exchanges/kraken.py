"""Kraken: trades and klines, as downloads and as saved replies.

Sources:
* Support articles "Downloadable historical market data" and "Downloadable historical OHLCVT data":
  columns without a header; files are named by pair and minutes, XBTUSD_1440.csv. Open is the first
  traded price, and only intervals with trades have a row.
* REST documents "Get Recent Trades" and "Get OHLC Data": ``{"error":[],"result":{PAIR:[[...]],
  "last":...}}``. Trades are [price, volume, time, b or s (the taker), m or l, misc, trade id];
  replies before 2023 lack the id. OHLC rows are [time, open, high, low, close, vwap, volume,
  count]; the last one is still forming when the reply is sent. That vwap is floored is reported,
  not documented.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kline_harness.archives.exchange import Exchange, KlineForm, dialect
from kline_harness.archives.made_text import line_of
from kline_harness.errors import InputError
from kline_harness.kline_rule import Basis, KlineRule, OpenRule, QuietRule

_TRADE_FIELDS = (6, 7)
_KLINE_FIELDS = 8
_TRADES = "symbol,kraken_time,price,volume,side"
_TRADES_COLUMNS = "symbol time price quantity side"
_KLINES = "time,open,high,low,close,vwap,volume,count,symbol"


def _lines(path: str, values: Sequence[Any]) -> list[str] | None:
    """Return the rows of replies, the names of their columns first."""
    if not any(isinstance(value, dict) and {"result", "error"} & set(value) for value in values):
        return None
    return [line for n, value in enumerate(values) for line in _of_reply(path, value)[n > 0 :]]


def _of_reply(path: str, reply: Any) -> list[str]:
    pair, rows = _rows(path, reply)
    if all(len(row) == _KLINE_FIELDS for row in rows):
        return [_KLINES, *(line_of(path, [*row, pair]) for row in rows)]
    if len({len(row) for row in rows}) == 1 and len(rows[0]) in _TRADE_FIELDS:
        header = _TRADES + ",trade_id" * (len(rows[0]) == max(_TRADE_FIELDS))
        fields = ([pair, row[2], row[0], row[1], row[3], *row[6:]] for row in rows)
        return [header, *(line_of(path, values) for values in fields)]
    raise InputError(path, "rows of Kraken's Trades or OHLC", "others")


def _rows(path: str, reply: Any) -> tuple[str, list[list[Any]]]:
    if isinstance(reply, dict) and reply.get("error"):
        raise InputError(path, "a reply with a result", f"the error {reply['error']}")
    result = reply.get("result", reply) if isinstance(reply, dict) else {}
    items = result.items() if isinstance(result, dict) else ()
    pairs = {name: rows for name, rows in items if isinstance(rows, list)}
    if len(pairs) != 1:
        found = ", ".join(pairs) or "none"
        raise InputError(path, "a reply of Kraken with the rows of one pair", found)
    ((pair, rows),) = pairs.items()
    if not rows or not all(isinstance(row, list) for row in rows):
        raise InputError(path, "a reply of Kraken with rows", "none")
    return pair, rows


EXCHANGE = Exchange(
    "kraken",
    KlineRule(
        OpenRule.FIRST_TRADE,
        QuietRule.ABSENT,
        Basis.DOCUMENTED,
        Basis.DOCUMENTED,
        "support article Downloadable historical OHLCVT data",
        vwap_floored=True,
    ),
    trades=(
        dialect("time price quantity", time="seconds", side=""),
        dialect(_TRADES_COLUMNS, _TRADES, time="seconds", side="taker", sides=("b", "s")),
        dialect(
            f"{_TRADES_COLUMNS} id",
            f"{_TRADES},trade_id",
            time="seconds",
            side="taker",
            sides=("b", "s"),
        ),
    ),
    kline_forms=(
        KlineForm(("open_time", "open", "high", "low", "close", "volume", "count")),
        KlineForm(marks=("time", "vwap", "volume", "count"), documented=("vwap",)),
    ),
    reply=_lines,
    symbol_in_name=re.compile(r"([A-Z0-9]{2,})(?:_\d+)?\."),
    minutes_in_name=re.compile(r"[A-Z0-9]{2,}_(\d+)\."),
)
