"""How the lines of a file are to be read: kind, header, columns, time unit, whose they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from kline_harness.archives.exchange import Dialect
from kline_harness.units import TimeUnit

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file.

    `kind` aggTrades, trades, klines or stream; `header` whether the first line names the columns;
    `columns` the meaning of each column in order ("" where it has none here; empty for a
    stream); `unit` of its times (None for a stream, whose events tell); `dialect` for trades that
    are not in Binance's columns; `iso` for klines whose open times are dates and times in UTC;
    `unread` the header's names that mean nothing known; `preamble` lines before the header, such
    as an address; `source` the name of the exchange or seller whose form it is.
    """

    kind: str
    header: bool
    columns: tuple[str, ...]
    unit: TimeUnit | None
    dialect: Dialect | None = None
    iso: bool = False
    unread: tuple[str, ...] = ()
    preamble: int = 0
    source: str = field(kw_only=True)

    def strip(self, first_block: bytes) -> bytes:
        """Return the first block without byte order mark and the lines before the first row."""
        text = first_block.removeprefix(BOM)
        for _ in range(self.first_line - 1):
            text = text[text.find(b"\n") + 1 or len(text) :]
        return text

    @property
    def first_line(self) -> int:
        """The line number of the first data row."""
        return 1 + self.preamble + self.header
