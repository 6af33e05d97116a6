"""Klines that are over, as rows of REST replies, on disk; an index of them in memory."""

from __future__ import annotations

import os
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Sequence

from kline_harness.errors import OutputError
from kline_harness.exchange.kline_text import KlineText
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
        self._series: dict[tuple[str, str], _Series] = {}
        self._file = tempfile.TemporaryFile(prefix="kline-harness-klines-")  # noqa: SIM115
        self._end = 0

    def add(self, klines: Sequence[KlineText]) -> None:
        """Take klines; one that does not follow the last of its series is left out.

        Raises OutputError where the disk has no room for them.
        """
        texts = []
        for kline in klines:
            key = kline.instrument.symbol, kline.interval
            series = self._series.setdefault(key, _Series())
            if series.opens and series.opens[-1] >= kline.open_ns:
                continue
            text = kline.row().encode()
            series.opens.append(kline.open_ns)
            series.places.append(self._end << _LENGTH_BITS | len(text))
            self._end += len(text)
            texts.append(text)
        try:
            self._file.write(b"".join(texts))
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: no room for the klines of the run: {error.strerror}"
            ) from error

    def rows(
        self, symbol: str, interval: str, from_ns: int | None, until_ns: int | None, limit: int
    ) -> list[bytes]:
        """Return rows that open in [from_ns, until_ns]: the first, or without a start the last."""
        series = self._series.get((symbol, interval))
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
