"""How much was traded in each kline's time, from a file of trades."""

from __future__ import annotations

import numpy as np

from kline_harness.interval import Interval
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import ExactArray, Int64Array, rescale, sum_groups


class TradeBuckets:
    """Raw trades and quantity by open time, of one symbol and interval; built up tape by tape."""

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self._parts: list[tuple[Int64Array, Int64Array, ExactArray, int]] = []

    def add(self, tape: Tape, scale: int) -> None:
        """Add trades of the symbol, quantities at a scale; only market trades make klines."""
        market = tape.kind == TradeKind.MARKET
        if not market.all():
            tape = tape.take(market)
        if len(tape) == 0:
            return
        opens = self.interval.open_times_ns(tape.event_time_ns)
        trades = np.maximum(tape.last_id - tape.first_id + 1, 1)
        self._parts.append((*_grouped(opens, trades, tape.quantity), scale))

    def totals(self) -> tuple[Int64Array, Int64Array, ExactArray, int]:
        """Return open times, trades and quantities of all that was added, and their scale."""
        if not self._parts:
            nothing = np.empty(0, dtype=np.int64)
            return nothing, nothing, nothing, 0
        scale = max(part[3] for part in self._parts)
        quantities = [rescale(part[2], scale - part[3]) for part in self._parts]
        opens, trades, quantity = _grouped(
            np.concatenate([part[0] for part in self._parts]),
            np.concatenate([part[1] for part in self._parts]),
            np.concatenate(quantities),
        )
        return opens, trades, quantity, scale


def _grouped(
    opens: Int64Array, trades: Int64Array, quantity: ExactArray
) -> tuple[Int64Array, Int64Array, ExactArray]:
    if (opens[1:] < opens[:-1]).any():
        order = np.argsort(opens, kind="stable")
        opens, trades, quantity = opens[order], trades[order], quantity[order]
    starts = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
    return opens[starts], np.add.reduceat(trades, starts), sum_groups(quantity, starts)
