"""Klines that are over, on disk as numbers, and written as rows of REST replies when asked for."""

from __future__ import annotations

import os
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import Instrument, concat
from kline_harness.errors import OutputError
from kline_harness.exchange.kline_text import rows_of
from kline_harness.interval import CODE, Interval
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.units import INT64_MAX, Int64Array

_COLUMNS = ("open_time_ns", *FIELDS)
_ROW = np.dtype([*((name, "<i8") for name in _COLUMNS), ("instrument", "<i4")])


class _Series:
    """Open times and places of one symbol's and interval's rows, in order of time.

    A place is that of a record in the file, or below 0 that of a kline kept in memory.
    """

    def __init__(self) -> None:
        self.opens = array("q")
        self.places = array("q")

    def add(self, opens: Int64Array, places: Int64Array) -> None:
        if self.opens and self.opens[-1] >= opens[0]:
            new = int(np.searchsorted(opens, self.opens[-1], side="right"))
            opens, places = opens[new:], places[new:]
        self.opens.frombytes(opens.tobytes())
        self.places.frombytes(places.tobytes())


class KlineStore:
    """Takes each kline once, in order of its series, and returns the text of a window of them."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, int], _Series] = {}
        self._instruments: dict[Instrument, int] = {}
        self._wide: list[KlineBatch] = []
        self._file = tempfile.TemporaryFile(prefix="kline-harness-klines-")  # noqa: SIM115
        self._records = 0

    def add(self, batch: KlineBatch) -> None:
        """Take klines; one that does not follow the last of its series is left out.

        Raises OutputError where the disk has no room for them.
        """
        if len(batch) == 0:
            return
        batch = batch.take(np.lexsort((batch.open_time_ns, batch.interval, batch.symbol)))
        series = batch.symbol.astype(np.int64) << 8 | batch.interval
        starts = np.flatnonzero(np.diff(series, prepend=series[0] - 1)).tolist()
        places = self._written(batch)
        for start, stop in zip(starts, [*starts[1:], len(batch)], strict=True):
            key = batch.symbol_text(start), int(batch.interval[start])
            known = self._series.get(key)
            if known is None:
                known = self._series[key] = _Series()
            known.add(batch.open_time_ns[start:stop], places[start:stop])

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
        if start >= stop:
            return []
        self._file.flush()
        parts = list(self._read(series.places[start:stop], CODE[interval]))
        return split_rows(concat(parts))

    def close(self) -> None:
        """Give the room on disk back."""
        self._file.close()

    def _written(self, batch: KlineBatch) -> Int64Array:
        """Write klines, and return the place of each."""
        if any(getattr(batch, name).dtype == object for name in FIELDS):
            # Numbers too wide for a record are rare.
            first = len(self._wide)
            self._wide += [batch[row : row + 1] for row in range(len(batch))]
            return -1 - np.arange(first, len(self._wide), dtype=np.int64)
        rows = np.empty(len(batch), dtype=_ROW)
        for name in _COLUMNS:
            rows[name] = getattr(batch, name)
        known = self._instruments
        codes = [known.setdefault(one, len(known)) for one in batch.instruments]
        rows["instrument"] = np.array(codes)[batch.symbol]
        first = self._records
        self._records += len(rows)
        try:
            self._file.write(rows.tobytes())
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: no room for the klines of the run: {error.strerror}"
            ) from error
        return np.arange(first, self._records, dtype=np.int64)

    def _read(self, places: array[int], interval: int) -> Iterator[KlineBatch]:
        """Yield the klines of some places; records one after the other are read at once."""
        where = np.array(places, dtype=np.int64)
        starts = np.flatnonzero(np.diff(where, prepend=where[:1] - 2) != 1).tolist()
        for start, stop in zip(starts, [*starts[1:], len(where)], strict=True):
            if where[start] < 0:
                yield from (self._wide[-1 - place] for place in where[start:stop].tolist())
                continue
            size = _ROW.itemsize
            offset, length = int(where[start]) * size, (stop - start) * size
            data = os.pread(self._file.fileno(), length, offset)
            rows = np.frombuffer(data, dtype=_ROW)
            # Records of one write are of one instrument; the next write may be of finer scales.
            cuts = np.flatnonzero(np.diff(rows["instrument"])) + 1
            yield from (self._batch(part, interval) for part in np.split(rows, cuts))

    def _batch(self, rows: NDArray[np.void], interval: int) -> KlineBatch:
        columns = {name: rows[name] for name in _COLUMNS}
        columns["symbol"] = np.zeros(len(rows), dtype=np.int16)
        columns["interval"] = np.full(len(rows), interval, dtype=np.int8)
        nothing = np.zeros(len(rows), dtype=np.int64)
        names = ("first_trade_id", "last_trade_id", "at_ns", "trigger")
        columns |= dict.fromkeys(names, nothing)
        instrument = list(self._instruments)[int(rows["instrument"][0])]
        return KlineBatch.build((instrument,), columns)


def split_rows(batch: KlineBatch) -> list[bytes]:
    """Return the row of a REST reply of each kline."""
    data, ends = rows_of(batch)
    stops = ends.tolist()
    return [data[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]
