"""Gate: trades.

Source: the columns of its public deals files, without a header: side 1 sells and 2 buys; files
are named FOX_USDT-202602.csv. Of its klines nothing is at hand.
"""

from __future__ import annotations

import re

from kline_harness.archives.exchange import Exchange, dialect
from kline_harness.kline_rule import NO_RULE

EXCHANGE = Exchange(
    "gate",
    NO_RULE,
    trades=(
        dialect("time id price quantity side", time="seconds", side="taker", sides=("2", "1")),
    ),
    symbol_in_name=re.compile(r"([A-Z0-9]+_[A-Z]{3,5})-\d{6,}"),
)
