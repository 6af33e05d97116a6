"""Our klines against the exchange's, field by field; differences explained with proof."""

from __future__ import annotations

from kline_harness.comparison.compare import Comparison, ReferenceKlines, Stored
from kline_harness.comparison.explain import Witnesses, explain
from kline_harness.comparison.pairs import compare

__all__ = [
    "Comparison",
    "ReferenceKlines",
    "Stored",
    "Witnesses",
    "compare",
    "explain",
]
