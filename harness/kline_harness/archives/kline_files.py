"""The klines among files in any mixture, such as all of one day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kline_harness.archives.compressed import EMPTY
from kline_harness.archives.file_names import name_coverage
from kline_harness.archives.klines import ExchangeKlines, NoClosedKlines, read_all_klines
from kline_harness.archives.opened import open_text
from kline_harness.archives.recognition import sniff
from kline_harness.errors import Damaged, InputError, OtherKind

NOT_KNOWN = "nothing that is known"
NO_CLOSED_KLINES = "a recording without closed klines"


class KlineFiles:
    """Files of which some hold klines; `left_out` says by name what each of the others holds."""

    def __init__(self, paths: Sequence[Path], symbol: str | None = None) -> None:
        self._paths = paths
        self._symbol = symbol
        self.left_out: dict[str, str] = {}

    def klines(self) -> Iterator[ExchangeKlines]:
        """Yield the klines of every symbol and interval, those of a file whole.

        Raises InputError for a file that is not there, that is damaged, or named for a day and
        nothing known; and for the first file where none of them holds klines.
        """
        held = False
        for path in self._paths:
            kind = self._kind(path)
            found = self._read(path) if kind in ("klines", "stream") else []
            held = held or bool(found)
            yield from found
            if not found:
                is_stream = kind == "stream"
                self.left_out[path.name] = NO_CLOSED_KLINES if is_stream else kind
        if self.left_out and not held:
            raise InputError(self._paths[0], "klines", self.left_out[self._paths[0].name])

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
        except InputError:
            if not path.is_file() or name_coverage(path.name):
                raise
            return NOT_KNOWN

    def _read(self, path: Path) -> list[ExchangeKlines]:
        try:
            return read_all_klines(path, symbol=self._symbol)
        except NoClosedKlines:
            return []
