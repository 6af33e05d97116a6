"""docs/protocol.md is true: its table is the code's, its conversation is what happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.subjects.page import PAGE, page

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "subjects" / "aggregator.py"


def test_the_table_of_messages_is_as_made() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text


def test_the_conversation_happens_so() -> None:
    lines = [line.strip() for line in PAGE.read_text(encoding="utf-8").splitlines()]
    sent = [line[2:] for line in lines if line.startswith("> {")]
    due = [json.loads(line[2:]) for line in lines if line.startswith("< {")]
    talk = subprocess.run(
        [sys.executable, str(EXAMPLE)],
        input="\n".join(sent) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in talk.stdout.splitlines()]
    assert len(sent) == 6
    # Its name and what it wants are a subject's own.
    assert {**found[0], "name": "mine"} | {"wants": None} == due[0] | {"wants": None}
    assert found[1:] == due[1:]
