"""The suite in this process, for many short runs: what it needs is imported once for all.

A worker pays two seconds of imports per run: beside the replay of one long archive a bargain,
over many short ones most of the time.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path

from kline_harness.expectations.answer import Answer, crashed


class InProcessExpectations(AbstractContextManager["InProcessExpectations"]):
    """Answers as a worker does, to the byte; the first answer waits for the import."""

    def __exit__(self, *error: object) -> None:
        """Nothing was started, so there is nothing to end."""

    def result(self, directory: Path, contract_size: Decimal | None = None) -> Answer:
        """Return what the suite says of a stored dataset, or that it crashed."""
        from kline_harness.expectations.suite import run

        try:
            with _quiet():
                found = run(directory, contract_size)
        except Exception as error:  # what kills a worker must not kill its caller
            return crashed(f"{type(error).__name__}: {error}")
        # By way of JSON, as a worker's answer.
        answer: Answer = json.loads(json.dumps(found, sort_keys=True))
        return answer


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' own warnings and logs away, as a worker's stderr does."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
