"""Our klines against the exchange's, field by field; differences explained with proof."""

from __future__ import annotations

from kline_harness.comparison.compare import Comparison, Reference, Stored
from kline_harness.comparison.explain import Witnesses, explain
from kline_harness.comparison.pairs import compare

__all__ = [
    "Comparison",
    "Reference",
    "Stored",
    "Witnesses",
    "compare",
    "explain",
]
