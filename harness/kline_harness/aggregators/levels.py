"""One level per interval: the finest made of trades, the others of their child's klines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kline_harness.aggregators import partials as p
from kline_harness.aggregators.partials import CLOSE, Partials
from kline_harness.compiled.levels import Buckets, Made, TickColumns, finest, longer
from kline_harness.interval import CODE, INTERVALS, Interval
from kline_harness.kline import Trigger
from kline_harness.tape import Tape
from kline_harness.units import BoolArray, Int64Array


@dataclass(slots=True)
class Level:
    """One interval: where its klines come from and which are open.

    The finest level is made of trades (`child` None), any other of the klines of its child, the
    longest interval that divides it. `state` holds one row per symbol: its open kline, without
    what still lies in the child's open kline.
    """

    interval: Interval
    child: Level | None
    visible: bool
    state: Partials = field(default_factory=p.empty)
    closed: Partials = field(default_factory=p.empty)


def plan_levels(intervals: Sequence[Interval]) -> list[Level]:
    """Return the levels from the finest up; 1m joins unseen where none divides all the others."""
    wanted = sorted(set(intervals), key=lambda interval: CODE[interval])
    finest = wanted[0]
    whole = list(wanted)
    if not all(finest.refines(interval) for interval in wanted):
        whole.insert(0, INTERVALS[1])
    levels: list[Level] = []
    for interval in whole:
        children = [level for level in levels if level.interval.refines(interval)]
        levels.append(Level(interval, children[-1] if children else None, interval in wanted))
    return levels


def roll_up(
    level: Level, child: Level, extra: Partials | None, end: tuple[int, int] | None
) -> None:
    """Move one level on by what its child has closed.

    A kline is closed by the event that closed the last of its children. The child's open kline
    adds no values yet, but tells when this level's open kline was opened and first traded.
    """
    growing = child.state | {"applied": np.zeros_like(child.state["applied"])}
    parts = [level.state, child.closed, growing, *([] if extra is None else [extra])]
    counts = [p.rows_of(part) for part in parts]
    table = p.join([{name: part[name] for name in p.COLUMNS} for part in parts])
    from_child = slice(counts[0], counts[0] + counts[1])
    ends = np.full(len(table["symbol"]), -1, dtype=np.int64)
    ends[from_child] = child.interval.close_times_ns(child.closed["bucket"])
    closer = np.full(len(ends), -1, dtype=np.int64)
    closer[from_child] = np.arange(counts[1])
    buckets = level.interval.open_times_ns(table["bucket"])
    closer[ends != level.interval.close_times_ns(buckets)] = -1
    table["bucket"] = buckets
    order = np.lexsort((buckets, table["symbol"]))
    starts = p.group_starts(table["symbol"][order], buckets[order])
    total, closer = p.add_up(table, starts, order), closer[order]
    p.carry_close(total, known_closes(total))
    last = np.maximum.reduceat(closer, starts) if len(starts) else closer
    done = last >= 0
    for name in CLOSE:
        total[name] = np.zeros(len(starts), dtype=np.int64)
        total[name][done] = child.closed[name][last[done]]
    level.closed = p.take(total, done)
    level.state = {name: total[name][~done] for name in p.COLUMNS}
    if end is not None:
        level.closed = p.join([level.closed, close_at_end(level.state, end)])
        level.state = p.empty()


def advance_in_rows(
    levels: Sequence[Level], trades: Tape, seq: Int64Array, ticks: TickColumns
) -> bool:
    """Move all levels on by a slice in compiled loops, where these can; tell whether they did.

    The trades are sorted by symbol; `seq` are their places in the feed.
    """
    base = levels[0].interval
    states = [p.block_of(level.state) for level in levels]
    if base.length_ns is None or any(state is None for state in states):
        return False
    names = ("symbol", "price", "quantity", "quote", "trade_id", "first_id", "last_id")
    columns = {n: getattr(trades, n) for n in (*names, "event_time_ns", "arrival_ns")}
    columns |= {"seq": seq, "buyer_is_maker": trades.buyer_is_maker, "applied": None}
    if type(trades).recorded is not Tape.recorded:
        columns["applied"] = trades.recorded(np.arange(len(trades), dtype=np.int64))
    ticks = ticks._replace(time_ns=base.open_times_ns(ticks.time_ns))
    made: dict[int, Made] = {}
    for level, state in zip(levels, states, strict=True):
        assert state is not None
        if level.child is None:
            one = finest(columns, ticks, state, Buckets(base.length_ns, base.offset_ns))
        else:
            child = made[id(level.child)]
            length_ns = level.child.interval.length_ns
            assert length_ns is not None
            one = longer(state, child, _buckets(level.interval, (state, *child)), length_ns)
        if one is None:
            return False
        made[id(level)] = one
    for level in levels:
        closed, opened = made[id(level)]
        level.closed = p.InRows(closed, (*p.COLUMNS, *CLOSE))
        level.state = p.InRows(opened, p.COLUMNS)
    return True


def _buckets(interval: Interval, parts: Sequence[Int64Array]) -> Buckets:
    if interval.length_ns is not None:
        return Buckets(interval.length_ns, interval.offset_ns)
    buckets = np.concatenate([rows[:, p.COLUMNS.index("bucket")] for rows in parts])
    if len(buckets) == 0:
        return Buckets(0, 0, buckets)
    first, end = interval.open_time_ns(int(buckets.min())), int(buckets.max())
    return Buckets(0, 0, interval.opens_between(first, interval.close_time_ns(end) + 1))


def close_at_end(state: Partials, end: tuple[int, int]) -> Partials:
    """Return open klines closed by the end of the feed."""
    rows = p.rows_of(state)
    return state | {
        "close_seq": np.full(rows, end[0]),
        "close_at": np.full(rows, end[1]),
        "close_trigger": np.full(rows, Trigger.END, dtype=np.int64),
    }


def known_closes(table: Partials) -> BoolArray:
    """Tell which rows, sorted by symbol, have a close of their own or carry one."""
    known: BoolArray = table["applied"] > 0
    known[p.group_starts(table["symbol"])] = True
    return known


def settle_finest(base: Level, runs: Partials) -> None:
    """Split runs, sorted by symbol and bucket, into closed klines with fillers and open ones."""
    rows = p.rows_of(runs)
    last = np.ones(rows, dtype=np.bool_)
    last[:-1] = runs["symbol"][1:] != runs["symbol"][:-1]
    closing = np.flatnonzero(~last)
    table = runs | {name: np.zeros(rows, dtype=np.int64) for name in CLOSE}
    for name in CLOSE:
        table[name][closing] = runs[name.replace("close", "open")][closing + 1]
    known = np.ones(rows, dtype=np.bool_) if rows == 0 else known_closes(table)
    fillers = _fillers(base.interval, table, closing)
    if p.rows_of(fillers):
        table = p.join([table, fillers])
        known = np.concatenate([known, np.zeros(p.rows_of(fillers), dtype=np.bool_)])
        last = np.concatenate([last, np.zeros(p.rows_of(fillers), dtype=np.bool_)])
        order = np.lexsort((table["bucket"], table["symbol"]))
        table, known, last = p.take(table, order), known[order], last[order]
    p.carry_close(table, known)
    base.closed = p.take(table, ~last)
    base.state = {name: table[name][last] for name in p.COLUMNS}


def _fillers(interval: Interval, table: Partials, closing: Int64Array) -> Partials:
    """Return the quiet klines between neighbouring runs, opened and closed by one event."""
    ends = interval.close_times_ns(table["bucket"][closing])
    gaps = np.flatnonzero(ends != table["bucket"][closing + 1])
    opens = [
        interval.opens_between(int(ends[gap]), int(table["bucket"][closing[gap] + 1]))
        for gap in gaps
    ]
    cause = np.repeat(closing[gaps], [len(times) for times in opens]).astype(np.int64)
    fillers = p.empty(len(cause))
    fillers["symbol"] = table["symbol"][cause]
    fillers["bucket"] = np.concatenate([np.empty(0, dtype=np.int64), *opens])
    for name in CLOSE:
        fillers[name] = table[name][cause]
        fillers[name.replace("close", "open")] = table[name][cause]
    return fillers
