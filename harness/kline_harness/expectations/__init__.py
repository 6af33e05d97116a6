"""The completeness rules as a Great Expectations suite over the stored klines.

Importing this imports neither Great Expectations nor pandas; whoever is asked first does: a
worker beside one replay, or this process for many.
"""

from importlib.util import find_spec

from kline_harness.expectations.answer import Answer, Expectations, MakeExpectations, verdict_of
from kline_harness.expectations.in_process import InProcessExpectations
from kline_harness.expectations.worker import ExpectationsWorker

__all__ = [
    "Answer",
    "Expectations",
    "ExpectationsWorker",
    "InProcessExpectations",
    "MakeExpectations",
    "installed",
    "verdict_of",
]


def installed() -> bool:
    """Tell whether what the suite is made of is installed; ``kline-harness[full]`` has it."""
    return all(find_spec(name) is not None for name in ("great_expectations", "pandas"))
