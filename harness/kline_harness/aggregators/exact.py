"""The right aggregator: the exchange's rules, exact integers, columnar.

Source of the rules: the exchange's documents and recordings. Trades are put into
``[open, close)`` by their trade time; only MARKET trades count; open and close are the prices of
the lowest and highest trade id; a quiet interval is a flat kline at the previous close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy

import numpy as np

from kline_harness.aggregators import partials as p
from kline_harness.aggregators.emission import emission_of
from kline_harness.aggregators.levels import (
    Level,
    advance_in_rows,
    close_at_end,
    plan_levels,
    roll_up,
    settle_finest,
)
from kline_harness.aggregators.partials import Partials
from kline_harness.aggregators.segments import (
    segment_starts,
    tick_cuts,
    tick_partials,
    trade_partials,
)
from kline_harness.columns import Grouped, Instrument, grouped, join_instruments
from kline_harness.compiled.levels import NO_TICKS, TickColumns
from kline_harness.interfaces import FeedSlice, Tick
from kline_harness.interval import Interval
from kline_harness.kline import Emission, KlineBatch
from kline_harness.ledger import SeriesAccount, TradeAccount
from kline_harness.ranges import RangeSet
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_SECOND, BoolArray, Int64Array, rescale

_NO_RUN = -(2**63)


class ExactAggregator:
    """Makes every interval's klines of any number of symbols from one pass over the trades.

    A kline is final when a tick says that its time is over or a trade of a later kline arrives;
    a trade whose kline is already final is late *for that interval* and counted; in longer
    intervals that are still open it is applied. A trade id seen before is a duplicate. Before its
    first accepted trade a symbol has no klines.
    """

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self._levels = plan_levels(intervals)
        self._instruments: tuple[Instrument, ...] = ()
        self._seen: dict[str, RangeSet] = {}
        # By symbol, ids beyond all in `_seen`: consecutive ones, as nearly all are.
        self._run_starts: Int64Array = np.empty(0, dtype=np.int64)
        self._run_ends: Int64Array = np.empty(0, dtype=np.int64)
        self._accounts: dict[str, TradeAccount] = {}
        # By symbol, what is not in the accounts yet.
        self._received: Int64Array = np.empty(0, dtype=np.int64)
        self._applied: Int64Array = np.empty(0, dtype=np.int64)
        self._sequence = 0

    def advance(self, feed: FeedSlice) -> Emission:
        """Process the next slice of the feed."""
        start = self._sequence
        self._sequence += len(feed)
        symbols = grouped(self._align(feed.trades))
        positions = np.asarray(feed.positions, dtype=np.int64)
        # A trade's place in the feed: the trades before it, and the signals.
        trades, rows = symbols.table, symbols.rows
        place = np.arange(len(trades), dtype=np.int64)
        if len(positions):
            between = np.diff(positions, prepend=0, append=len(trades))
            place += np.repeat(np.arange(len(between)), between)
        kept = self._accept(symbols)
        if kept is not None:
            trades, rows = trades.take(kept), rows[kept]
        place = place[rows]
        ticks = [(k, s) for k, s in enumerate(feed.signals) if isinstance(s, Tick)]
        tick_rows = np.array([k for k, _ in ticks], dtype=np.int64)
        tick_seq = start + tick_rows + positions[tick_rows]
        tick_columns = TickColumns(
            tick_seq,
            np.array([tick.time_ns for _, tick in ticks], dtype=np.int64),
            np.array([tick.at_ns for _, tick in ticks], dtype=np.int64),
        )
        if not advance_in_rows(self._levels, trades, start + place, tick_columns):
            late = self._advance_base(
                trades,
                start + place,
                tick_cuts(trades.symbol, rows, positions[tick_rows]),
                self._tick_rows(trades, tick_columns),
            )
            self._roll_up(late, None)
        return emission_of(
            self._instruments, self._visible(), range(start, self._sequence), tick_columns
        )

    def finish(self, at_ns: int) -> Emission:
        """Publish every open kline that has trades, with trigger END."""
        found = self._finished(at_ns)
        for level in self._levels:
            if level.visible:
                self._count_open(level)
        return found

    def _finished(self, at_ns: int) -> Emission:
        start = self._sequence
        self._sequence += 1
        end = (start, at_ns)
        base = self._levels[0]
        base.closed = close_at_end(base.state, end)
        base.state = p.empty()
        self._roll_up(None, end)
        for level in self._levels:
            level.closed = p.take(level.closed, level.closed["applied"] > 0)
        return emission_of(self._instruments, self._visible(), range(start, start + 1), NO_TICKS)

    def _visible(self) -> list[tuple[Interval, Partials, Partials]]:
        return [(lv.interval, lv.closed, lv.state) for lv in self._levels if lv.visible]

    def open_klines(self, at_ns: int) -> KlineBatch:
        """Return the klines with trades that are open, as `finish` would publish them.

        Nothing is changed: the aggregator goes on from where it is.
        """
        copied = copy(self)
        copied._levels = deepcopy(self._levels)
        return copied._finished(at_ns).klines

    def _count_open(self, level: Level) -> None:
        rows = zip(level.closed["symbol"].tolist(), level.closed["applied"].tolist(), strict=True)
        for symbol, applied in rows:
            account = self._accounts[self._instruments[symbol].symbol]
            account.series[level.interval.text].open += int(applied)

    def accounts(self) -> Mapping[str, TradeAccount]:
        """Return, per symbol, what became of every trade."""
        counts = zip(self._received.tolist(), self._applied.tolist(), strict=True)
        for instrument, (received, applied) in zip(self._instruments, counts, strict=True):
            account = self._accounts[instrument.symbol]
            account.received += received
            for series in account.series.values():
                series.applied += applied
        self._received[:] = self._applied[:] = 0
        return self._accounts

    def _align(self, trades: Tape) -> Tape:
        """Bring trades and state to common scales that hold both exactly."""
        if trades.instruments != self._instruments:
            known = Tape.empty(self._instruments)
            joined = join_instruments([known, trades])
            for code, old in enumerate(self._instruments):
                if joined[code] != old:
                    self._rescale_state(code, old, joined[code])
            self._instruments = joined
            more = np.zeros(len(joined) - len(self._received), dtype=np.int64)
            self._received = np.concatenate([self._received, more])
            self._applied = np.concatenate([self._applied, more])
            self._run_starts = np.concatenate([self._run_starts, more + _NO_RUN])
            self._run_ends = np.concatenate([self._run_ends, more + _NO_RUN])
            for instrument in joined:
                self._seen.setdefault(instrument.symbol, RangeSet())
                self._accounts.setdefault(
                    instrument.symbol,
                    TradeAccount(
                        series={
                            lv.interval.text: SeriesAccount() for lv in self._levels if lv.visible
                        }
                    ),
                )
        return trades.over(self._instruments)

    def _rescale_state(self, code: int, old: Instrument, new: Instrument) -> None:
        digits = {
            **dict.fromkeys(("open", "high", "low", "close"), new.price_scale - old.price_scale),
            **dict.fromkeys(("volume", "taker_volume"), new.quantity_scale - old.quantity_scale),
            **dict.fromkeys(("quote", "taker_quote"), new.quote_scale - old.quote_scale),
        }
        for level in self._levels:
            # Columns are replaced one by one: they are those of a block no longer.
            level.state = dict(level.state)
            mask = level.state["symbol"] == code
            for name, shift in digits.items():
                scaled = rescale(level.state[name][mask], shift)
                column = level.state[name].astype(scaled.dtype)
                column[mask] = scaled
                level.state[name] = column

    def _accept(self, symbols: Grouped[Tape]) -> BoolArray | None:
        """Tell which rows are acceptable, None for all; account for all the others."""
        trades, starts, codes = symbols.table, symbols.starts, symbols.codes
        if not codes:
            return None
        sizes, recorded = symbols.sizes(), trades.recorded(starts)
        self._received[codes] += recorded
        ids, after = trades.trade_id, trades.id_stops()
        jumps = np.zeros(len(ids), dtype=np.bool_)
        jumps[1:] = ids[1:] != after[:-1]
        jumps[starts] = False
        odd = np.logical_or.reduceat(jumps | (trades.kind != TradeKind.MARKET), starts)
        kept = None
        stops = starts + sizes
        firsts, ends, of = ids[starts], after[stops - 1], np.array(codes)
        # Consecutive ids that go on where the last ones ended, as nearly always.
        plain = ~odd & (firsts == self._run_ends[of])
        self._run_ends[of[plain]] = ends[plain]
        for place in np.flatnonzero(~plain).tolist():
            code, first = codes[place], int(firsts[place])
            if self._end_run(code).is_beyond(first) and not odd[place]:
                self._run_starts[code], self._run_ends[code] = first, ends[place]
                continue
            kept = np.ones(len(trades), dtype=np.bool_) if kept is None else kept
            mine = slice(int(starts[place]), int(stops[place]))
            kept[mine] = self._accept_one(self._instruments[code].symbol, trades[mine])
        refused = 0 if kept is None else np.add.reduceat(~kept, starts, dtype=int)
        self._applied[codes] += recorded - refused
        return kept if kept is not None and not kept.all() else None

    def _end_run(self, code: int) -> RangeSet:
        """Put a symbol's run of ids to those seen; return them."""
        seen, end = self._seen[self._instruments[code].symbol], int(self._run_ends[code])
        if end != _NO_RUN:
            seen.add(self._run_starts[code : code + 1], np.array([end]))
            self._run_ends[code] = _NO_RUN
        return seen

    def _accept_one(self, symbol: str, trades: Tape) -> BoolArray:
        """Tell which trades of one symbol are acceptable; account for all the others."""
        account, ids, kinds = self._accounts[symbol], trades.trade_id, trades.kind
        kept: BoolArray = kinds == TradeKind.MARKET
        for kind in np.unique(kinds[~kept]):
            rejected = account.rejected.setdefault(TradeKind(kind).name.lower(), [])
            rejected.extend(ids[kinds == kind].tolist())
        fresh = trades.take(kept).note_ids(self._seen[symbol])
        account.duplicate.extend(ids[kept][~fresh].tolist())
        kept[kept] = fresh
        return kept

    def _tick_rows(self, trades: Tape, ticks: TickColumns) -> Partials:
        """Return a row per tick for every symbol that has klines or may get them here.

        The trades are sorted by symbol.
        """
        started = set(self._levels[0].state["symbol"].tolist())
        started.update(trades.symbol[p.group_starts(trades.symbol)].tolist())
        return tick_partials(sorted(started), self._levels[0].interval, ticks)

    def _advance_base(
        self, trades: Tape, seq: Int64Array, cuts: Int64Array, ticks: Partials
    ) -> Partials | None:
        """Move the finest level on; return its late trades one a row, with their frontier."""
        base = self._levels[0]
        state = base.state | {"open_seq": base.state["open_seq"]}
        buckets = base.interval.open_times_ns(trades.event_time_ns)
        starts = segment_starts(trades.symbol, buckets, cuts)
        segments = p.empty()
        if len(starts):
            segments = trade_partials(trades, seq, starts)
            segments["bucket"] = buckets[starts]
        table = p.join([state, segments, ticks])
        kind = np.repeat([0, 1, 2], [p.rows_of(state), p.rows_of(segments), p.rows_of(ticks)])
        segment = np.concatenate(
            [np.full(p.rows_of(state), -1), np.arange(len(starts)), np.full(p.rows_of(ticks), -1)]
        )
        # Rows are put in order and left out by their numbers: only sums of them are made.
        order = np.lexsort((np.where(kind == 0, -1, table["open_seq"]), table["symbol"]))
        order = order[_started(table["symbol"][order], kind[order])]
        kind, segment, bucket = kind[order], segment[order], table["bucket"][order]
        frontier = _frontier(table["symbol"][order], bucket)
        is_late = bucket < frontier
        late = None
        if (is_late & (kind == 1)).any():
            late_segments = np.flatnonzero(is_late & (kind == 1))
            late = _single_trades(
                trades, seq, starts, segment[late_segments], frontier[late_segments]
            )
        order, frontier = order[~is_late], frontier[~is_late]
        table["bucket"] = table["bucket"].copy()
        table["bucket"][order] = frontier
        runs = p.add_up(table, p.group_starts(table["symbol"][order], frontier), order)
        settle_finest(base, runs)
        return late

    def _roll_up(self, late: Partials | None, end: tuple[int, int] | None) -> None:
        """Move every other level on by its child's closed klines, and account for late trades."""
        for level in self._levels:
            missed = None if late is None else _too_late(level.interval, late)
            if level.child is not None:
                extra = None
                if late is not None and missed is not None:
                    extra = p.take(late, _too_late(level.child.interval, late) & ~missed)
                roll_up(level, level.child, extra, end)
            if late is None or missed is None or not level.visible:
                continue
            for row in np.flatnonzero(missed):
                symbol = self._instruments[int(late["symbol"][row])].symbol
                series = self._accounts[symbol].series[level.interval.text]
                series.late.append(int(late["open_key"][row]))
                series.applied -= 1


def _started(symbols: Int64Array, kind: Int64Array) -> BoolArray:
    """Tell which rows come at or after their symbol's state or first trade."""
    alive = np.cumsum(kind != 2)
    starts = p.group_starts(symbols)
    lengths = np.diff(starts, append=len(symbols))
    before = np.repeat(alive[starts] - (kind[starts] != 2), lengths)
    started: BoolArray = alive > before
    return started


def _frontier(symbols: Int64Array, buckets: Int64Array) -> Int64Array:
    """Return, per row, the newest bucket its symbol has reached (all buckets are whole seconds)."""
    if len(buckets) == 0:
        return buckets
    origin = buckets.min()
    seconds = (buckets - origin) // NS_PER_SECOND
    span = int(seconds.max()) + 1
    reached = np.maximum.accumulate(symbols * span + seconds)
    newest: Int64Array = (reached % span) * NS_PER_SECOND + origin
    return newest


def _single_trades(
    trades: Tape, seq: Int64Array, starts: Int64Array, segments: Int64Array, frontier: Int64Array
) -> Partials:
    """Return the trades of some segments one a row, in feed order, with column `frontier`."""
    stops = np.append(starts[1:], len(trades))
    lengths = stops[segments] - starts[segments]
    rows = np.concatenate([np.arange(starts[s], stops[s]) for s in segments])
    table = trade_partials(trades.take(rows).single(), seq[rows], np.arange(len(rows)))
    table["frontier"] = np.repeat(frontier, lengths)
    order = np.argsort(table["open_seq"], kind="stable")
    return p.take(table, order)


def _too_late(interval: Interval, late: Partials) -> BoolArray:
    """Tell which late trades of the finest level are late for an interval too."""
    passed: BoolArray = interval.open_times_ns(late["bucket"]) < interval.open_times_ns(
        late["frontier"]
    )
    return passed
