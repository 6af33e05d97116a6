"""What it means that a trade id is missing, as an exchange's documents state it."""

from __future__ import annotations

from enum import Enum


class IdRule(Enum):
    """What the documents of a source say of an id that no trade has.

    Each exchange's file says which rule is its own, and by which document.
    """

    EVERY_ID = "this source uses every id"
    RECORDED = "a recording of this source's raw trades has every id"
    FUND_TRADES = "this source leaves out insurance fund and ADL trades, which use up an id each"
    UNKNOWN = "nothing says that this source uses every id"


_LONE_MIN = 5
_LONE_SHARE = 500


def are_too_many(single: int, ids: int) -> bool:
    """Tell whether so many single missing ids, of so many seen, are no fund trades but a loss.

    More than a few, and more than one in 500.
    """
    return single >= _LONE_MIN and single * _LONE_SHARE > ids
