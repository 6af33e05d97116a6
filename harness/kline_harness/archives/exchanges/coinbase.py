"""Coinbase: trades.

Sources: the fields of the REST document "Get product trades": side is the maker's, a
product's trades are numbered one after the other; "Get product
candles": open is the first trade in the bucket, and "No data is published for intervals where
there are no ticks".
"""

from __future__ import annotations

from kline_harness.archives.exchange import Exchange, dialect
from kline_harness.id_rule import IdRule
from kline_harness.kline_rule import Basis, KlineRule, OpenRule, QuietRule

EXCHANGE = Exchange(
    "coinbase",
    KlineRule(
        OpenRule.FIRST_TRADE,
        QuietRule.ABSENT,
        Basis.DOCUMENTED,
        Basis.DOCUMENTED,
        "REST document Get product candles",
    ),
    IdRule.EVERY_ID,
    trades=(
        dialect(
            "time id price quantity side",
            "time,trade_id,price,size,side",
            time="iso",
            side="maker",
        ),
        dialect(
            "id side quantity price time",
            "trade_id,side,size,price,time",
            time="iso",
            side="maker",
        ),
    ),
)
