"""Quote volumes summed from quantities that the exchange rounded trade by trade."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis, equal
from kline_harness.comparison.recompute import ROUNDED_SCALE, product_scale
from kline_harness.kline import QUOTE_FIELDS
from kline_harness.units import decimal_text

_HALF_UNIT = Decimal(1).scaleb(-ROUNDED_SCALE) / 2


NAME = "quote_rounding"


class QuoteRounding:
    """Only quote fields differ, by the rounding of each trade's quote quantity.

    Raw trades are rounded one by one, half up or down, and must then be equal. Of aggregates the
    single trades are unknown: each can be off by half a unit of the last decimal, no more, while
    every other field is equal.
    """

    name = NAME
    meaning = "quote quantities were rounded trade by trade"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether a product of price and quantity can have too many decimals."""
        return product_scale(case.instrument) > ROUNDED_SCALE and case.kline.theirs is not None

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield the state rounded half up, rounded down, or settled by the bound."""
        if state.part(case) is None or case.kline.theirs is None:
            return
        for rounding in ("half_up", "down"):
            yield state.after(self.name, {"rounding": rounding}, rounding=rounding)
        bounded = within_bound(case, state)
        if bounded is not None:
            yield bounded


def within_bound(case: DifferingKline, state: Hypothesis) -> Hypothesis | None:
    """Return the state settled by the bound on the rounding of its aggregates, if it holds."""
    part, theirs, exact = state.part(case), case.kline.theirs, state.values(case)
    others = [name for name in case.kline.compared if name not in QUOTE_FIELDS]
    if part is None or exact is None or theirs is None or not equal(exact, theirs, others):
        return None
    # Only of aggregates the single trades are unknown.
    if product_scale(case.instrument) <= ROUNDED_SCALE or part["rows"] == part["count"]:
        return None
    off = {n: Decimal(theirs[n]) - Decimal(exact[n]) for n in QUOTE_FIELDS if n in theirs}
    bound = _HALF_UNIT * part["count"]
    if not off or not all(abs(value) <= bound for value in off.values()):
        return None
    evidence = {f"{name}_off_by": decimal_text(value) for name, value in off.items()}
    evidence |= {"bound": decimal_text(bound), "raw_trades": str(part["count"])}
    return state.after(NAME, evidence, settled={"within_bound": decimal_text(bound)})
