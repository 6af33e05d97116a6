"""The trades around differing klines, collected in one pass over all trades."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import Instrument, concat, unequal_rows
from kline_harness.comparison.recompute import NAMES, SUMS, Part, Sums, rescaled, sums_of, total
from kline_harness.comparison.retention import RetentionPlan, among
from kline_harness.tape import Tape, TradeKind
from kline_harness.trade_ids import IdRuns
from kline_harness.units import BoolArray, Int64Array

SAMPLE_ROWS = 20
Int8Array: TypeAlias = NDArray[np.int8]
_STATED = ("price", "quantity", "first_id", "last_id", "event_time_ns", "buyer_is_maker")


@dataclass(frozen=True, slots=True, eq=False)
class RetainedTrades:
    """What was kept of one symbol's trades.

    `rows` are single trades by time; those with `in_cell` are part of a cell as well, and
    `applied_everywhere` are the places of those that every interval applied. `cells` are the
    sums of the other trades, by `cell_opens`. `repeated` are the rows of trades whose id had been
    seen: they are in neither, and `conflicts` are the ids that have another price,
    quantity, time, side or other raw ids there. `sample` are the first trades, to tell how the
    source makes quote quantities. `others` counts, by window, trades of other symbols. `odd` are
    the times and kinds of all trades that are no MARKET ones, wherever they are.
    """

    instrument: Instrument
    rows: Tape
    in_cell: BoolArray
    applied_everywhere: NDArray[np.intp]
    cell_opens: Int64Array
    cells: Sums
    repeated: Tape
    conflicts: Int64Array
    sample: Tape
    runs: IdRuns
    plan: RetentionPlan
    others: Mapping[tuple[int, int], int]
    symbols: int
    odd: tuple[Int64Array, Int8Array]

    def ordinary(self, start_ns: int, end_ns: int) -> Part | None:
        """Add up the cells of a window."""
        first, stop = np.searchsorted(self.cell_opens, (start_ns, end_ns)).tolist()
        return total(self.cells, first, stop)


class Repeats:
    """Finds, chunk by chunk, the trades whose id came before; `ids` are those that repeat.

    `first` are the trades that had such an id first.
    """

    def __init__(self, ids: Int64Array) -> None:
        self._ids = ids
        self.first: list[Tape] = []
        self._seen: Int64Array = np.empty(0, dtype=np.int64)

    def mask(self, trades: Tape) -> BoolArray:
        """Mark those of the next trades that an aggregator would take for repeated."""
        repeats = np.zeros(len(trades), dtype=np.bool_)
        twice = among(trades.trade_id, self._ids)
        rows = np.flatnonzero(twice & (trades.kind == TradeKind.MARKET))
        if len(rows) == 0:
            return repeats
        ids = trades.trade_id[rows]
        fresh = np.zeros(len(rows), dtype=np.bool_)
        fresh[np.unique(ids, return_index=True)[1]] = True
        fresh &= ~among(ids, self._seen)
        self._seen = np.union1d(self._seen, ids)
        repeats[rows[~fresh]] = True
        self.first.append(trades.take(rows[fresh]))
        return repeats


@dataclass(slots=True)
class _Kept:
    plan: RetentionPlan
    runs: IdRuns = field(default_factory=IdRuns)
    rows: list[Tape] = field(default_factory=list)
    in_cell: list[BoolArray] = field(default_factory=list)
    cells: list[tuple[Instrument, Int64Array, Sums]] = field(default_factory=list)
    repeated: list[Tape] = field(default_factory=list)
    others: dict[tuple[int, int], int] = field(default_factory=dict)
    sample: list[Tape] = field(default_factory=list)
    odd: list[tuple[Int64Array, Int8Array]] = field(default_factory=list)
    _special: Int64Array | None = None
    _late: Int64Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _repeats: Repeats | None = None
    _before: dict[int, tuple[int, int, Tape]] = field(default_factory=dict)

    def add(self, trades: Tape) -> None:
        """Take the trades of this symbol in the next chunk, in the order of the feed."""
        self.runs.add(trades.trade_id, trades.first_id, trades.last_id, trades.event_time_ns)
        if sum(map(len, self.sample)) < SAMPLE_ROWS:
            head = trades[:SAMPLE_ROWS]
            self.sample.append(head.take(head.kind == TradeKind.MARKET))
        trades = self._without_repeated(trades)
        if len(trades) == 0:
            return
        plan, times = self.plan, trades.event_time_ns
        if self._special is None:
            self._special, self._late = plan.refused.special(), plan.refused.singled_out()
        late = among(trades.trade_id, self._late)
        odd = trades.kind != TradeKind.MARKET
        if odd.any():
            self.odd.append((times[odd], trades.kind[odd]))
        special = odd | among(trades.trade_id, self._special)
        inside, raw = plan.windows.holds(times), plan.raw.holds(times)
        ordinary = inside & ~special & ~raw
        kept = raw | late | (special & inside)
        self._note_before(trades, special)
        if kept.any():
            self.rows.append(trades.take(kept))
            self.in_cell.append(ordinary[kept])
        if ordinary.any():
            self._add_cells(trades if ordinary.all() else trades.take(ordinary))

    def _without_repeated(self, trades: Tape) -> Tape:
        """Set aside trades whose id came before, as an aggregator does."""
        if self._repeats is None:
            self._repeats = Repeats(self.plan.refused.duplicate)
        repeats = self._repeats.mask(trades)
        if not repeats.any():
            return trades
        self.repeated.append(trades.take(repeats))
        return trades.take(~repeats)

    def _add_cells(self, trades: Tape) -> None:
        opens = self.plan.cell.open_times_ns(trades.event_time_ns)
        if np.any(opens[1:] < opens[:-1]):
            order = np.argsort(opens, kind="stable")
            trades, opens = trades.take(order), opens[order]
        starts = np.flatnonzero(np.append(True, opens[1:] != opens[:-1]))
        instrument = trades.instruments[int(trades.symbol[0])]
        self.cells.append((instrument, opens[starts], sums_of(trades, starts)))

    def _note_before(self, trades: Tape, special: BoolArray) -> None:
        """Keep, for each kline, the trade that set the price before it.

        It is the trade of the highest id in the last cell with trades before the kline opens.
        """
        opens = self.plan.opens
        rows = np.flatnonzero(~special) if special.any() else np.arange(len(trades))
        if len(rows) == 0 or len(opens) == 0:
            return
        times = trades.event_time_ns[rows]
        if np.any(times[1:] < times[:-1]):
            order = np.argsort(times, kind="stable")
            rows, times = rows[order], times[order]
        stops = np.searchsorted(times, opens)
        for stop in np.unique(stops[stops > 0]).tolist():
            bucket = self.plan.cell.open_time_ns(int(times[stop - 1]))
            first = int(np.searchsorted(times, bucket))
            ids = trades.trade_id[rows[first:stop]]
            row = int(rows[first + int(np.argmax(ids))])
            found = (bucket, int(trades.trade_id[row]), trades.take(np.array([row])))
            for open_ns in opens[stops == stop].tolist():
                known = self._before.get(open_ns)
                if known is None or found[:2] > known[:2]:
                    self._before[open_ns] = found

    def evidence(self, instrument: Instrument, symbols: int) -> RetainedTrades:
        """Put together what the chunks left."""
        before = {id(tape): tape for _, _, tape in self._before.values()}
        pieces = [*self.rows, *before.values()]
        flags = [*self.in_cell, *(np.ones(1, dtype=np.bool_) for _ in before)]
        rows = concat(pieces) if pieces else Tape.empty((instrument,))
        in_cell = np.concatenate([np.empty(0, dtype=np.bool_), *flags])
        # A trade may be kept for two reasons; the one kept as itself counts.
        order = np.lexsort((in_cell, rows.trade_id, rows.event_time_ns))
        ids, times = rows.trade_id[order], rows.event_time_ns[order]
        same = (ids[1:] == ids[:-1]) & (times[1:] == times[:-1]) & in_cell[order][1:]
        order = order[np.append(True, ~same)[: len(order)]]
        repeated = concat(self.repeated) if self.repeated else Tape.empty((instrument,))
        rows = rows.take(order).over((instrument,)) if len(rows) else rows
        refused = among(rows.trade_id, self.plan.refused.special())
        opens, cells = self._joined_cells(instrument)
        return RetainedTrades(
            instrument,
            rows,
            in_cell[order],
            np.flatnonzero((rows.kind == TradeKind.MARKET) & ~refused),
            opens,
            cells,
            repeated.over((instrument,)) if len(repeated) else repeated,
            self._conflicts(),
            concat([Tape.empty((instrument,)), *self.sample]),
            self.runs,
            self.plan,
            self.others,
            symbols,
            self._odd(),
        )

    def _odd(self) -> tuple[Int64Array, Int8Array]:
        nothing = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int8)
        times, kinds = zip(nothing, *self.odd, strict=True)
        return np.concatenate(times), np.concatenate(kinds)

    def _conflicts(self) -> Int64Array:
        """Return the ids of which a later trade states something else than the first."""
        if not self.repeated or self._repeats is None:
            return np.empty(0, dtype=np.int64)
        count = sum(map(len, self.repeated))
        # One tape gives both the same decimals.
        both = concat([*self.repeated, *self._repeats.first])
        repeats, first = both[:count], both[count:]
        order = np.argsort(first.trade_id)
        first = first.take(order[np.searchsorted(first.trade_id[order], repeats.trade_id)])
        return np.unique(repeats.trade_id[unequal_rows(repeats, first, _STATED)])

    def _joined_cells(self, instrument: Instrument) -> tuple[Int64Array, Sums]:
        if not self.cells:
            return np.empty(0, dtype=np.int64), {n: np.empty(0, dtype=np.int64) for n in NAMES}
        opens = np.concatenate([part for _, part, _ in self.cells])
        tables = [rescaled(sums, old, instrument) for old, _, sums in self.cells]
        cells = {name: np.concatenate([table[name] for table in tables]) for name in NAMES}
        order = np.argsort(opens, kind="stable")
        opens = opens[order]
        starts = np.flatnonzero(np.append(True, opens[1:] != opens[:-1]))
        cells = {name: column[order] for name, column in cells.items()}
        if len(starts) == len(opens):
            return opens, cells
        stops = [*starts[1:].tolist(), len(opens)]
        merged = [total(cells, a, b) for a, b in zip(starts.tolist(), stops, strict=True)]
        joined: dict[str, Any] = {}
        for name in NAMES:
            values = [part[name] for part in merged if part is not None]
            wide = name in SUMS and cells[name].dtype == object
            joined[name] = np.array(values, dtype=object if wide else None)
        return opens[starts], joined


class TradeCollector:
    """Keeps, of every tape it is given, what its plan names."""

    def __init__(self, plans: Mapping[str, RetentionPlan]) -> None:
        self._kept = {symbol: _Kept(one) for symbol, one in plans.items()}
        self._instruments: dict[str, Instrument] = {}

    def add(self, tape: Tape) -> None:
        """Take the next trades, of all symbols in the order of the feed."""
        if len(tape) == 0:
            return
        for instrument in tape.instruments:
            known = self._instruments.get(instrument.symbol)
            finest = instrument.finest(known) if known else instrument
            self._instruments[instrument.symbol] = finest
        single = len(tape.instruments) == 1
        for code, instrument in enumerate(tape.instruments):
            one = self._kept.get(instrument.symbol)
            if one is None:
                continue
            mine = tape if single else tape.take(tape.symbol == code)
            if len(mine):
                one.add(alone(mine, code))
            _count_others(one, tape, None if single else tape.symbol != code)

    def evidence(self) -> dict[str, RetainedTrades]:
        """Return what was kept, by symbol."""
        instruments = self._instruments
        return {
            symbol: one.evidence(instruments[symbol], len(instruments))
            for symbol, one in self._kept.items()
            if symbol in instruments
        }


def collect(plans: Mapping[str, RetentionPlan], tapes: Iterable[Tape]) -> dict[str, RetainedTrades]:
    """Pass once over the trades of all symbols and keep what each symbol's plan names."""
    collector = TradeCollector(plans)
    for tape in tapes:
        collector.add(tape)
    return collector.evidence()


def alone(trades: Tape, code: int) -> Tape:
    """Return trades of one symbol, all of one code, as a tape that knows no other."""
    if len(trades.instruments) == 1:
        return trades
    columns = {name: getattr(trades, name) for name in trades.column_names()}
    columns["symbol"] = np.zeros(len(trades), dtype=np.int16)
    return Tape.build((trades.instruments[code],), columns)


def _count_others(one: _Kept, tape: Tape, rows: NDArray[np.bool_] | None) -> None:
    for start_ns, end_ns in one.plan.quiet:
        count = one.others.setdefault((start_ns, end_ns), 0)
        if rows is not None:
            times = tape.event_time_ns
            within = rows & (times >= start_ns) & (times < end_ns)
            one.others[start_ns, end_ns] = count + int(np.count_nonzero(within))
