"""A snapshot on disk, made for git: a sorted text, a line per thing, and the klines beside it.

``CASE.txt`` has one line per figure, so that a diff shows what moved and a merge of two changes
works. ``CASE.klines.csv.xz`` are the canonical klines, so that a changed digit can be named. It is
rewritten only when a kline changed: another compressor alone changes nothing.
"""

from __future__ import annotations

import lzma
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from kline_harness.errors import InputError, OutputError
from kline_harness.gate.canonical import HEADER, Days, group
from kline_harness.gate.snapshot import Figures, Snapshot

TITLE = "# kline-harness gate baseline 1: written by `kline-harness gate SUITE --update`"
_COMMAS = HEADER.count(",")


def names(directory: Path) -> list[str]:
    """Return the cases that have a baseline."""
    return sorted(path.stem for path in directory.glob("*.txt") if _is_baseline(path))


def read(directory: Path, name: str) -> Snapshot | None:
    """Return the baseline of a case, None when there is none.

    The klines are empty when their file is gone; the judge says so then.

    Raises InputError for a line that is none, such as the marks of an unfinished merge.
    """
    text, klines = _paths(directory, name)
    if not text.is_file():
        return None
    return Snapshot(_read_figures(text), _read_klines(klines) if klines.is_file() else {})


def write(directory: Path, name: str, now: Snapshot, before: Snapshot | None) -> None:
    """Store the baseline of a case; `before` is the one it replaces.

    Raises OutputError when it cannot be written.
    """
    text, klines = _paths(directory, name)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if before is None or before.klines != now.klines or not klines.is_file():
            content = "".join(f"{line}\n" for line in _kline_lines(now.klines))
            _replace(klines, lzma.compress(content.encode(), preset=9))
        content = "".join(f"{line}\n" for line in _figure_lines(now.figures))
        _replace(text, content.encode())
    except OSError as error:
        raise OutputError(f"{error.filename}: cannot be written: {error.strerror}") from error


def remove(directory: Path, name: str) -> None:
    """Delete the baseline of a case.

    Raises OutputError when it cannot be deleted.
    """
    try:
        for path in _paths(directory, name):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{error.filename}: cannot be deleted: {error.strerror}") from error


def _paths(directory: Path, name: str) -> tuple[Path, Path]:
    return directory / f"{name}.txt", directory / f"{name}.klines.csv.xz"


def _is_baseline(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline().rstrip() == TITLE.encode()


def _figure_lines(figures: Figures) -> Iterator[str]:
    yield TITLE
    for key, pairs in sorted(figures.items()):
        yield " ".join([key, *(f"{name}={value}" for name, value in pairs.items())])


def _kline_lines(days: Days) -> Iterator[str]:
    yield HEADER
    for day in sorted(days):
        yield from days[day]


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _read_figures(path: Path) -> Figures:
    figures: dict[str, dict[str, str]] = {}
    for number, line in enumerate(_lines(path, path.read_bytes()), start=1):
        if number == 1 and line != TITLE:
            raise InputError(path, f"the first line {TITLE!r}", repr(line[:80]), line=1)
        if line.startswith("#"):
            continue
        words = line.split(" ")
        key = " ".join(word for word in words if "=" not in word)
        pairs = dict(word.split("=", 1) for word in words if "=" in word)
        if not pairs or not key or line != _joined(key, pairs):
            raise InputError(path, "words and NAME=VALUE pairs", repr(line[:80]), line=number)
        if key in figures:
            raise InputError(path, "each line once", f"{key!r} again", line=number)
        figures[key] = pairs
    return figures


def _joined(key: str, pairs: dict[str, str]) -> str:
    return " ".join([key, *(f"{name}={value}" for name, value in pairs.items())])


def _read_klines(path: Path) -> Days:
    try:
        content = lzma.decompress(path.read_bytes())
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(path, "an xz file of klines", "another or a cut-off one") from error
    lines = _lines(path, content)
    if not lines or lines[0] != HEADER:
        raise InputError(path, f"the header {HEADER}", repr("".join(lines[:1])[:80]), line=1)
    return group(_checked(path, lines[1:]))


def _checked(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=2):
        if line.count(",") != _COMMAS:
            raise InputError(path, f"{_COMMAS + 1} columns", repr(line[:80]), line=number)
        yield line


def _lines(path: Path, content: bytes) -> list[str]:
    try:
        # Git may have turned the ends of lines, where it was told to.
        return content.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(path, "UTF-8 text", "other bytes") from error
