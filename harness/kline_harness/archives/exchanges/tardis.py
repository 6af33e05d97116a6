"""tardis.dev: trades of many exchanges, whose rules for ids and klines are theirs.

Source: "Downloadable CSV files", data type trades: side is the liquidity taker's, timestamps in
microseconds, local_timestamp is the arrival of the message.
"""

from __future__ import annotations

from kline_harness.archives.exchange import Exchange, dialect
from kline_harness.kline_rule import NO_RULE

EXCHANGE = Exchange(
    "tardis",
    NO_RULE,
    trades=(
        dialect(
            "- symbol time receive id side price quantity",
            "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
            time="epoch",
            side="taker",
            market="um",
        ),
    ),
)
