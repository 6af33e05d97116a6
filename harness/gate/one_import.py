"""Great Expectations imported once for all cases: the suite in this process, not in workers.

A worker pays two seconds of imports per run, beside the replay of one long archive a bargain,
over many short cases most of the time.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import harness.replay.run
from harness.expectations import ExpectationsWorker, run


class InProcessExpectations(ExpectationsWorker):
    """Stands where a worker stands, and answers the same from this process."""

    def start(self) -> None:
        """Nothing to spawn: the import waits for the first result."""

    def result(self, directory: Path) -> dict[str, Any]:
        """Return what the suite says of a stored dataset, or ``{"crashed": reason}``."""
        try:
            with _quiet():
                found = run(directory)
        except Exception as error:  # what kills a worker must not kill the gate
            return {"crashed": f"{type(error).__name__}: {error}"}
        # By way of JSON, as a worker's answer: the same bytes in expectations.json.
        answer: dict[str, Any] = json.loads(json.dumps(found, sort_keys=True))
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


@contextmanager
def one_import() -> Iterator[None]:
    """Let every replay of the block hold its klines to the suite in this process."""
    module: Any = harness.replay.run
    before = module.ExpectationsWorker
    module.ExpectationsWorker = InProcessExpectations
    try:
        yield
    finally:
        module.ExpectationsWorker = before
