"""The files that somebody means who names a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kline_harness.archives.column_map import ColumnMap
from kline_harness.archives.file_names import name_coverage
from kline_harness.archives.mapped_text import is_mapped
from kline_harness.archives.opened import open_text
from kline_harness.archives.recognition import sniff
from kline_harness.errors import Damaged, InputError

# A run folder's own klines are nobody's archive.
_RUN = "run.json"
_NEITHER = "neither trades nor klines"


def files_given(
    paths: Sequence[Path], columns: ColumnMap | None = None
) -> tuple[list[Path], dict[str, str]]:
    """Return the files given, and in place of a directory those in it of trades and klines.

    Second are the directories' other files by name, with what they hold. A damaged file, and one
    that is named for a day, is taken whatever it holds: what is wrong with it is to be said.

    Raises InputError for a directory without a file of trades or klines.
    """
    files: list[Path] = []
    left_out: dict[str, str] = {}
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        within = list(_within(path))
        meant = [one for one in within if _is_meant(one, columns)]
        if not meant:
            raise InputError(path, "a directory with files of trades or klines", "none")
        files += meant
        left_out |= {one.name: _NEITHER for one in within if one not in meant}
    return files, left_out


def _within(directory: Path) -> Iterator[Path]:
    """Yield the files of a directory and of those in it, but for run folders, by name."""
    for folder, folders, names in os.walk(directory):
        if _RUN in names:
            folders.clear()
            continue
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names))


def _is_meant(path: Path, columns: ColumnMap | None) -> bool:
    if name_coverage(path.name) is not None:
        return path.suffix != ".CHECKSUM"
    try:
        if columns is not None and is_mapped(path, columns):
            return True
        sniff(open_text(path))
    except Damaged:
        return True
    except InputError:
        return False
    return True
