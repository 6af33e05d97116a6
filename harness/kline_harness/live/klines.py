"""The klines that a page shows: finals as published, the one that is forming, the exchange's."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kline_harness.archives import ExchangeKlines
from kline_harness.columns import concat
from kline_harness.interval import CODE, Interval
from kline_harness.kline import KlineBatch
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_SECOND, format_exact

# Finals kept for the page: a day of 500 symbols. What is older is in the run folder.
ROWS_MAX = 2_000_000
# Trades kept for the kline that is forming.
TRADES_MAX = 2_000_000

# Of the page: [open time in s, open, high, low, close, volume, trades, final].
Row = list[Any]


class FinalsLog:
    """Finals as they were published; the oldest are let go where there are too many.

    A cursor says how much of it was seen: `end` is that of everything.
    """

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._rows_max = rows_max
        self._batches: list[KlineBatch] = []
        # Until when each of them, and those before it, were published.
        self._latest: list[int] = []
        self._first = 0
        self._rows = 0

    @property
    def end(self) -> int:
        """Return the cursor after everything that is here."""
        return self._first + len(self._batches)

    def add(self, klines: KlineBatch) -> None:
        """Keep what was published at once."""
        self._batches.append(klines)
        self._latest.append(max([int(klines.at_ns.max()), *self._latest[-1:]]))
        self._rows += len(klines)
        while self._rows > self._rows_max and len(self._batches) > 1:
            oldest = self._batches.pop(0)
            del self._latest[0]
            self._first += 1
            self._rows -= len(oldest)

    def since_ns(self, at_ns: int) -> int:
        """Return the cursor before everything that was published at an instant or later."""
        return self._first + bisect_left(self._latest, at_ns)

    def since(self, cursor: int, symbol: str, interval: Interval) -> Iterator[KlineBatch]:
        """Yield the finals of a series that came after a cursor."""
        for batch in self._batches[max(0, cursor - self._first) :]:
            chosen = batch.of_symbol(symbol) & (batch.interval == CODE[interval])
            if chosen.any():
                yield batch.take(chosen)


class RecentTrades:
    """Trades that were given and may belong to a kline of the `finest` interval that is not final.

    A cursor says how much of them was seen, as in `FinalsLog`.
    """

    def __init__(self, finest: Interval) -> None:
        self._finest = finest
        self._pieces: list[Tape] = []
        self._first = 0
        self._rows = 0

    @property
    def end(self) -> int:
        """Return the cursor after everything that is here."""
        return self._first + len(self._pieces)

    def add(self, trades: Tape) -> None:
        """Take the next trades, and let go of those whose kline is final by now."""
        self._pieces.append(trades)
        self._rows += len(trades)
        # A kline is final some time after the first trade of the next one: its trades stay.
        open_ns = self._finest.open_time_ns(int(trades.event_time_ns.max()))
        open_ns = self._finest.open_time_ns(open_ns - 1)
        gone = 0
        while gone < len(self._pieces) - 1:
            oldest = self._pieces[gone]
            if self._rows <= TRADES_MAX and int(oldest.event_time_ns.max()) >= open_ns:
                break
            gone += 1
            self._rows -= len(oldest)
        del self._pieces[:gone]
        self._first += gone

    def since(self, cursor: int, symbol: str, begin_ns: int) -> Tape | None:
        """Return the market trades of a symbol that came after a cursor, of an instant or later."""
        found = []
        for piece in self._pieces[max(0, cursor - self._first) :]:
            rows = piece.of_symbol(symbol) & (piece.event_time_ns >= begin_ns)
            rows &= piece.kind == TradeKind.MARKET
            if rows.any():
                found.append(piece.take(rows))
        return concat(found) if found else None


def rows_of(klines: KlineBatch, fields: Sequence[str] | None = None) -> list[Row]:
    """Return klines of one symbol as rows of the page; None for fields that their source lacks."""
    if not len(klines):
        return []
    instrument = klines.instruments[int(klines.symbol[0])]
    scales = {
        **dict.fromkeys(("open", "high", "low", "close"), instrument.price_scale),
        "volume": instrument.quantity_scale,
    }
    columns: list[list[Any]] = [(klines.open_time_ns // NS_PER_SECOND).tolist()]
    for name, scale in scales.items():
        has = fields is None or name in fields
        values = getattr(klines, name).tolist()
        columns.append([format_exact(v, scale) for v in values] if has else [None] * len(values))
    has_count = fields is None or "count" in fields
    columns.append(klines.count.tolist() if has_count else [None] * len(klines))
    columns.append([1] * len(klines))
    return [list(row) for row in zip(*columns, strict=True)]


class TheirKlines:
    """The exchange's klines by series, where they were given."""

    def __init__(self, given: Sequence[ExchangeKlines]) -> None:
        found: dict[tuple[str, str], list[ExchangeKlines]] = {}
        for one in given:
            found.setdefault((one.symbol, one.interval.text), []).append(one)
        self._given = found
        self._tables: dict[tuple[str, str], KlineBatch] = {}

    def series(self) -> list[tuple[str, str]]:
        """Return the symbol and interval of every series."""
        return list(self._given)

    def fields(self, symbol: str, interval: str) -> tuple[str, ...]:
        """Return the fields that every source of a series has."""
        given = self._given[symbol, interval]
        return tuple(name for name in given[0].fields if all(name in one.fields for one in given))

    def source(self, symbol: str, interval: str) -> str:
        """Return the path of the first file of a series."""
        return self._given[symbol, interval][0].info.path

    def table(self, symbol: str, interval: str) -> KlineBatch:
        """Return the klines of a series by open time; none where there are none."""
        key = (symbol, interval)
        if key not in self._given:
            return KlineBatch.empty()
        if key not in self._tables:
            whole = concat([one.batch for one in self._given[key]])
            self._tables[key] = whole.take(np.argsort(whole.open_time_ns, kind="stable"))
        return self._tables[key]

    def between(self, symbol: str, interval: str, from_ns: int, until_ns: int) -> list[Row]:
        """Return the rows of a series that open from an instant on and before another."""
        table = self.table(symbol, interval)
        first, last = np.searchsorted(table.open_time_ns, [from_ns, until_ns]).tolist()
        if first >= last:
            return []
        return rows_of(table[first:last], self.fields(symbol, interval))
