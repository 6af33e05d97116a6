"""docs/run-folder.md names every file and every column of a run folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq

from tests.replays import UM_STREAM, replay

PAGE = Path(__file__).resolve().parents[1] / "docs" / "run-folder.md"


def section(title: str) -> set[str]:
    """Return the names that a section's table lists."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_page_names_what_a_run_folder_holds(tmp_path: Path) -> None:
    ran = replay(tmp_path / "run", UM_STREAM / "ALFAUSDT-trade-stream.txt.gz", quick=False)
    folder = ran.folder
    listed = PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    files = set(re.findall(r"^\| `([^`]+)`", listed, re.M))
    found = {path.name for path in folder.iterdir() if path.is_file()}
    assert files == found | {"klines/*.parquet"}
    (part, *_) = sorted((folder / "klines").iterdir())
    assert section("klines/*.parquet") == {*pq.read_schema(part).names}
    assert section("timeline.parquet") == {*pq.read_schema(folder / "timeline.parquet").names}
    columns = {*pq.read_schema(folder / "differences.parquet").names}
    sides = {name for name in columns if name.startswith(("ours_", "theirs_"))}
    named = section("differences.parquet")
    assert {name for name in named if not name.startswith(("ours_", "theirs_"))} == columns - sides
    assert named & sides == {"ours_open", "theirs_taker_buy_quote_volume"}
    lines = (folder / "findings.ndjson").read_text(encoding="utf-8").splitlines()
    keys = {key for line in lines for key in json.loads(line)}
    assert keys
    assert section("findings.ndjson") == keys
