"""Bitget: trades.

Sources: the header of its public trade files, in which volume(quote) is stated. Of its klines
nothing is at hand, not even users' reports.
"""

from __future__ import annotations

from kline_harness.archives.exchange import Exchange, dialect
from kline_harness.kline_rule import NO_RULE

EXCHANGE = Exchange(
    "bitget",
    NO_RULE,
    trades=(
        dialect(
            "id time price side quote quantity",
            "trade_id,timestamp,price,side,volume(quote),size(base)",
            time="epoch",
            side="taker",
        ),
    ),
)
