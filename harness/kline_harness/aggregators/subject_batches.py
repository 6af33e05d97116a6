"""A slice of the feed as the messages that a subject in a process gets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from kline_harness.interfaces import FeedSlice, Signal
from kline_harness.interval import Interval
from kline_harness.tape import Tape


def batches(feed: FeedSlice, shortest: Interval, rows_max: int) -> Iterator[Tape | Signal]:
    """Yield trades of one symbol that lie in one kline of `shortest`, and signals, in order.

    What a subject publishes of a batch belongs to the arrival of its first trade, the only one
    that can begin a kline; so a batch ends where a kline does. Between two signals symbols do not
    depend on one another, so each one's trades come together, the symbol first that was first.
    """
    done = 0
    for signal, position in zip(feed.signals, feed.positions, strict=True):
        yield from _trades(feed.trades[done:position], shortest, rows_max)
        yield signal
        done = position
    yield from _trades(feed.trades[done:], shortest, rows_max)


def _trades(tape: Tape, shortest: Interval, rows_max: int) -> Iterator[Tape]:
    if len(tape) == 0:
        return
    order = np.arange(len(tape))
    if len(tape.instruments) > 1:
        order = np.argsort(tape.symbol, kind="stable")
        tape = tape.take(order)
    opens = shortest.open_times_ns(tape.event_time_ns)
    changes = np.flatnonzero((np.diff(opens) != 0) | (np.diff(tape.symbol) != 0)) + 1
    runs = pairwise([0, *changes.tolist(), len(tape)])
    # By the place that a run's first trade had in the feed.
    for start, stop in sorted(runs, key=lambda run: order[run[0]]):
        for row in range(start, stop, rows_max):
            yield tape[row : min(row + rows_max, stop)]
