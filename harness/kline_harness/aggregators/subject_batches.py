"""A slice of the feed as the messages that a subject in a process gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kline_harness.interfaces import FeedSlice, Signal
from kline_harness.interval import Interval
from kline_harness.tape import Tape
from kline_harness.units import BoolArray


def batches(
    feed: FeedSlice, intervals: Sequence[Interval], rows_max: int
) -> Iterator[Tape | Signal]:
    """Yield trades of one symbol that lie in one kline of each interval, and signals, in order.

    What a subject publishes of a batch belongs to the arrival of its first trade, the only one
    that can begin a kline; so a batch ends where a kline of any interval does, also of one that
    the shortest does not divide, such as 5m beside 3m. Between two signals symbols do not
    depend on one another, so each one's trades come together, the symbol first that was first.
    """
    done = 0
    for signal, position in zip(feed.signals, feed.positions, strict=True):
        yield from _trades(feed.trades[done:position], intervals, rows_max)
        yield signal
        done = position
    yield from _trades(feed.trades[done:], intervals, rows_max)


def _trades(tape: Tape, intervals: Sequence[Interval], rows_max: int) -> Iterator[Tape]:
    if len(tape) == 0:
        return
    if len(tape.instruments) == 1:
        for start, stop in _runs(np.flatnonzero(_begins(tape, intervals)), len(tape)):
            yield from _pieces(tape, start, stop, rows_max)
        return
    order = np.argsort(tape.symbol, kind="stable")
    tape = tape.take(order)
    runs = _runs(np.flatnonzero(_begins(tape, intervals) | (np.diff(tape.symbol) != 0)), len(tape))
    # By the place that a run's first trade had in the feed.
    for start, stop in sorted(runs, key=lambda run: order[run[0]]):
        yield from _pieces(tape, start, stop, rows_max)


def _begins(tape: Tape, intervals: Sequence[Interval]) -> BoolArray:
    """Tell where the next trade is in another kline of any of the intervals."""
    begins = np.zeros(max(0, len(tape) - 1), dtype=np.bool_)
    # Between two ticks most trades are in one kline: its ends are sooner known than each trade's.
    first_ns, last_ns = int(tape.event_time_ns.min()), int(tape.event_time_ns.max())
    for place, interval in enumerate(intervals):
        if interval.open_time_ns(first_ns) == interval.open_time_ns(last_ns):
            continue
        if not any(shorter.refines(interval) for shorter in intervals[:place]):
            begins |= np.diff(interval.open_times_ns(tape.event_time_ns)) != 0
    return begins


def _runs(lasts: NDArray[np.intp], rows: int) -> Iterator[tuple[int, int]]:
    """Yield the runs that end with the rows `lasts`, and the last one."""
    return pairwise([0, *(lasts + 1).tolist(), rows])


def _pieces(tape: Tape, start: int, stop: int, rows_max: int) -> Iterator[Tape]:
    for row in range(start, stop, rows_max):
        yield tape[row : min(row + rows_max, stop)]
