"""BitMEX: trades.

Sources: the header of its public daily files, which Bybit's derivatives have too, and its times
such as 2026-02-03D10:00:00.948313000; side is the taker's (API documents, Trade). Sizes are
contracts, trdMatchID is a UUID. Its candles bear the end of their time (API documents, Trade
bucketed); where their open comes from and what a quiet interval is are not known here.
"""

from __future__ import annotations

from kline_harness.archives.exchange import Exchange, dialect
from kline_harness.kline_rule import NO_RULE

EXCHANGE = Exchange(
    "bitmex",
    NO_RULE,
    trades=(
        dialect(
            "time symbol side quantity price - - - - -",
            "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
            "foreignNotional",
            time="iso",
            side="taker",
            market="um",
        ),
    ),
)
