"""The states of a kline and every legal transition, as one table."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kline_harness.kline import Life, Trigger


class KlineState(IntEnum):
    """Where a kline is in its life.

    Provisional: open, flat at the previous close, without a trade; live: open with trades; final:
    it will not change. Unknown: events were lost, so anything may have happened to it.
    """

    ABSENT = 0
    PROVISIONAL = 1
    LIVE = 2
    FINAL = 3
    UNKNOWN = 4


# (state, event, trigger) -> next state; what is not here is illegal. A trade or the end opens a
# provisional kline only to fill a gap. Source: docs/checks.md, "Lifecycle":
# the states follow from what can happen to a kline.
TRANSITIONS: dict[tuple[KlineState, Life, Trigger], KlineState] = {
    (KlineState.ABSENT, Life.OPENED_PROVISIONAL, Trigger.TICK): KlineState.PROVISIONAL,
    (KlineState.ABSENT, Life.OPENED_PROVISIONAL, Trigger.TRADE): KlineState.PROVISIONAL,
    (KlineState.ABSENT, Life.OPENED_PROVISIONAL, Trigger.END): KlineState.PROVISIONAL,
    (KlineState.ABSENT, Life.OPENED_LIVE, Trigger.TRADE): KlineState.LIVE,
    (KlineState.PROVISIONAL, Life.FIRST_TRADE, Trigger.TRADE): KlineState.LIVE,
    (KlineState.LIVE, Life.UPDATED, Trigger.TRADE): KlineState.LIVE,
    (KlineState.PROVISIONAL, Life.FINALIZED, Trigger.TRADE): KlineState.FINAL,
    (KlineState.PROVISIONAL, Life.FINALIZED, Trigger.TICK): KlineState.FINAL,
    (KlineState.PROVISIONAL, Life.FINALIZED, Trigger.END): KlineState.FINAL,
    (KlineState.LIVE, Life.FINALIZED, Trigger.TRADE): KlineState.FINAL,
    (KlineState.LIVE, Life.FINALIZED, Trigger.TICK): KlineState.FINAL,
    (KlineState.LIVE, Life.FINALIZED, Trigger.END): KlineState.FINAL,
}

# Where an event leaves a kline that was not final, legal or not: one defect, one finding.
AFTER: dict[Life, KlineState] = {
    Life.OPENED_PROVISIONAL: KlineState.PROVISIONAL,
    Life.OPENED_LIVE: KlineState.LIVE,
    Life.FIRST_TRADE: KlineState.LIVE,
    Life.UPDATED: KlineState.LIVE,
    Life.FINALIZED: KlineState.FINAL,
}
AFTER_CODES: NDArray[np.int8] = np.array([AFTER[life] for life in AFTER], dtype=np.int8)


def legal_codes() -> NDArray[np.bool_]:
    """Return the table as an array indexed by state, life and trigger."""
    legal = np.zeros((len(KlineState), len(Life), len(Trigger)), dtype=np.bool_)
    for state, life, trigger in TRANSITIONS:
        legal[state, life, trigger] = True
    return legal


LEGAL = legal_codes()
