"""The table of messages of docs/protocol.md, made from `MESSAGES`; see scripts/make_protocol."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from kline_harness.aggregators.subject_messages import MESSAGES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
BEGIN, END = "<!-- messages: made by `scripts/make_protocol` -->\n", "<!-- end of messages -->\n"


def table() -> str:
    """Every message with its fields."""
    lines = ["| message | from | when | fields |", "|---|---|---|---|"]
    for message in MESSAGES:
        fields = [
            f"`{field.name}`{' (optional)' if field.optional else ''}: {field.says}"
            for field in message.fields
        ]
        row = (f"`{message.type}`", message.sender, message.when, "<br>".join(fields) or "none")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, ""])


def page(text: str) -> str:
    """The page's text with the table as it is today."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + table() + END + tail


def main(arguments: Sequence[str]) -> int:
    """Write the page, or compare it; return the exit code."""
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in arguments:
        return 0 if text == page(text) else 1
    PAGE.write_text(page(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
