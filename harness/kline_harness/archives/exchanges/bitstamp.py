"""Bitstamp: trades.

Sources: the fields of the REST document "Transactions": type 0 buy, 1 sell. No document at hand
states where a kline's open comes from or what a quiet interval looks like.
"""

from __future__ import annotations

from kline_harness.archives.exchange import Exchange, dialect
from kline_harness.kline_rule import OpenRule, QuietRule, reported

EXCHANGE = Exchange(
    "bitstamp",
    reported(OpenRule.FIRST_TRADE, QuietRule.UNKNOWN),
    trades=(
        dialect(
            "time id price quantity side",
            "date,tid,price,amount,type",
            time="seconds",
            side="taker",
            sides=("0", "1"),
        ),
    ),
)
