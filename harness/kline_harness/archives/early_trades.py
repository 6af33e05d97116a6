"""A file of trades that a thread begins to read while the replay is still imported."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from kline_harness.archives import opened
from kline_harness.archives.trade_file import TradeFile

# Less is read before a thread would have begun with it.
_BYTES_MIN = 1 << 20


class EarlyTrades:
    """Opens a file in a thread, and reads its first trades there, until it is taken or closed.

    What is wrong with a file is raised where it is opened again: nothing is taken then.
    """

    def __init__(
        self, path: Path, symbol: str | None, market: str | None, contract_size: Decimal | None
    ) -> None:
        self._asked = (path, symbol, market, contract_size)
        self._file: TradeFile | None = None
        self._thread = threading.Thread(target=self._open, name="early", daemon=True)
        self._thread.start()

    def __enter__(self) -> EarlyTrades:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, unless it was taken."""
        self._thread.join()
        file, self._file = self._file, None
        if file is not None:
            file.forget_begun()

    def take(
        self,
        paths: Sequence[Path],
        symbol: str | None,
        market: str | None,
        contract_size: Decimal | None,
    ) -> TradeFile | None:
        """Return the file, once it is open, if it is what was asked for and has trades."""
        if (*paths, symbol, market, contract_size) != self._asked:
            return None
        self._thread.join()
        file, self._file = self._file, None
        return file

    def _open(self) -> None:
        path, symbol, market, size = self._asked
        try:
            known = opened(path)
            if known.holds != "trades" or known.file.size < _BYTES_MIN:
                return
            file = TradeFile(path, symbol=symbol, market=market, contract_size=size, known=known)
            file.peek()
        except Exception:
            # A crash, too, is told once, where it is no thread's.
            return
        file.begin()
        self._file = file
