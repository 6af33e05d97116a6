"""Our klines against the exchange's, field by field; differences explained with proof."""

from __future__ import annotations

from kline_harness.comparison.compare import Comparison, ReferenceKlines
from kline_harness.comparison.explain import Witnesses, explain
from kline_harness.comparison.pairs import compare
from kline_harness.comparison.series_rows import RowsInMemory, SeriesRows
from kline_harness.comparison.stored import Stored

__all__ = [
    "Comparison",
    "ReferenceKlines",
    "RowsInMemory",
    "SeriesRows",
    "Stored",
    "Witnesses",
    "compare",
    "explain",
]
