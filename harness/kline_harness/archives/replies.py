"""Saved replies of REST interfaces, as lines of text like a file of the same rows.

Numbers keep their text. Several replies may follow each other, one a line.

Sources:
* Kraken, REST documents "Get Recent Trades" and "Get OHLC Data":
  ``{"error":[],"result":{PAIR:[[...]],"last":...}}``. Trades are [price, volume, time, b or s (the
  taker), m or l, misc, trade id]; replies before 2023 lack the id. OHLC rows are [time, open, high,
  low, close, vwap, volume, count]; the last one is still forming when the reply is sent.
* Binance, REST documents "Compressed/Aggregate Trades List" (objects with a p q f l T m M), "Old
  Trade Lookup" (id price qty quoteQty time isBuyerMaker) and "Kline/Candlestick Data" (lists of
  twelve); the last kline is still forming when the reply is sent.
"""

from __future__ import annotations

import json
import re
from typing import Any

from kline_harness.archives.dialects import KRAKEN_REST
from kline_harness.archives.made_text import MadeText
from kline_harness.errors import InputError

_BOM = b"\xef\xbb\xbf"
_TRADE_FIELDS = (6, 7)
_KLINE_FIELDS = 8
_KLINE_HEADER = "time,open,high,low,close,vwap,volume,count,symbol"
# What the one-letter names of Binance's aggregate trades stand for, in the words of its files.
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
_EVENT = re.compile(rb'"(?:e|stream)"\s*:\s*"')


class Reply(MadeText):
    """One reply or several of Kraken or Binance, as CSV lines with a header (klines of Binance:
    without)."""

    def made(self, content: bytes) -> bytes:
        """Return the rows as text.

        Raises InputError for anything but replies with rows.
        """
        values = self._values(content.removeprefix(_BOM))
        if any(isinstance(value, dict) and {"result", "error"} & set(value) for value in values):
            self.source = "kraken"
            lines = [
                line for n, value in enumerate(values) for line in self._kraken(value)[n > 0 :]
            ]
        else:
            items = [i for v in values for i in (v if isinstance(v, list) else [v])]
            lines = self._binance(items)
        return ("\n".join(lines) + "\n").encode()

    def _values(self, text: bytes) -> list[Any]:
        try:
            return [_loads(text)]
        except (ValueError, RecursionError):
            pass
        try:
            return [_loads(line) for line in text.split(b"\n") if line.strip()]
        except (ValueError, RecursionError):
            raise InputError(self.path, "a JSON reply", "no JSON") from None

    def _kraken(self, reply: Any) -> list[str]:
        pair, rows = self._kraken_rows(reply)
        if all(len(row) == _KLINE_FIELDS for row in rows):
            return [_KLINE_HEADER, *(self._line([*row, pair]) for row in rows)]
        if len({len(row) for row in rows}) == 1 and len(rows[0]) in _TRADE_FIELDS:
            header = ",".join(KRAKEN_REST.header[: len(rows[0]) - 1])
            fields = ([pair, row[2], row[0], row[1], row[3], *row[6:]] for row in rows)
            return [header, *map(self._line, fields)]
        raise InputError(self.path, "rows of Kraken's Trades or OHLC", "others")

    def _kraken_rows(self, reply: Any) -> tuple[str, list[list[Any]]]:
        if isinstance(reply, dict) and reply.get("error"):
            raise InputError(self.path, "a reply with a result", f"the error {reply['error']}")
        result = reply.get("result", reply) if isinstance(reply, dict) else {}
        items = result.items() if isinstance(result, dict) else ()
        pairs = {name: rows for name, rows in items if isinstance(rows, list)}
        if len(pairs) != 1:
            found = ", ".join(pairs) or "none"
            raise InputError(self.path, "a reply of Kraken with the rows of one pair", found)
        ((pair, rows),) = pairs.items()
        if not rows or not all(isinstance(row, list) for row in rows):
            raise InputError(self.path, "a reply of Kraken with rows", "none")
        return pair, rows

    def _binance(self, items: list[Any]) -> list[str]:
        if items and all(isinstance(item, list) for item in items):
            return [self._line(item) for item in items]
        if not items or not all(isinstance(item, dict) for item in items):
            expected = "a reply with a list of trades or klines"
            raise InputError(self.path, expected, _shown(items))
        names = list(items[0])
        for row, item in enumerate(items, 1):
            if set(item) != set(names):
                expected = f"the fields {' '.join(names)} as in the first row"
                raise InputError(self.path, expected, " ".join(item), line=row)
        short = {"a", "p", "q"} <= set(names)
        header = [_AGGREGATE_NAMES.get(name, name) if short else name for name in names]
        return [self._line(header), *(self._line([item[n] for n in names]) for item in items)]

    def _line(self, values: list[Any]) -> str:
        texts = [_text(value) for value in values]
        if any("," in text or "\n" in text or "\r" in text for text in texts):
            raise InputError(self.path, "numbers and words in a reply", _shown(values))
        return ",".join(texts)


def _loads(text: bytes) -> Any:
    return json.loads(text, parse_float=str, parse_constant=str)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def is_reply(head: bytes) -> bool:
    """Tell whether a file that begins so is a saved reply; else JSON is a recording's messages."""
    head = head.removeprefix(_BOM).lstrip()
    if not head.startswith((b"{", b"[")) or _EVENT.search(head):
        return False
    first, _, rest = head.partition(b"\n")
    try:
        value = _loads(first)
    except (ValueError, RecursionError):
        return True
    # An answer to a subscription is a recording's first line often enough.
    answers = isinstance(value, dict) and {"result", "id"} == set(value) and bool(rest.strip())
    return not answers
