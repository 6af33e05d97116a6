"""Trade ids that no recorded trade has: the exchange's kline has those trades, ours lacks them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from kline_harness.comparison.case import TRADES_SHOWN, Case, State
from kline_harness.comparison.rest import Missing, possible_rest
from kline_harness.kline import PRICE_FIELDS


class MissingTradeIds:
    """Ids are missing inside the kline or at its borders, and the rest can be those trades.

    The exchange may count at most as many trades more than we have as ids are missing: a fund
    trade uses up an id and is in no kline. Where the ids before our first trade are there, the
    open must be equal, and so for the close.
    """

    name = "missing_trade_ids"

    def applies(self, case: Case) -> bool:
        """Tell whether ids are missing around the kline."""
        return bool(case.gaps) and case.kline.theirs is not None

    def undo(self, case: Case, state: State) -> Iterator[State]:
        """Yield a settled state where the missing trades can make the difference."""
        part = state.part(case)
        before = [gap for gap in case.gaps if part is None or gap.before_id <= part["first_raw"]]
        after = [gap for gap in case.gaps if part is None or gap.after_id >= part["last_raw"]]
        most = sum(gap.missing for gap in case.gaps)
        evidence = {
            "missing_ids": most,
            "gaps": len(case.gaps),
            "first_gaps": [gap.to_dict() for gap in case.gaps[:TRADES_SHOWN]],
        }
        rest = possible_rest(case, state, Missing(bool(before), bool(after), most))
        if rest is not None:
            settled = {"rest_possible": True}
            yield state.after(self.name, {**evidence, **rest}, settled=settled)
        elif part is None and self._carried(case):
            evidence["price_carried_from"] = "a missing trade before"
            yield state.after(self.name, evidence, settled={"price_carried": True})

    def _carried(self, case: Case) -> bool:
        """Tell whether both are quiet, at the close of a kline with missing trades before."""
        theirs, previous = case.kline.theirs, case.context.previous_close
        if theirs is None or previous is None or theirs.get("count", theirs.get("volume")) != 0:
            return False
        flat = all(theirs[name] == previous for name in PRICE_FIELDS)
        zero = all(theirs[n] == Decimal(0) for n in case.kline.compared if n not in PRICE_FIELDS)
        return flat and zero and any(g.from_ns < case.kline.open_time_ns for g in case.gaps)
