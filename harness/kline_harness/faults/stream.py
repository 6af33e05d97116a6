"""Applies faults of trades to a stream of tapes; how it is cut into chunks changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from kline_harness.columns import concat
from kline_harness.faults.draw import Draw
from kline_harness.faults.record import FaultRecord
from kline_harness.faults.trades import OrderedTrades, TradeFault
from kline_harness.tape import Tape


def faulty(
    tapes: Iterable[Tape], faults: list[tuple[TradeFault, Draw, FaultRecord]]
) -> Iterator[Tape]:
    """Yield the trades with faults, in order of arrival, then of the tape.

    Faults act one after the other on each trade, and only make trades arrive later. So a row is
    held back until no row of the tape can come before it any more.
    """
    held: OrderedTrades | None = None
    rows = 0
    for tape in tapes:
        if len(tape) == 0:
            continue
        ordered = OrderedTrades(tape, np.arange(rows, rows + len(tape), dtype=np.int64))
        rows += len(tape)
        safe_ns = int(tape.arrival_ns[-1])
        for fault, draw, record in faults:
            ordered = fault.apply(ordered, draw, record)
        ordered = _ordered(ordered if held is None else _join(held, ordered))
        stop = int(np.searchsorted(ordered.tape.arrival_ns, safe_ns, side="left"))
        if stop:
            yield ordered.tape[:stop]
        held = OrderedTrades(ordered.tape[stop:], ordered.order[stop:])
    if held is not None and len(held.tape):
        yield held.tape


def _join(first: OrderedTrades, second: OrderedTrades) -> OrderedTrades:
    return OrderedTrades(
        concat([first.tape, second.tape]), np.concatenate([first.order, second.order])
    )


def _ordered(ordered: OrderedTrades) -> OrderedTrades:
    arrival_ns, order = ordered.tape.arrival_ns, ordered.order
    if np.all(arrival_ns[1:] >= arrival_ns[:-1]) and np.all(order[1:] >= order[:-1]):
        return ordered
    return ordered.take(np.lexsort((order, arrival_ns)))
