"""One symbol's trades of a file, handed out up to an id."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kline_harness.archives import TradeFile
from kline_harness.tape import Tape


class TradeReader:
    """Hands a file's trades of a symbol out in order of an id, `trade_id` or `last_id`."""

    def __init__(self, file: TradeFile, symbol: str, by: str = "trade_id") -> None:
        self._tapes: Iterator[Tape] = (tape.take(tape.of_symbol(symbol)) for tape in file.chunks())
        self._by = by
        self._held: Tape | None = None

    @property
    def last(self) -> int:
        """The last id at hand."""
        assert self._held is not None
        return int(getattr(self._held, self._by)[-1])

    def fill(self) -> bool:
        """See that there are trades at hand; false at the end of the file."""
        while self._held is None or len(self._held) == 0:
            self._held = next(self._tapes, None)
            if self._held is None:
                return False
        return True

    def take(self, until_id: int) -> Tape:
        """Hand out the trades at hand up to an id."""
        assert self._held is not None
        ids = getattr(self._held, self._by)
        cut = int(np.searchsorted(ids, until_id, side="right"))
        taken, self._held = self._held[:cut], self._held[cut:]
        return taken
