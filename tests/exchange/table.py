"""Writes the table of the exchange's behaviours into docs/exchange.md: ``python -m`` of this."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.exchange import (  # noqa: F401
    test_reach,
    test_rest,
    test_spot,
    test_streams,
    test_subscriptions,
    test_wire_faults,
)
from tests.exchange.behaviours import LIST

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exchange.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def table() -> str:
    """Return the table of every behaviour, in the order of the tests."""
    rows = ["| | The exchange, and the server | Known from | Test |", "|---|---|---|---|"]
    # Whoever imports the tests, and in whatever order: by file, as they stand in it.
    ordered = sorted(LIST, key=lambda one: one.test.partition("::")[0])
    for number, one in enumerate(ordered, 1):
        rows.append(f"| {number} | {one.what} | {one.source} | `{one.test}` |")
    return "\n".join(rows)


def page() -> str:
    """Return the page with the table as it is now."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0)
