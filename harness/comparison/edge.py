"""Klines that reach out of the time the trades cover: partial, and provably a part."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from harness.comparison.compare import Difference, Proof, plain

CAUSE = "edge"
OMITTED = "quiet_left_out"


def prove_edge(difference: Difference) -> Proof | None:
    """Accept a kline as partial only if the rest can be the trades that were not recorded.

    The rest is theirs minus ours. It must be trades that exist: positive count and volume, a
    quote volume within the kline's own low and high, taker parts within the whole; and ours may
    not reach outside of the exchange's high and low.
    """
    theirs, ours = difference.theirs, difference.ours
    if difference.whole or theirs is None:
        return None
    if ours is None:
        return Proof(CAUSE, {"recorded": "nothing"})
    if ours.get("count") == 0:
        # Nothing of this kline was recorded: ours carries the close before it.
        return Proof(CAUSE, {"recorded": "no trade"})
    rest = {
        name: Decimal(theirs[name]) - Decimal(ours[name])
        for name in (
            "volume",
            "quote_volume",
            "count",
            "taker_buy_volume",
            "taker_buy_quote_volume",
        )
        if name in theirs
    }
    if any(value < 0 for value in rest.values()):
        return None
    if rest.get("count", rest.get("volume", Decimal(1))) == 0:
        return None
    low, high = Decimal(theirs["low"]), Decimal(theirs["high"])
    if not low <= Decimal(ours["low"]) <= Decimal(ours["high"]) <= high:
        return None
    if not _possible(rest, "volume", "quote_volume", low, high):
        return None
    if not _possible(rest, "taker_buy_volume", "taker_buy_quote_volume", low, high):
        return None
    evidence: dict[str, Any] = {f"unrecorded_{name}": plain(v) for name, v in rest.items()}
    return Proof(CAUSE, evidence)


def prove_omitted(difference: Difference) -> Proof | None:
    """Accept a quiet kline of ours that a source made from trades leaves out.

    Only for sources without trade counts: the exchange's own files have a row for every quiet
    interval, so one that is missing there needs another reason.
    """
    ours = difference.ours
    if ours is None or difference.theirs is not None or "count" in difference.compared:
        return None
    if ours["count"] != 0 or ours["volume"] != 0:
        return None
    return Proof(OMITTED, {"our_count": 0, "source_has_counts": False})


def _possible(
    rest: dict[str, Decimal], volume: str, quote: str, low: Decimal, high: Decimal
) -> bool:
    """Tell whether a quote volume can come from trades of a volume between low and high.

    The exchange rounds a trade's quote quantity to 8 decimals, hence the allowance of one unit
    of the 8th decimal per trade.
    """
    if volume not in rest or quote not in rest:
        return True
    allowance = Decimal("0.00000001") * (rest.get("count", Decimal(0)) + 1)
    return low * rest[volume] - allowance <= rest[quote] <= high * rest[volume] + allowance
