"""Bybit: trades of derivatives and spot.

Sources: the headers of its public trading and spot history files; side is the taker's (V5 docs,
public trade: "Side of taker"). trdMatchID is a UUID, so derivatives have no number to sort by. No
document at hand states where a kline's open comes from or what a quiet interval looks like.
"""

from __future__ import annotations

from kline_harness.archives.exchange import Exchange, dialect
from kline_harness.kline_rule import OpenRule, QuietRule, reported

_DERIVATIVES = (
    "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
    "foreignNotional"
)
_DERIVATIVES_COLUMNS = "time symbol side quantity price - - - - -"
_SPOT, _SPOT_COLUMNS = "id,timestamp,price,volume,side", "id time price quantity side"

EXCHANGE = Exchange(
    "bybit",
    reported(OpenRule.PREVIOUS_CLOSE, QuietRule.FLAT),
    trades=(
        dialect(_DERIVATIVES_COLUMNS, _DERIVATIVES, time="seconds", side="taker", market="um"),
        dialect(
            f"{_DERIVATIVES_COLUMNS} -",
            f"{_DERIVATIVES},RPI",
            time="seconds",
            side="taker",
            market="um",
        ),
        dialect(_SPOT_COLUMNS, _SPOT, time="epoch", side="taker"),
        dialect(f"{_SPOT_COLUMNS} -", f"{_SPOT},rpi", time="epoch", side="taker"),
    ),
)
