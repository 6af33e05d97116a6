"""One level per interval: the finest made of trades, the others of their child's klines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kline_harness.aggregators import partials as p
from kline_harness.aggregators.partials import Partials
from kline_harness.interval import CODE, INTERVALS, Interval
from kline_harness.kline import Trigger
from kline_harness.units import BoolArray

CLOSE = ("close_seq", "close_at", "close_trigger")


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
