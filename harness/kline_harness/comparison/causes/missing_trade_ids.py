"""Trade ids that no recorded trade has: the exchange's kline has those trades, ours lacks them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from kline_harness.comparison.causes.edge import doubt_of, unrecorded
from kline_harness.comparison.differing_kline import TRADES_SHOWN, DifferingKline, Hypothesis
from kline_harness.comparison.recompute import Part
from kline_harness.comparison.unrecorded import (
    UnrecordedTrades,
    far_prices,
    unrecorded_values,
)
from kline_harness.kline import PRICE_FIELDS


class MissingTradeIds:
    """Ids are missing inside the kline or at its borders, and what we lack can be those trades.

    The exchange may count at most as many trades more than we have as ids are missing: a fund
    trade uses up an id and is in no kline. Where the ids before our first trade are there, the
    open must be equal, and so for the close.
    """

    name = "missing_trade_ids"
    meaning = "trades have ids that nobody recorded"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether ids are missing around the kline."""
        return bool(case.gaps) and case.kline.theirs is not None

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield a settled state where the missing trades can make the difference."""
        part, evidence = state.part(case), _evidence(case)
        excess = unrecorded_values(case, state, lost(case, part))
        if excess is not None:
            settled, doubt = {"rest_possible": True}, state.doubt or far_prices(case, state)
            yield state.after(self.name, {**evidence, **excess}, settled=settled, doubt=doubt)
        elif part is None and self._carried(case):
            evidence["price_carried_from"] = "a missing trade before"
            yield state.after(self.name, evidence, settled={"price_carried": True})

    def _carried(self, case: DifferingKline) -> bool:
        """Tell whether both are quiet, at the close of a kline with missing trades before."""
        theirs, previous = case.kline.theirs, case.context.previous_close
        if theirs is None or previous is None or theirs.get("count", theirs.get("volume")) != 0:
            return False
        flat = all(theirs[name] == previous for name in PRICE_FIELDS)
        zero = all(theirs[n] == Decimal(0) for n in case.kline.compared if n not in PRICE_FIELDS)
        return flat and zero and any(g.from_ns < case.kline.open_time_ns for g in case.gaps)


class EdgeAndMissingTradeIds:
    """A kline at the edge of a recording in which ids are missing as well.

    It lacks trades of both kinds, so nothing tells how many there were of either.
    """

    name = "edge+missing_trade_ids"
    meaning = "trades lie outside of the recorded time, and trades have ids that nobody recorded"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether the kline reaches out of the recorded time and ids are missing in it."""
        return bool(case.gaps) and not case.kline.whole and case.kline.theirs is not None

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield a settled state where both together can make the difference."""
        part = state.part(case)
        outside, inside = unrecorded(case, part), lost(case, part)
        both = UnrecordedTrades(outside.first or inside.first, outside.last or inside.last)
        excess = unrecorded_values(case, state, both)
        if excess is not None:
            doubt = state.doubt or doubt_of(case, state, excess)
            settled = {"rest_possible": True}
            first, second = self.name.split("+")
            state = state.after(first, excess, settled=settled, doubt=doubt)
            yield state.after(second, _evidence(case))


def lost(case: DifferingKline, part: Part | None) -> UnrecordedTrades:
    """Return where trades can lack because ids are missing, and how many."""
    before = any(part is None or gap.before_id <= part["first_raw"] for gap in case.gaps)
    after = any(part is None or gap.after_id >= part["last_raw"] for gap in case.gaps)
    return UnrecordedTrades(before, after, sum(gap.missing for gap in case.gaps))


def _evidence(case: DifferingKline) -> dict[str, Any]:
    return {
        "missing_ids": sum(gap.missing for gap in case.gaps),
        "gaps": len(case.gaps),
        "first_gaps": [gap.to_dict() for gap in case.gaps[:TRADES_SHOWN]],
    }
