"""The files of a directory or pattern that a replay reads, and files of which some hold klines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kline_harness.archives.column_map import ColumnMap
from kline_harness.archives.compressed import EMPTY
from kline_harness.archives.file_names import name_coverage
from kline_harness.archives.kline_rows import RowSpool
from kline_harness.archives.klines import ExchangeKlines, NoClosedKlines, read_all_klines
from kline_harness.archives.mapped_text import is_mapped
from kline_harness.archives.name_claims import another_pair
from kline_harness.archives.recognition import open_text, sniff
from kline_harness.errors import Damaged, InputError, OtherKind

# A run folder's own klines are nobody's archive.
_RUN = "run.json"
_NEITHER = "neither trades nor klines"
NOT_KNOWN = "nothing that is known"
NO_CLOSED_KLINES = "a recording without closed klines"


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
        known = set(meant)
        left_out |= {one.name: _NEITHER for one in within if one not in known}
    return files, left_out


def files_of_symbol(
    paths: list[Path], left_out: dict[str, str], symbol: str | None
) -> tuple[list[Path], dict[str, str]]:
    """Return the files that are not named for another pair than the given symbol, if some are.

    Those that are join the files that were left out, by name, with what they hold.
    """
    others = {path: another_pair(symbol, str(path)) for path in paths if symbol}
    mine = [path for path in paths if not others.get(path)]
    if not mine:
        return paths, left_out
    named = {path.name: f"the symbol {other}" for path, other in others.items() if other}
    return mine, {**left_out, **named}


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


class KlineFiles:
    """Files of which some hold klines; `left_out` says by name what each of the others holds."""

    def __init__(self, paths: Sequence[Path], symbol: str | None = None) -> None:
        self._paths = paths
        self._symbol = symbol
        self.left_out: dict[str, str] = {}
        self._why: dict[Path, InputError] = {}

    def klines(self) -> Iterator[ExchangeKlines]:
        """Yield the klines of every symbol and interval, those of a file whole.

        Raises InputError for a file that is not there, that is damaged, or named for a day and
        nothing known; and for the first file where none of them holds klines.
        """
        held, spool = False, RowSpool() if self._paths else None
        for path in self._paths:
            kind = self._kind(path)
            found = self._read(path, spool) if kind in ("klines", "stream") else []
            if others := [one.symbol for one in found if self._symbol not in (None, one.symbol)]:
                kind, found = f"the symbol {others[0]}", []
            held = held or bool(found)
            yield from found
            if not found:
                is_stream = kind == "stream"
                self.left_out[path.name] = NO_CLOSED_KLINES if is_stream else kind
        if self.left_out and not held:
            first = self._paths[0]
            # What is odd with a file says more than that it holds nothing known.
            other = InputError(first, "klines", self.left_out[first.name])
            raise self._why.get(first, other)

    def _kind(self, path: Path) -> str:
        try:
            return sniff(open_text(path)).kind
        except OtherKind as other:
            # An empty file in the place of klines of a day is no file of another kind.
            if other.kind == EMPTY and name_coverage(path.name):
                raise
            return other.kind
        except Damaged:
            raise
        except InputError as error:
            if not path.is_file() or name_coverage(path.name):
                raise
            self._why[path] = error
            return NOT_KNOWN

    def _read(self, path: Path, spool: RowSpool | None) -> list[ExchangeKlines]:
        try:
            return read_all_klines(path, symbol=self._symbol, spool=spool)
        except NoClosedKlines:
            return []
