"""Reading a built page without a browser: its embedded rows, unfolded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = re.compile(r'<script type="application/json" id="data-(\w+)">(.*?)</script>', re.DOTALL)


def blocks(path: Path) -> dict[str, Any]:
    """Return the data blocks of one page by kind."""
    return {kind: json.loads(text) for kind, text in BLOCK.findall(path.read_text("utf-8"))}


def rows(folder: Path, kind: str) -> Iterator[tuple[int, list[Any], dict[str, Any]]]:
    """Yield the number, the row and the block of everything the report and its pages hold."""
    beside = sorted(folder.glob(f"report-{kind}-*.html"), key=lambda path: len(path.name))
    for path in [folder / "report.html", *beside]:
        block = blocks(path)[kind]
        for place, row in enumerate(block["rows"]):
            yield block["first"] + place, row, block


def sides(row: list[Any]) -> tuple[list[str | None], list[str | None]]:
    """Return both sides of a difference, unfolded as the page's script does."""
    ours = [None if text == "-" else text for text in row[5].split(" ")]
    theirs = [
        None if text == "-" else ours[place] if text == "=" else text
        for place, text in enumerate(row[6].split(" "))
    ]
    return ours, theirs
