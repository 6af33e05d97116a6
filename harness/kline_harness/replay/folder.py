"""A run folder: made beside its place and moved there whole, or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kline_harness.errors import OutputError

RUN_FILE = "run.json"


@contextmanager
def run_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `target` when the block ends without an error.

    An earlier run folder at the same place is replaced; anything else there is left alone.

    Raises OutputError when the place is taken or cannot be written.
    """
    if target.exists() and not (target / RUN_FILE).is_file():
        is_free = target.is_dir() and not any(target.iterdir())
        if not is_free:
            raise OutputError(f"{target}: expected a run folder or nothing, found something else")
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror}") from error
    try:
        yield partial
        _move_into_place(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _move_into_place(partial: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write one JSON object, readable and in the order given."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_lines(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON objects one a line."""
    with path.open("w", encoding="utf-8") as file:
        for content in objects:
            file.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")
