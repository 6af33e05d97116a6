"""A snapshot on disk, made for git: a sorted text, a line per thing, and the klines beside it.

``CASE.txt`` has one line per figure, so that a diff shows what moved and a merge of two changes
works. ``CASE.klines.csv.xz`` are the canonical klines, so that a changed digit can be named. It is
rewritten only when a kline changed: another compressor alone changes nothing.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

from kline_harness.errors import InputError, OutputError
from kline_harness.gate.canonical import HEADER
from kline_harness.gate.days import Days
from kline_harness.gate.snapshot import Figures, Snapshot
from kline_harness.whole_file import replacing, write_whole

TITLE = "# kline-harness gate baseline 1: written by `kline-harness gate SUITE --update`"
_COMMAS = HEADER.count(",")
# It looks back on 2 MB of text, for 24 MB of memory; 64 MB take 670.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 21}]


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
    return Snapshot(_read_figures(text), _read_klines(klines) if klines.is_file() else Days())


def write(directory: Path, name: str, now: Snapshot, before: Snapshot | None) -> None:
    """Store the baseline of a case; `before` is the one it replaces.

    Raises OutputError when it cannot be written.
    """
    text, klines = _paths(directory, name)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if before is None or before.klines != now.klines or not klines.is_file():
            with replacing(klines) as part, part.open("wb") as file:
                file.writelines(_packed(now.klines))
        write_whole(text, "".join(f"{line}\n" for line in _figure_lines(now.figures)))
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


def _packed(days: Days) -> Iterator[bytes]:
    packer = lzma.LZMACompressor(filters=_FILTERS)
    yield packer.compress(f"{HEADER}\n".encode())
    for day in days:
        yield packer.compress(days.text(day))
    yield packer.flush()


def _read_figures(path: Path) -> Figures:
    figures: dict[str, dict[str, str]] = {}
    lines = _lines(path, BytesIO(path.read_bytes()))
    first = next(lines, "")
    if first != TITLE:
        raise InputError(path, f"the first line {TITLE!r}", repr(first[:80]), line=1)
    for number, line in enumerate(lines, start=2):
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
        with lzma.open(path) as file:
            lines = _lines(path, file)
            first = next(lines, "")
            if first != HEADER:
                raise InputError(path, f"the header {HEADER}", repr(first[:80]), line=1)
            return Days(_checked(path, lines))
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(path, "an xz file of klines", "another or a cut-off one") from error


def _checked(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=2):
        if line.count(",") != _COMMAS:
            raise InputError(path, f"{_COMMAS + 1} columns", repr(line[:80]), line=number)
        yield line


def _lines(path: Path, file: IO[bytes]) -> Iterator[str]:
    try:
        for line in file:
            # Git may have turned the ends of lines, where it was told to.
            ended = line.endswith(b"\n")
            yield line[:-1].removesuffix(b"\r").decode() if ended else line.decode()
    except UnicodeDecodeError as error:
        raise InputError(path, "UTF-8 text", "other bytes") from error
