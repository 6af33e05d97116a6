"""Trades of all files in order of time, on disk: memory does not grow with files or symbols."""

from __future__ import annotations

import os
import pickle
import tempfile
from array import array
from collections import Counter, deque
from collections.abc import Iterator

import numpy as np

from kline_harness.columns import Instrument, by_symbol, concat
from kline_harness.errors import OutputError
from kline_harness.nouns import counted
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_MINUTE, Int64Array

# One of these is in memory at a time, sorted; half a million trades in the busiest that is known.
BUCKET_NS = 5 * NS_PER_MINUTE
_COLUMNS = ("event_time_ns", "trade_id", "price", "quantity", "quote", "first_id", "last_id")
_ROW = np.dtype([*((name, "<i8") for name in _COLUMNS), ("buyer_is_maker", "?"), ("kind", "i1")])


# A segment: where it is in the file, its bytes, its trades, and its instrument's place among those
# given (-1: too wide for int64, pickled as it is).
_SEGMENT = 4


class TradeSpool:
    """Takes trades file by file and gives them back in order of time.

    Order: trade time, symbol, trade id. The file has no name, so nothing of it can be left over.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._finest: dict[str, Instrument] = {}
        self._given: dict[Instrument, int] = {}
        self._segments: dict[int, array[int]] = {}
        self._rows: Counter[int] = Counter()
        self._file = tempfile.TemporaryFile(prefix="kline-harness-trades-")  # noqa: SIM115
        self._end = 0
        self._shift_ns = 0
        self._layered: tuple[int, list[tuple[tuple[Instrument, ...], Int64Array]]] = (0, [])

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Every symbol at the finest scales of its trades, by name."""
        return tuple(self._finest[symbol] for symbol in sorted(self._finest))

    def move(self, by_ns: int) -> None:
        """Move every time by whole days; before anything is read."""
        self._shift_ns = by_ns
        if self.first_ns is not None and self.last_ns is not None:
            self.first_ns, self.last_ns = self.first_ns + by_ns, self.last_ns + by_ns

    def widen(self, decimals: int) -> None:
        """Write every price, quantity and quote quantity with at least that many decimals."""
        for symbol, one in self._finest.items():
            least = Instrument(symbol, decimals, decimals, decimals)
            self._finest[symbol] = one.finest(least)

    def add(self, tape: Tape) -> None:
        """Take trades, in any order.

        Raises OutputError where the disk has no room for them.
        """
        for code, part in by_symbol(tape):
            instrument = tape.instruments[code]
            known = self._finest.get(instrument.symbol)
            self._finest[instrument.symbol] = instrument.finest(known) if known else instrument
            buckets = part.event_time_ns // BUCKET_NS
            if np.any(buckets[1:] < buckets[:-1]):
                order = np.argsort(buckets, kind="stable")
                part, buckets = part.take(order), buckets[order]
            self._write(instrument, part, buckets)
            low, high = int(part.event_time_ns.min()), int(part.event_time_ns.max())
            self.first_ns = low if self.first_ns is None else min(self.first_ns, low)
            self.last_ns = high if self.last_ns is None else max(self.last_ns, high)
            self.rows += len(part)

    def buckets(self) -> list[int]:
        """Return the numbers of the stretches of time that have trades, in order."""
        return sorted(bucket + self._shift_ns // BUCKET_NS for bucket in self._segments)

    def rows_in(self, bucket: int) -> int:
        """Return how many trades a stretch of time has."""
        return self._rows[bucket - self._shift_ns // BUCKET_NS]

    def read(self, bucket: int, symbol: str | None = None) -> Tape:
        """Return the trades of a stretch of time in order, of one symbol or of all."""
        own = bucket - self._shift_ns // BUCKET_NS
        self._file.flush()
        tapes = [tape for tape in self._tapes(own, symbol) if len(tape)]
        if not tapes:
            return Tape.empty(self.instruments)
        tape = concat(tapes).over(self.instruments)
        ordered = tape.take(np.lexsort((tape.trade_id, tape.symbol, tape.event_time_ns)))
        moved = ordered.event_time_ns + self._shift_ns
        return ordered.with_columns({"event_time_ns": moved, "arrival_ns": moved})

    def close(self) -> None:
        """Give the room on disk back."""
        self._file.close()

    def _write(self, instrument: Instrument, part: Tape, buckets: Int64Array) -> None:
        """Write the trades of one symbol, which go up by their buckets."""
        starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1)).tolist()
        place = self._given.setdefault(instrument, len(self._given))
        wide = any(getattr(part, name).dtype == object for name in _COLUMNS)
        rows = np.empty(0 if wide else len(part), dtype=_ROW)
        for name in () if wide else _ROW.names or ():
            rows[name] = getattr(part, name)
        for start, stop in zip(starts, [*starts[1:], len(part)], strict=True):
            data = _pickled(instrument, part[start:stop]) if wide else rows[start:stop].tobytes()
            self._append(data)
            bucket, trades = int(buckets[start]), stop - start
            segment = (self._end, len(data), trades, -1 if wide else place)
            self._segments.setdefault(bucket, array("q")).extend(segment)
            self._rows[bucket] += trades
            self._end += len(data)

    def _append(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            self.close()
            raise OutputError(
                f"{tempfile.gettempdir()}: no room for the trades in order of time "
                f"({counted(self._end, 'byte')} so far): {error.strerror}"
            ) from error

    def _tapes(self, own: int, symbol: str | None) -> Iterator[Tape]:
        """Yield the trades of a bucket, those of equal instruments together."""
        segments = np.array(self._segments.get(own, ()), dtype=np.int64).reshape(-1, _SEGMENT)
        wide = segments[:, 3] < 0
        for offset, length in segments[wide, :2].tolist():
            tape = pickle.loads(self._bytes(offset, length))
            assert isinstance(tape, Tape)
            if symbol in (None, tape.symbol_text(0)):
                yield tape
        # One layer for each of a symbol's scales: files of a symbol may differ in theirs.
        for layer, codes in self._layers():
            code = codes[segments[:, 3]]
            mine = (code >= 0) & ~wide
            if symbol is not None:
                mine &= np.array([one.symbol == symbol for one in layer])[code]
            parts = segments[mine].tolist()
            data = b"".join(self._bytes(offset, length) for offset, length, _, _ in parts)
            rows = np.frombuffer(data, dtype=_ROW)
            columns = {name: rows[name] for name in _ROW.names or ()}
            columns["symbol"] = np.repeat(code[mine], segments[mine, 2]).astype(np.int16)
            columns["arrival_ns"] = columns["event_time_ns"]
            yield Tape.build(layer, columns)

    def _layers(self) -> list[tuple[tuple[Instrument, ...], Int64Array]]:
        """Return instruments by name, and the code among them of each one given, or -1."""
        if len(self._given) != self._layered[0]:
            finest = self.instruments
            places = {one.symbol: place for place, one in enumerate(finest)}
            layers: list[tuple[list[Instrument], list[int]]] = []
            used: Counter[str] = Counter()
            for place, one in enumerate(self._given):
                level, used[one.symbol] = used[one.symbol], used[one.symbol] + 1
                if level == len(layers):
                    layers.append((list(finest), [-1] * len(self._given)))
                instruments, codes = layers[level]
                instruments[places[one.symbol]] = one
                codes[place] = places[one.symbol]
            made = [(tuple(names), np.array(codes, dtype=np.int64)) for names, codes in layers]
            self._layered = len(self._given), made
        return self._layered[1]

    def _bytes(self, offset: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, offset)


def _pickled(instrument: Instrument, part: Tape) -> bytes:
    # A copy with the one instrument: codes of another list would name another symbol.
    alone = {name: getattr(part, name) for name in part.column_names()}
    alone["symbol"] = np.zeros(len(part), dtype=np.int16)
    return pickle.dumps(Tape.build((instrument,), alone))


class SpoolReader:
    """Hands out the trades of a spool once, in order, as far as it is asked to."""

    def __init__(self, spool: TradeSpool) -> None:
        self._spool = spool
        self._ahead = deque(spool.buckets())
        self._waiting = Tape.empty(spool.instruments)
        self._start = 0
        self._load()

    def time_ahead_ns(self, rows: int, until_ns: int) -> int | None:
        """Return a time up to which no more than so many trades are left, if it can be had.

        It is that of a trade, or the end of a stretch of time; none later than `until_ns` is
        looked for. None where no trade is left.
        """
        times = self._waiting.event_time_ns
        left = len(times) - self._start
        if left == 0:
            return None
        if left > rows:
            return int(times[self._start + rows])
        time_ns = int(times[-1])
        for bucket in self._ahead:
            left += self._spool.rows_in(bucket)
            if left > rows or time_ns >= until_ns:
                break
            time_ns = (bucket + 1) * BUCKET_NS - 1
        return time_ns

    def take(self, until_ns: int) -> Tape:
        """Return the trades before an instant that were not handed out yet."""
        parts = []
        while True:
            times = self._waiting.event_time_ns
            stop = int(np.searchsorted(times, until_ns, side="left"))
            if stop > self._start:
                parts.append(self._waiting[self._start : stop])
                self._start = stop
            if self._start < len(times) or not self._load():
                break
        return concat(parts) if parts else self._waiting[:0]

    def _load(self) -> bool:
        if not self._ahead:
            return False
        self._waiting, self._start = self._spool.read(self._ahead.popleft()), 0
        return True
