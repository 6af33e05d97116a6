"""The completeness rules as a Great Expectations suite over the stored klines.

Importing this imports neither Great Expectations nor pandas; `run` does, in the worker.
"""

from harness.expectations.suite import run
from harness.expectations.worker import ExpectationsWorker

__all__ = ["ExpectationsWorker", "run"]
