"""What it means that a trade id is missing, as an exchange's documents state it."""

from __future__ import annotations

from enum import Enum


class IdRule(Enum):
    """What the documents of a source say of an id that no trade has; each exchange's file says
    which rule is its own, and by which document."""

    EVERY_ID = "this source uses every id"
    RECORDED = "a recording of this source's raw trades has every id"
    FUND_TRADES = "this source leaves out insurance fund and ADL trades, which use up an id each"
    UNKNOWN = "nothing says that this source uses every id"
