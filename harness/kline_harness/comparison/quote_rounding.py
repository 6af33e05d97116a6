"""Quote volumes summed from quantities that the exchange rounded trade by trade."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from kline_harness.comparison.case import Case, State, equal
from kline_harness.comparison.compare import plain
from kline_harness.comparison.recompute import ROUNDED_SCALE, Part, product_scale
from kline_harness.kline import QUOTE_FIELDS

_HALF_UNIT = Decimal(1).scaleb(-ROUNDED_SCALE) / 2


class QuoteRounding:
    """Only quote fields differ, by the rounding of each trade's quote quantity.

    Raw trades are rounded one by one, half up or down, and must then be equal. Of aggregates the
    single trades are unknown: each can be off by half a unit of the last decimal, no more, while
    every other field is equal.
    """

    name = "quote_rounding"

    def applies(self, case: Case) -> bool:
        """Tell whether a product of price and quantity can have too many decimals."""
        return product_scale(case.instrument) > ROUNDED_SCALE and case.kline.theirs is not None

    def undo(self, case: Case, state: State) -> Iterator[State]:
        """Yield the state rounded half up, rounded down, or settled by the bound."""
        part, theirs = state.part(case), case.kline.theirs
        exact = state.values(case)
        others = [name for name in case.kline.compared if name not in QUOTE_FIELDS]
        if part is None or theirs is None or not equal(exact, theirs, others):
            return
        for rounding in ("half_up", "down"):
            rounded = state.after(self.name, {"rounding": rounding}, rounding=rounding)
            yield rounded
        off = {
            name: Decimal(theirs[name]) - Decimal(exact[name])
            for name in QUOTE_FIELDS
            if exact is not None and name in theirs
        }
        bound = _HALF_UNIT * part["count"]
        if off and self._aggregates(case, part) and all(abs(v) <= bound for v in off.values()):
            evidence = {f"{name}_off_by": plain(value) for name, value in off.items()}
            evidence |= {"bound": plain(bound), "raw_trades": str(part["count"])}
            yield state.after(self.name, evidence, settled={"within_bound": plain(bound)})

    def _aggregates(self, case: Case, part: Part) -> bool:
        """Tell whether the kline has rows of more than one raw trade."""
        return part["rows"] < part["count"]
