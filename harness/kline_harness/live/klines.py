"""The klines that a page shows: finals as published, the one that is forming, the exchange's."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from kline_harness.archives import ExchangeKlines
from kline_harness.archives.kline_rows import KlineRows
from kline_harness.columns import Rows, concat
from kline_harness.interval import CODE, Interval
from kline_harness.kept_klines import KeptKlines
from kline_harness.kline import KlineBatch
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_SECOND, Int64Array, format_exact

# Finals kept on disk for the page: a day of 500 symbols. What is older is in the run folder.
ROWS_MAX = 2_000_000
# Trades kept for the kline that is forming.
TRADES_MAX = 2_000_000

# Of the page: [open time in s, open, high, low, close, volume, trades, final].
Row = list[Any]
_Side: TypeAlias = Literal["left", "right"]


class FinalsLog:
    """Finals as they were published, on disk; the oldest are let go where there are too many.

    A cursor says how many of them were seen: `end` is that of everything.
    """

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        # They are let go some at a time, as the disk gets its room back.
        self._rows_of_part = max(1, rows_max // 4)
        self._rows_max = rows_max
        self._parts = [KeptKlines()]
        self._first = 0
        self.end = 0
        # Where each batch begins, and until when it, and those before it, were published.
        self._begins: list[int] = []
        self._latest: list[int] = []

    def add(self, klines: KlineBatch) -> None:
        """Keep what was published at once."""
        self._begins.append(self.end)
        self._latest.append(max([int(klines.at_ns.max()), *self._latest[-1:]]))
        if len(self._parts[-1]) >= self._rows_of_part:
            self._parts.append(KeptKlines())
        self._parts[-1].add(Rows.all(klines))
        self.end += len(klines)
        while self.end - self._first > self._rows_max and len(self._parts) > 1:
            self._first += len(self._parts.pop(0))

    def since_ns(self, at_ns: int) -> int:
        """Return the cursor before everything that was published at an instant or later."""
        place = bisect_left(self._latest, at_ns)
        return self._begins[place] if place < len(self._begins) else self.end

    def since(self, cursor: int, symbol: str, interval: Interval) -> Iterator[KlineBatch]:
        """Yield the finals of a series that came after a cursor."""
        start = self._first
        for part in self._parts:
            for number in range(part.blocks):
                if start + part.rows_of(number) > cursor:
                    batch = part.piece(number)[max(0, cursor - start) :]
                    chosen = batch.of_symbol(symbol) & (batch.interval == CODE[interval])
                    if chosen.any():
                        yield batch.take(chosen)
                start += part.rows_of(number)


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


class GivenKlines:
    """The exchange's klines that were given, by series; their rows are not copied."""

    def __init__(self, given: Sequence[ExchangeKlines]) -> None:
        found: dict[tuple[str, str], list[ExchangeKlines]] = {}
        for one in given:
            found.setdefault((one.symbol, one.interval.text), []).append(one)
        self._given = found
        self._rows: dict[tuple[str, str], _Series] = {}

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

    def opens_ns(self, symbol: str, interval: str) -> Int64Array:
        """Return the open times of a series in order; none where there are none."""
        return self._series(symbol, interval).opens_ns

    def beside(
        self, ours: KlineBatch, symbol: str, interval: str, side: _Side = "left"
    ) -> tuple[KlineBatch, KlineBatch]:
        """Return those of our klines that the series has, and the series' own.

        Of rows of one open time it is the first, or with "right" the last.
        """
        series = self._series(symbol, interval)
        opens = series.opens_ns
        if not len(opens):
            return ours[:0], ours[:0]
        place = np.searchsorted(opens, ours.open_time_ns, side) - (side == "right")
        place = np.clip(place, 0, len(opens) - 1)
        both = opens[place] == ours.open_time_ns
        if not both.any():
            return ours[:0], ours[:0]
        return ours.take(both), series.take(place[both])

    def between(self, symbol: str, interval: str, from_ns: int, until_ns: int) -> list[Row]:
        """Return the rows of a series that open from an instant on and before another."""
        series = self._series(symbol, interval)
        first, last = np.searchsorted(series.opens_ns, [from_ns, until_ns]).tolist()
        if first >= last:
            return []
        return rows_of(series.take(np.arange(first, last)), self.fields(symbol, interval))

    def _series(self, symbol: str, interval: str) -> _Series:
        key = (symbol, interval)
        if key not in self._rows:
            self._rows[key] = _Series([one.rows for one in self._given.get(key, ())])
        return self._rows[key]


class _Series:
    """The klines of some files of one series by open time, equal ones as the files follow."""

    def __init__(self, files: Sequence[KlineRows]) -> None:
        self._files = files
        self._starts = np.cumsum([0, *map(len, files)], dtype=np.int64)
        times = [file.opens_ns() for file in files] or [np.empty(0, np.int64)]
        opens = times[0] if len(times) == 1 else np.concatenate(times)
        self._order = None
        if np.any(opens[1:] < opens[:-1]):
            self._order = np.argsort(opens, kind="stable")
            opens = opens[self._order]
        self.opens_ns: Int64Array = opens

    def take(self, places: Int64Array) -> KlineBatch:
        """Return klines by their places in the order of open times."""
        rows = places if self._order is None else self._order[places]
        file = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(file, kind="stable")
        parts: list[KlineBatch] = [
            self._files[number].take(rows[file == number] - self._starts[number])[0]
            for number in np.unique(file).tolist()
        ]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        found: KlineBatch = concat(parts)
        return found.take(back)
