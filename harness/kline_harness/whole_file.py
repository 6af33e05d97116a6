"""Files that appear whole or not at all: a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(place: Path) -> Iterator[Path]:
    """Yield a path beside `place` for a file that takes its place when the block ends well."""
    part = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        os.replace(part, place)
    finally:
        part.unlink(missing_ok=True)


def write_whole(place: Path, text: str) -> None:
    """Write a text file; half of a surrogate pair, which UTF-8 cannot say, is a question mark."""
    with replacing(place) as part:
        part.write_bytes(text.encode("utf-8", "replace"))


def write_json(place: Path, content: Mapping[str, Any]) -> None:
    """Write one JSON object, readable and in the order given."""
    write_whole(place, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
