"""The completeness rules as a Great Expectations suite over the stored klines.

Importing this imports neither Great Expectations nor pandas; whoever is asked first does: a
worker beside one replay, or this process for many.
"""

from kline_harness.expectations.answer import Answer, Expectations, MakeExpectations, verdict_of
from kline_harness.expectations.in_process import InProcessExpectations
from kline_harness.expectations.worker import ExpectationsWorker

__all__ = [
    "Answer",
    "Expectations",
    "ExpectationsWorker",
    "InProcessExpectations",
    "MakeExpectations",
    "verdict_of",
]
