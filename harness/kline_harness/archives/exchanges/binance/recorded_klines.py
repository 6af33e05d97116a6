"""Closed klines of a recording: what the exchange's stream stated as final."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from kline_harness.archives.compressed import TextFile
from kline_harness.archives.exchanges.binance import KLINE_COLUMNS
from kline_harness.archives.exchanges.binance.messages import TRADE_IN_TEXT, Line, lines_of
from kline_harness.archives.made_text import GivenText
from kline_harness.ledger import Equation

# Source: Binance's stream documents, "Kline/Candlestick Streams": x tells that the kline is closed.
_FIELDS = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
_CLOSED_IN_TEXT = re.compile(rb'"x"\s*:\s*true')
_KLINE_IN_TEXT = re.compile(rb'"e"\s*:\s*"(?:continuous_)?kline"')
_HEADER = ",".join(KLINE_COLUMNS[: len(_FIELDS)])


class RecordedKlines:
    """Reads the closed klines of a recording, by symbol and interval, in the order received.

    `skipped` counts every other message: klines that are still forming, trades, answers.
    """

    def __init__(self, file: TextFile, symbol: str | None) -> None:
        self.skipped = 0
        self._file = file
        self._only = symbol
        self._lines = {"of messages": 0, "blank": 0}
        self._closed = {"rows read": 0, "not asked for": 0}
        self._in_text = 0

    def texts(self) -> dict[tuple[str, str], GivenText]:
        """Return, for each symbol and interval, its closed klines as a file of lines.

        Raises InputError for a line that is no message.
        """
        rows: dict[tuple[str, str], list[str]] = {}
        number = 0
        for block in self._file.blocks():
            self._in_text += len(_CLOSED_IN_TEXT.findall(block))
            for text in lines_of(block):
                number += 1
                if text.strip():
                    self._take(Line(self._file.path, number, text), rows)
                else:
                    self._lines["blank"] += 1
        return {
            name: GivenText(self._file, "\n".join([_HEADER, *found, ""]).encode())
            for name, found in rows.items()
        }

    def equations(self) -> list[Equation]:
        """Return the laws that every line is a message, and every closed kline a row read."""
        name, lines = Path(self._file.path).name, self._file.lines
        total = -1 if lines is None else lines
        return [
            Equation("lines of a file", name, total, dict(self._lines)),
            Equation("closed klines in a recording", name, self._in_text, dict(self._closed)),
        ]

    def _take(self, line: Line, rows: dict[tuple[str, str], list[str]]) -> None:
        self._lines["of messages"] += 1
        for event in line.messages():
            kline = event.get("k") if event.get("e") in ("kline", "continuous_kline") else None
            if not isinstance(kline, dict) or kline.get("x") is not True:
                self.skipped += 1
                continue
            # The pair of a continuous contract stands beside its kline.
            symbol, interval = kline.get("s", event.get("ps")), kline.get("i")
            if not isinstance(symbol, str) or not isinstance(interval, str):
                line.fail("a kline with symbol s and interval i", line.text)
            if self._only not in (None, symbol):
                self._closed["not asked for"] += 1
                self.skipped += 1
                continue
            self._closed["rows read"] += 1
            rows.setdefault((symbol, interval), []).append(self._row(line, kline))

    @staticmethod
    def _row(line: Line, kline: dict[str, Any]) -> str:
        values = [kline.get(name) for name in _FIELDS]
        for name, value in zip(_FIELDS, values, strict=True):
            if type(value) not in (str, int) or not str(value).strip() or "," in str(value):
                line.fail(f"a number for {name}", value)
        return ",".join(map(str, values))


def holds_only_klines(file: TextFile) -> bool:
    """Tell whether a recording has closed klines and no trade anywhere; trades come first."""
    head = file.head()
    if TRADE_IN_TEXT.search(head) or not _KLINE_IN_TEXT.search(head):
        return False
    closed = False
    for block in file.blocks():
        if TRADE_IN_TEXT.search(block):
            return False
        closed = closed or _CLOSED_IN_TEXT.search(block) is not None
    return closed
