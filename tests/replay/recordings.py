"""Small recordings and kline files, written from a list of trades."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.oracle import OracleKline, OracleTrade

MS = 1_000_000
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)


def write_recording(path: Path, listed: Sequence[OracleTrade]) -> Path:
    """Write a USD-M trade stream in order of arrival."""
    lines = []
    for trade in sorted(listed, key=lambda t: t.arrival_ns or t.time_ns):
        event = {
            "e": "trade",
            "E": trade.time_ns // MS,
            "T": trade.time_ns // MS,
            "s": trade.symbol,
            "t": trade.id,
            "p": str(trade.price),
            "q": str(trade.quantity),
            "X": trade.kind,
            "m": trade.buyer_is_maker,
        }
        message = json.dumps({"stream": f"{trade.symbol.lower()}@trade", "data": event})
        lines.append(f"{trade.arrival_ns or trade.time_ns} {message}\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_klines(path: Path, rows: Sequence[OracleKline]) -> Path:
    """Write a kline file in the archive's layout."""
    lines = [HEADER]
    for row in rows:
        values = [
            row.open_time_ns // MS,
            *(row.open, row.high, row.low, row.close, row.volume),
            row.close_time_ns // MS - 1,
            *(row.quote_volume, row.count, row.taker_buy_volume, row.taker_buy_quote_volume, 0),
        ]
        lines.append(",".join(str(value) for value in values))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
