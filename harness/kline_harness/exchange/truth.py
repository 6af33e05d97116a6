"""What a store should hold: the exact klines of the trades that were served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.columns import concat, join_instruments
from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.series_rows import RowsInMemory, opens_ns
from kline_harness.errors import InputError
from kline_harness.interfaces import FeedSlice, Tick
from kline_harness.interval import CODE, Interval
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.sources import Disorder, Sources
from kline_harness.simulation.feed import in_order
from kline_harness.tape import Tape
from kline_harness.units import Int64Array

SOURCE = "the exact klines of the trades served"


@dataclass(slots=True)
class ServedTrades:
    """The trades of the archives that a server was given, by their own time, before `until_ns`."""

    paths: Sequence[Path]
    market: str | None
    until_ns: int
    sources: Sources = field(init=False)

    def __post_init__(self) -> None:
        self.sources = Sources.open(self.paths, [], Scenario(market=self.market))

    def tapes(self) -> Iterator[Tape]:
        """Yield the trades in order of (trade time, id); each call reads the archives anew."""
        try:
            yield from self._in_file_order()
        except Disorder:
            # Only before anything was yielded: see `_in_file_order`.
            whole = list(self.sources.tapes(whole=True))
            yield from self._cut([in_order(concat(whole))] if whole else [])

    def _in_file_order(self) -> Iterator[Tape]:
        if any(file.info.receive_unit for file in self.sources.trades):
            # A recording comes by arrival; what is true goes by the time of the trade.
            raise Disorder
        tapes = list(self.sources.tapes(whole=False))
        yield from self._cut(tapes)

    def _cut(self, tapes: Sequence[Tape]) -> Iterator[Tape]:
        for tape in tapes:
            kept = tape.event_time_ns < self.until_ns
            chosen = tape if kept.all() else tape.take(kept)
            if len(chosen):
                yield chosen.with_columns({"arrival_ns": chosen.event_time_ns})

    def check_digests(self, expected: dict[str, str]) -> None:
        """See that the archives are those that were served; read to the end before.

        Raises InputError for one whose sha256 differs.
        """
        for file in self.sources.trades:
            found, asked = file.info.sha256, expected.get(str(file.path))
            if asked is not None and found != asked:
                raise InputError(
                    file.path, f"the archive that was served, of sha256 {asked}", f"{found}"
                )


@dataclass(frozen=True, slots=True)
class Truth:
    """Every exact kline that was over at `until_ns`, by symbol and interval, and the trades."""

    tables: dict[tuple[str, str], pa.Table]
    trades: dict[str, int]
    coverage: dict[str, Coverage]

    @staticmethod
    def of(
        served: ServedTrades, intervals: Sequence[Interval], moved: Callable[[Interval], int]
    ) -> Truth:
        """Aggregate the served trades; `moved` tells by how much later those of an interval."""
        trades: dict[str, int] = {}

        def counted() -> Iterator[Tape]:
            for tape in served.tapes():
                counts = np.bincount(tape.symbol, minlength=len(tape.instruments)).tolist()
                for instrument, count in zip(tape.instruments, counts, strict=True):
                    trades[instrument.symbol] = trades.get(instrument.symbol, 0) + count
                yield tape

        tables = klines_of(counted(), intervals, served.until_ns)
        # What was served is all that there was: nothing lies beyond an edge of the recording.
        opens = {key: int(opens_ns(table)[0]) for key, table in tables.items()}
        first: dict[str, int] = {}
        for (symbol, _), opened in opens.items():
            first[symbol] = min(first.get(symbol, opened), opened)
        moves = dict.fromkeys(map(moved, intervals))
        windows = {
            name: Coverage.of([(start + by_ns, served.until_ns + by_ns) for by_ns in moves])
            for name, start in first.items()
        }
        for by_ns in moves.keys() - {0}:
            mine = [interval for interval in intervals if moved(interval) == by_ns]
            tapes = (shifted(tape, by_ns) for tape in served.tapes())
            tables |= klines_of(tapes, mine, served.until_ns + by_ns)
        return Truth(tables, trades, windows)

    def reference(
        self, series: tuple[str, str], interval: Interval, kept: Int64Array
    ) -> ReferenceKlines:
        """Return the klines with some open times as what a store is compared with."""
        table = self.tables[series]
        rows = np.flatnonzero(np.isin(opens_ns(table), kept))
        kept_rows = RowsInMemory(table.take(pa.array(rows)))
        return ReferenceKlines(series[0], interval, kept_rows, FIELDS, SOURCE, closes=True)


def shifted(tape: Tape, by_ns: int) -> Tape:
    """Return trades as if they had been made that much later."""
    moved = tape.event_time_ns + by_ns
    return tape.with_columns({"event_time_ns": moved, "arrival_ns": moved})


def klines_of(
    tapes: Iterable[Tape], intervals: Sequence[Interval], until_ns: int
) -> dict[tuple[str, str], pa.Table]:
    """Return the exact klines of trades that are over at an instant, by symbol and interval."""
    exact = ExactAggregator(intervals)
    batches: list[KlineBatch] = []
    empty: Tape | None = None
    for tape in tapes:
        batches.append(exact.advance(FeedSlice(tape)).klines)
        empty = tape[:0]
    if empty is not None:
        # What is over at the end without a trade that follows it.
        end = Tick(until_ns, until_ns)
        batches.append(exact.advance(FeedSlice(empty, (end,), (0,))).klines)
    klines = [one for one in batches if len(one)]
    return _by_series(klines, intervals) if klines else {}


def _by_series(
    batches: Sequence[KlineBatch], intervals: Sequence[Interval]
) -> dict[tuple[str, str], pa.Table]:
    instruments = join_instruments(batches)
    whole = concat([one.over(instruments) for one in batches])
    found = {}
    for code, instrument in enumerate(instruments):
        mine = whole.take(whole.symbol == code)
        for interval in intervals:
            rows = np.flatnonzero(mine.interval == CODE[interval])
            if len(rows):
                order = np.argsort(mine.open_time_ns[rows], kind="stable")
                found[instrument.symbol, interval.text] = mine.take(rows[order]).to_arrow()
    return found
