"""Trades of all files in order of time, on disk: memory does not grow with files or symbols."""

from __future__ import annotations

import os
import pickle
import tempfile
from dataclasses import dataclass

import numpy as np

from kline_harness.columns import Instrument, by_symbol, concat
from kline_harness.errors import OutputError
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_MINUTE

# One of these is in memory at a time, sorted; half a million trades in the busiest that is known.
BUCKET_NS = 5 * NS_PER_MINUTE
_COLUMNS = ("event_time_ns", "trade_id", "price", "quantity", "quote", "first_id", "last_id")
_ROW = np.dtype([*((name, "<i8") for name in _COLUMNS), ("buyer_is_maker", "?"), ("kind", "i1")])


@dataclass(frozen=True, slots=True)
class _Segment:
    offset: int
    length: int
    rows: int
    # -1: too wide for int64, pickled as it is.
    instrument: int


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
        self._segments: dict[int, list[_Segment]] = {}
        self._file = tempfile.TemporaryFile(prefix="kline-harness-trades-")  # noqa: SIM115
        self._end = 0
        self._shift_ns = 0

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
            starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1)).tolist()
            for start, stop in zip(starts, [*starts[1:], len(part)], strict=True):
                self._write(int(buckets[start]), instrument, part[start:stop])
            low, high = int(part.event_time_ns.min()), int(part.event_time_ns.max())
            self.first_ns = low if self.first_ns is None else min(self.first_ns, low)
            self.last_ns = high if self.last_ns is None else max(self.last_ns, high)
            self.rows += len(part)

    def buckets(self) -> list[int]:
        """Return the numbers of the stretches of time that have trades, in order."""
        return sorted(bucket + self._shift_ns // BUCKET_NS for bucket in self._segments)

    def read(self, bucket: int, symbol: str | None = None) -> Tape:
        """Return the trades of a stretch of time in order, of one symbol or of all."""
        own = bucket - self._shift_ns // BUCKET_NS
        tapes = [self._tape(segment, symbol) for segment in self._segments.get(own, ())]
        tapes = [tape for tape in tapes if len(tape)]
        if not tapes:
            return Tape.empty(self.instruments)
        tape = concat(tapes).over(self.instruments)
        ordered = tape.take(np.lexsort((tape.trade_id, tape.symbol, tape.event_time_ns)))
        moved = ordered.event_time_ns + self._shift_ns
        return ordered.with_columns({"event_time_ns": moved, "arrival_ns": moved})

    def close(self) -> None:
        """Give the room on disk back."""
        self._file.close()

    def _write(self, bucket: int, instrument: Instrument, part: Tape) -> None:
        place = self._given.setdefault(instrument, len(self._given))
        if any(getattr(part, name).dtype == object for name in _COLUMNS):
            # A copy with the one instrument: codes of another list would name another symbol.
            alone = {name: getattr(part, name) for name in part.column_names()}
            alone["symbol"] = np.zeros(len(part), dtype=np.int16)
            data, place = pickle.dumps(Tape.build((instrument,), alone)), -1
        else:
            rows = np.empty(len(part), dtype=_ROW)
            for name in _ROW.names or ():
                rows[name] = getattr(part, name)
            data = rows.tobytes()
        try:
            self._file.write(data)
        except OSError as error:
            self.close()
            raise OutputError(
                f"{tempfile.gettempdir()}: no room for the trades in order of time "
                f"({self._end:,} bytes so far): {error.strerror}"
            ) from error
        segment = _Segment(self._end, len(data), len(part), place)
        self._segments.setdefault(bucket, []).append(segment)
        self._end += len(data)

    def _tape(self, segment: _Segment, symbol: str | None) -> Tape:
        if segment.instrument >= 0 and symbol is not None:
            instrument = list(self._given)[segment.instrument]
            if instrument.symbol != symbol:
                return Tape.empty()
        data = self._bytes(segment)
        if segment.instrument < 0:
            tape = pickle.loads(data)
            assert isinstance(tape, Tape)
            return tape if symbol in (None, tape.symbol_text(0)) else Tape.empty()
        instrument = list(self._given)[segment.instrument]
        rows = np.frombuffer(data, dtype=_ROW)
        columns = {name: rows[name] for name in _ROW.names or ()}
        columns["symbol"] = np.zeros(len(rows), dtype=np.int16)
        columns["arrival_ns"] = columns["event_time_ns"]
        return Tape.build((instrument,), columns)

    def _bytes(self, segment: _Segment) -> bytes:
        self._file.flush()
        return os.pread(self._file.fileno(), segment.length, segment.offset)


class SpoolReader:
    """Hands out the trades of a spool once, in order, as far as it is asked to."""

    def __init__(self, spool: TradeSpool) -> None:
        self._spool = spool
        self._buckets = iter(spool.buckets())
        self._waiting = Tape.empty(spool.instruments)
        self._start = 0
        self._done = False
        self._load()

    def time_ahead_ns(self, rows: int) -> int | None:
        """Return the time of the trade that lies so many ahead, or of the last one at hand.

        None where no trade is left.
        """
        times = self._waiting.event_time_ns
        if self._start >= len(times):
            return None
        return int(times[min(self._start + rows, len(times) - 1)])

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
        bucket = next(self._buckets, None)
        if bucket is None:
            return False
        self._waiting, self._start = self._spool.read(bucket), 0
        return True
