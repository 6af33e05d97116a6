"""OKX: trades.

Sources: the headers of its historical trades files (names with a translation after a slash;
instrument_name was added later, and size has stood before the price and after it); sizes of swaps
and futures are contracts. No document at hand states where a kline's open comes from or what a
quiet interval looks like.
"""

from __future__ import annotations

from kline_harness.archives.exchange import Exchange, dialect
from kline_harness.kline_rule import OpenRule, QuietRule, reported

EXCHANGE = Exchange(
    "okx",
    reported(OpenRule.FIRST_TRADE, QuietRule.UNKNOWN),
    trades=(
        dialect(
            "id side quantity price time",
            "trade_id,side,size,price,created_time",
            time="epoch",
            side="taker",
        ),
        dialect(
            "symbol id side quantity price time",
            "instrument_name,trade_id,side,size,price,created_time",
            time="epoch",
            side="taker",
        ),
        dialect(
            "symbol id side price quantity time",
            "instrument_name,trade_id,side,price,size,created_time",
            time="epoch",
            side="taker",
        ),
    ),
)
