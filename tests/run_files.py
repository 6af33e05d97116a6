"""The record of a run as one object: `run.json`, with the rows of the tables in place of sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from kline_harness.record_tables import COMPARED_FILE, INPUTS_FILE, NOT_COMPARED_FILE, write_rows

_JSON = {
    *("symbols", "coverage", "not_stated", "unread_columns", "contradictions"),
    *("compared_fields", "fields"),
}


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table beside run.json, its lists and objects read."""
    return [
        {
            name: json.loads(value) if name in {*_JSON, "names"} and value is not None else value
            for name, value in row.items()
        }
        for row in pq.read_table(path).to_pylist()
    ]


def whole_run(folder: Path) -> dict[str, Any]:
    """Read the record of a run."""
    run: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    run["inputs"] = rows_of(folder / INPUTS_FILE)
    if run["comparison"] is not None:
        run["comparison"] = {
            "series": rows_of(folder / COMPARED_FILE),
            "not_compared": rows_of(folder / NOT_COMPARED_FILE),
        }
    return run


def put_run(folder: Path, run: dict[str, Any]) -> None:
    """Write the record of an invented or changed run; sums that no page shows are left out."""
    write_rows(folder, INPUTS_FILE, run["inputs"])
    sums = dict.fromkeys(("comparison",)) | {"inputs": {"files": len(run["inputs"])}}
    compared = run.get("comparison")
    if compared is not None:
        write_rows(folder, COMPARED_FILE, compared["series"])
        write_rows(folder, NOT_COMPARED_FILE, compared.get("not_compared", ()))
        sums["comparison"] = {"series": len(compared["series"])}
    (folder / "run.json").write_text(json.dumps(run | sums, indent=1), "utf-8")
