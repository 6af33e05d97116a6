"""Trades that one side counts and the other does not, because of their kind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kline_harness.comparison.differing_kline import (
    DifferingKline,
    Hypothesis,
    mattering,
    trade_evidence,
)
from kline_harness.tape import TradeKind


class KindOfTrade:
    """All trades of some kinds around a kline, counted where they were not, or the reverse.

    Every trade of the kinds must have been treated alike; proof is equality.
    """

    name: str
    kinds: tuple[TradeKind, ...]

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether there are trades of the kinds, or may be in another feed."""
        return bool(np.isin(case.rows.kind, self.kinds).any()) or bool(case.context.undone)

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield the state with all these trades counted, or none."""
        for kinds in self._choices(state):
            which = np.isin(state.rows.kind, kinds)
            counted = state.included[which]
            if len(counted) == 0 or counted.any() != counted.all():
                continue
            trades = trade_evidence(state.rows, mattering(state.rows, which, case.kline))
            evidence = {"counted_by_us": bool(counted.all()), **trades}
            yield state.after(self.name, evidence, included=state.included ^ which)

    def _choices(self, state: Hypothesis) -> list[tuple[TradeKind, ...]]:
        there = [kind for kind in self.kinds if np.any(state.rows.kind == kind)]
        return [tuple(there), *((kind,) for kind in there)] if len(there) > 1 else [tuple(there)]


class FundTrade(KindOfTrade):
    """Trades of the insurance fund or by auto-deleveraging; the exchange leaves them out.

    Source: recordings with an INSURANCE_FUND trade beside official klines.
    """

    name = "fund_trade"
    meaning = "trades of the insurance fund, or by auto-deleveraging, count on one side only"
    kinds = (TradeKind.INSURANCE_FUND, TradeKind.ADL, TradeKind.OTHER)


class SentinelRow(KindOfTrade):
    """Rows that the exchange marked invalid: price 0, quantity 0, no raw ids.

    Source: the exchange's change log of 2022-04-12.
    """

    name = "sentinel_row"
    meaning = "rows that the exchange marks as no trades count on one side only"
    kinds = (TradeKind.SENTINEL,)


class ZeroQuantityRow(KindOfTrade):
    """Rows with a price but no quantity.

    Source: the exchange's public data repository, issues 263 and 342.
    """

    name = "zero_quantity"
    meaning = "rows without a quantity count on one side only"
    kinds = (TradeKind.ZERO_QUANTITY,)
