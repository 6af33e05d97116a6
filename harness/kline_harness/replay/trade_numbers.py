"""How files of one symbol go on: which are refused together, and numbers where none are stated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kline_harness.archives import FileInfo, TradeFile
from kline_harness.errors import UsageError
from kline_harness.tape import Tape


@dataclass(slots=True)
class _Reached:
    """How far the files of a symbol have been numbered, and the one read last."""

    trades: int
    last_time_ns: int
    path: str


class Numbering:
    """Numbers such trades in order of time over all files of a symbol.

    The numbers tell trades apart and put them in order; the ids of raw trades stay unknown (-1).
    `touching` are pairs of files of which the second begins at the very time at which the first
    ends: without ids nobody can tell whether a trade stands in both.
    """

    def __init__(self) -> None:
        self.touching: list[dict[str, Any]] = []
        self._reached: dict[str, _Reached] = {}

    def clear(self) -> None:
        """Begin again with the first file."""
        self.touching.clear()
        self._reached.clear()

    def tapes(self, file: TradeFile, chunks: Iterator[Tape]) -> Iterator[Tape]:
        """Yield a file's trades, as it is read, numbered after those of the files before it.

        Raises UsageError where the file reaches back into the time of the one before.
        """
        numbered = 0
        if file.peek().ids_stated:
            yield from chunks
            return
        for tape in chunks:
            if len(tape) == 0:
                yield tape
                continue
            symbol = tape.symbol_text(0)
            reached = self._reached.setdefault(symbol, _Reached(0, 0, file.path))
            if numbered == 0:
                self._join(symbol, reached, file.path, int(tape.event_time_ns[0]))
            # The file's own numbers count its rows, those of other symbols included.
            first = reached.trades + 1 - int(tape.trade_id[0])
            ids = tape.trade_id + first
            numbered += len(tape)
            reached.trades = int(ids[-1])
            reached.last_time_ns = int(tape.event_time_ns[-1])
            none = np.full(len(ids), -1, dtype=np.int64)
            yield tape.with_columns({"trade_id": ids, "first_id": none, "last_id": none})

    def _join(self, symbol: str, reached: _Reached, path: str, time_ns: int) -> None:
        if reached.trades and time_ns < reached.last_time_ns:
            raise UsageError(
                f"{reached.path} and {path} hold {symbol} trades of the same time, and their "
                "source states no trade ids to tell them apart by: give one of them"
            )
        if reached.trades and time_ns == reached.last_time_ns:
            files = [Path(reached.path).name, Path(path).name]
            self.touching.append({"symbol": symbol, "time_ns": time_ns, "files": files})
        reached.path = path


def refuse_mixture(infos: Sequence[FileInfo]) -> None:
    """Refuse files of one symbol of which some state trade ids and some do not.

    Raises UsageError, naming a file of each sort.
    """
    first: dict[str, FileInfo] = {}
    for info in infos:
        for symbol in info.symbols:
            other = first.setdefault(symbol, info)
            if other.ids_stated is not info.ids_stated:
                without, having = (info, other) if other.ids_stated else (other, info)
                raise UsageError(
                    f"{having.path} states ids of {symbol} trades and {without.path} does not: "
                    "give files of one sort"
                )


def refuse_overlap(infos: Sequence[FileInfo]) -> None:
    """Refuse two files that hold the same symbol's trades of the same time.

    Raises UsageError, naming both.
    """
    seen: dict[str, FileInfo] = {}
    for info in infos:
        for symbol in info.symbols:
            before = seen.get(symbol)
            if before is not None and _same_start(before, info):
                raise UsageError(
                    f"{before.path} and {info.path} both hold {symbol} trades of the same "
                    "time: give one of them"
                )
            seen[symbol] = info


def _same_start(first: FileInfo, second: FileInfo) -> bool:
    if first.coverage and second.coverage:
        return first.coverage[0] < second.coverage[1] and second.coverage[0] < first.coverage[1]
    # Files without a trade of the symbol have no time.
    return first.first_event_time_ns == second.first_event_time_ns is not None
