"""A file of any form as lines of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kline_harness.archives.arrow_file import holds_klines
from kline_harness.archives.compressed import TextFile, is_table
from kline_harness.archives.kline_table import KlineTableText
from kline_harness.archives.layout import BOM, Layout
from kline_harness.archives.replies import Reply, is_reply
from kline_harness.errors import InputError


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of lines, and what its first ones tell: its layout, and "trades" or "klines"."""

    file: TextFile
    layout: Layout
    holds: str


def open_text(path: Path | str) -> TextFile:
    """Open a file of lines, a saved reply or a table of klines as one.

    Raises InputError as `TextFile` does, and for a table of anything else: its columns must be
    named by a column map.
    """
    if is_table(path):
        if holds_klines(path):
            return KlineTableText(path)
        raise InputError(path, "a column map (--columns) for a table that is no klines", "none")
    file = TextFile(path)
    head = file.head().removeprefix(BOM).lstrip()
    return Reply(path) if head.startswith((b"{", b"[")) and is_reply(head) else file
