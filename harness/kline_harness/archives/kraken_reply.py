"""A saved reply of Kraken's REST interface as lines of text, like a file of the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kline_harness.archives.compressed import BLOCK_BYTES, TextFile
from kline_harness.archives.dialects import KRAKEN_REST
from kline_harness.errors import InputError

# A reply holds at most 1,000 trades or 720 klines; several may have been put together.
_REPLY_BYTES_MAX = 256 << 20
_HEAD_BYTES = 1 << 10
_TRADE_FIELDS = (6, 7)
_KLINE_FIELDS = 8
_KLINE_HEADER = "time,open,high,low,close,vwap,volume,count,symbol"


class KrakenReply(TextFile):
    """`{"error":[],"result":{PAIR:[[...]],"last":...}}` of Trades or OHLC, as CSV lines.

    Trades are [price, volume, time, b or s (the taker), m or l, misc, trade id]; replies before
    2023 lack the id. OHLC rows are [time, open, high, low, close, vwap, volume, count]; the last
    one is still forming when the reply is sent, and stays in. Numbers keep their text.

    Source: Kraken's REST documents "Get Recent Trades" and "Get OHLC Data".
    """

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Yield the rows as text, with a header; one block.

        Raises InputError for anything but a reply with rows.
        """
        if self.size > _REPLY_BYTES_MAX:
            raise InputError(self.path, "a reply of a REST interface", f"{self.size} bytes")
        pair, rows = self._rows(b"".join(super().blocks()))
        if all(len(row) == _KLINE_FIELDS for row in rows):
            lines = [_KLINE_HEADER, *(",".join(map(str, [*row, pair])) for row in rows)]
        elif len({len(row) for row in rows}) == 1 and len(rows[0]) in _TRADE_FIELDS:
            lines = [",".join(KRAKEN_REST.header[: len(rows[0]) - 1])]
            for row in rows:
                fields = (pair, row[2], row[0], row[1], row[3], *row[6:])
                lines.append(",".join(map(str, fields)))
        else:
            raise InputError(self.path, "rows of Kraken's Trades or OHLC", "others")
        yield ("\n".join(lines) + "\n").encode()

    def _rows(self, text: bytes) -> tuple[str, list[list[Any]]]:
        try:
            reply = json.loads(text, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            raise InputError(self.path, "a JSON reply", "no JSON") from None
        if isinstance(reply, dict) and reply.get("error"):
            raise InputError(self.path, "a reply with a result", f"the error {reply['error']}")
        result = reply.get("result", reply) if isinstance(reply, dict) else {}
        pairs = {name: rows for name, rows in result.items() if isinstance(rows, list)}
        if len(pairs) != 1:
            found = ", ".join(pairs) or "none"
            raise InputError(self.path, "a reply of Kraken with the rows of one pair", found)
        ((pair, rows),) = pairs.items()
        if not rows or not all(isinstance(row, list) for row in rows):
            raise InputError(self.path, "a reply of Kraken with rows", "none")
        return pair, rows


def open_text(path: Path | str) -> TextFile:
    """Open a file of lines, or a reply of Kraken as one.

    Raises InputError as `TextFile` does.
    """
    file = TextFile(path)
    head = next(file.blocks(_HEAD_BYTES), b"").removeprefix(b"\xef\xbb\xbf").lstrip()
    is_reply = head.startswith(b"{") and b'"result"' in head[:_HEAD_BYTES]
    return KrakenReply(path) if is_reply else file
