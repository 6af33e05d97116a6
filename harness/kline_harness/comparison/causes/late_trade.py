"""Trades that reached the aggregator after their kline was final."""

from __future__ import annotations

from collections.abc import Iterator

from kline_harness.comparison.differing_kline import (
    TRADES_SHOWN,
    DifferingKline,
    Hypothesis,
    mattering,
    trade_evidence,
)
from kline_harness.comparison.retention import among


class LateTrade:
    """Trades counted as late for the interval, applied after all; proof is equality.

    The evidence names their lateness: arrival minus the instant at which our kline was
    published, or minus its close time where there is none.
    """

    name = "late_trade"
    meaning = "trades came after their kline was final"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether a late trade of the interval lies in the kline or before it."""
        return bool(among(case.rows.trade_id, case.late_ids).any())

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield the state with every late trade applied."""
        late = among(state.rows.trade_id, case.late_ids) & ~state.included
        late &= state.rows.event_time_ns < case.kline.close_time_ns
        if not late.any():
            return
        published_ns = case.kline.published_ns
        final_ns = case.kline.close_time_ns if published_ns is None else published_ns
        rows = mattering(state.rows, late, case.kline)
        lateness = (state.rows.arrival_ns[rows] - final_ns).tolist()
        evidence = {
            **trade_evidence(state.rows, rows),
            "final_at_ns": final_ns,
            "lateness_ns": lateness[:TRADES_SHOWN],
            "lateness_max_ns": max(lateness),
        }
        yield state.after(self.name, evidence, included=state.included | late)
