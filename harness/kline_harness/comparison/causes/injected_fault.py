"""Faults that the harness put into the feed itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis, make_case
from kline_harness.tape import TradeKind
from kline_harness.trade_ids import IdRuns


class InjectedFault:
    """The feed as it was before a fault was injected makes the exchange's kline.

    Each candidate is what was kept of the symbol's trades without one fault, all of them applied
    by their trade time. Proof is equality.
    """

    name = "injected_fault"
    meaning = "a fault of the scenario changed its trades"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether a fault was injected into the symbol's feed."""
        return bool(case.context.undone)

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield, per fault, the state with its trades as they were before."""
        for name, evidence in case.context.undone:
            before = make_case(case.kline, evidence, IdRuns().gaps(), case.context)
            rows = before.rows.over((case.instrument,)) if len(before.rows) else before.rows
            counted = rows.kind == TradeKind.MARKET
            if before.instrument != case.instrument:
                # The fault hid the finest numbers: nothing could be compared exactly.
                continue
            changes: dict[str, Any] = {
                "rows": rows,
                "included": counted,
                "ordinary": before.ordinary,
            }
            part = replace(state, **changes).part(case)
            undone = {"fault": name, "raw_trades_before": 0 if part is None else part["count"]}
            yield state.after(self.name, undone, **changes)
