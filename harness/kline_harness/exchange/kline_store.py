"""Klines that are over, as rows of REST replies, on disk; an index of them in memory."""

from __future__ import annotations

import os
import tempfile
from array import array
from bisect import bisect_left

from kline_harness.errors import OutputError
from kline_harness.exchange.kline_text import rows_of
from kline_harness.interval import CODE, Interval
from kline_harness.kline import KlineBatch
from kline_harness.units import INT64_MAX

_LENGTH_BITS = 16


class _Series:
    """Open times and places of one symbol's and interval's rows, in order of time."""

    def __init__(self) -> None:
        self.opens = array("q")
        self.places = array("q")


class KlineStore:
    """Takes each kline once, in order of its series, and returns the text of a window of them."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, int], _Series] = {}
        self._file = tempfile.TemporaryFile(prefix="kline-harness-klines-")  # noqa: SIM115
        self._end = 0

    def add(self, batch: KlineBatch) -> None:
        """Take klines; one that does not follow the last of its series is left out.

        Raises OutputError where the disk has no room for them.
        """
        if len(batch) == 0:
            return
        data, ends = rows_of(batch)
        names = [one.symbol for one in batch.instruments]
        columns = (batch.symbol, batch.interval, batch.open_time_ns, ends)
        start = 0
        for symbol, code, open_ns, end in zip(*(c.tolist() for c in columns), strict=True):
            key = names[symbol], code
            series = self._series.get(key)
            if series is None:
                series = self._series[key] = _Series()
            if not series.opens or series.opens[-1] < open_ns:
                series.opens.append(open_ns)
                series.places.append((self._end + start) << _LENGTH_BITS | (end - start))
            start = end
        self._end += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: no room for the klines of the run: {error.strerror}"
            ) from error

    def rows(
        self, symbol: str, interval: Interval, from_ns: int | None, until_ns: int | None, limit: int
    ) -> list[bytes]:
        """Return rows that open in [from_ns, until_ns]: the first, or without a start the last."""
        series = self._series.get((symbol, CODE[interval]))
        if series is None:
            return []
        start = 0 if from_ns is None else bisect_left(series.opens, from_ns)
        after = INT64_MAX if until_ns is None else until_ns + 1
        stop = bisect_left(series.opens, after)
        if from_ns is None:
            start = max(start, stop - limit)
        stop = min(stop, start + limit)
        self._file.flush()
        return [self._text(place) for place in series.places[start:stop]]

    def close(self) -> None:
        """Give the room on disk back."""
        self._file.close()

    def _text(self, place: int) -> bytes:
        length = place & ((1 << _LENGTH_BITS) - 1)
        return os.pread(self._file.fileno(), length, place >> _LENGTH_BITS)
