"""The worker's program: ``python -m kline_harness.expectations``."""

from __future__ import annotations

import gc
import json
import os
import sys
from decimal import Decimal
from pathlib import Path

from kline_harness.expectations.suite import load, run


def serve() -> None:
    """Be the worker: import, read one line of JSON with a question, print one with the answer.

    Whatever libraries print goes to stderr, so that stdout holds the answer alone.
    """
    # It lives for one answer, and its imports make many objects that stay.
    gc.disable()
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    load()
    asked = sys.stdin.readline()
    if asked:
        question = json.loads(asked)
        size = None if question["contract_size"] is None else Decimal(question["contract_size"])
        answer.write(json.dumps(run(Path(question["directory"]), size), sort_keys=True) + "\n")
    answer.close()


if __name__ == "__main__":
    serve()
