"""What the trades of each step of time add, symbol by symbol, made in columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kline_harness.tape import Tape
from kline_harness.units import multiply, sum_groups


@dataclass(slots=True)
class StepPart:
    """The trades of one symbol in one step; `at_ns` is the end of the step, which is not in it."""

    at_ns: int
    code: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote: int
    count: int
    taker_volume: int
    taker_quote: int
    first_id: int
    last_id: int


def parts(trades: Tape, step_ns: int) -> Iterator[StepPart]:
    """Yield what trades in order of time add, by step and then by symbol."""
    if len(trades) == 0:
        return
    ends = trades.event_time_ns // step_ns * step_ns + step_ns
    order = np.lexsort((trades.symbol, ends))
    trades, ends = trades.take(order), ends[order]
    new = np.diff(ends, prepend=ends[0] - 1) != 0
    new |= np.diff(trades.symbol, prepend=trades.symbol[0]) != 0
    starts = np.flatnonzero(new)
    lasts = np.append(starts[1:], len(ends)) - 1
    taken = (~trades.buyer_is_maker).astype(np.int64)
    columns: tuple[Any, ...] = (
        ends[starts],
        trades.symbol[starts],
        trades.price[starts],
        np.maximum.reduceat(trades.price, starts),
        np.minimum.reduceat(trades.price, starts),
        trades.price[lasts],
        sum_groups(trades.quantity, starts),
        sum_groups(trades.quote, starts),
        sum_groups(trades.last_id - trades.first_id + 1, starts),
        sum_groups(multiply(trades.quantity, taken), starts),
        sum_groups(multiply(trades.quote, taken), starts),
        trades.first_id[starts],
        trades.last_id[lasts],
    )
    for row in zip(*(column.tolist() for column in columns), strict=True):
        yield StepPart(*row)
