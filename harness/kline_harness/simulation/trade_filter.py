"""Which trades reach the aggregator: not those of an outage, nor those after the shutdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from kline_harness.tape import Tape
from kline_harness.units import BoolArray

# Why trades that arrive later than the shutdown do not reach the aggregator.
AFTER_SHUTDOWN = "after shutdown"


@dataclass(frozen=True, slots=True)
class Outage:
    """A time [from, until) in which no trade is received, as the connection is down.

    With `forgets_added` the connection that follows subscribes only to the symbols known at the
    start, so that trades of those added later do not come any more.
    """

    from_ns: int
    until_ns: int
    forgets_added: bool = False

    def __post_init__(self) -> None:
        if self.until_ns <= self.from_ns:
            raise ValueError("expected an outage that ends after it begins")


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """What keeps trades from the aggregator: outages, and the instant it is shut down at."""

    outages: tuple[Outage, ...] = ()
    shutdown_ns: int | None = None


class TradeFilter:
    """Lets trades through to the aggregator; `lost` counts the others by symbol and reason."""

    def __init__(self, options: FilterOptions, added: Collection[str] = ()) -> None:
        self.lost: Counter[tuple[str, str]] = Counter()
        self._options = options
        self._added = frozenset(added)

    @property
    def shutdown_ns(self) -> int | None:
        """Return the instant at which the aggregator is shut down."""
        return self._options.shutdown_ns

    def running(self, trades: Tape) -> Tape:
        """Return the trades that arrive before the shutdown."""
        shutdown_ns = self._options.shutdown_ns
        if shutdown_ns is None:
            return trades
        kept = np.ones(len(trades), dtype=np.bool_)
        self._lose(trades, kept, trades.arrival_ns > shutdown_ns, AFTER_SHUTDOWN)
        return trades.take(kept)

    def connected(self, trades: Tape) -> Tape:
        """Return the trades that no outage keeps from the aggregator."""
        if not self._options.outages:
            return trades
        kept = np.ones(len(trades), dtype=np.bool_)
        arrival_ns = trades.arrival_ns
        for outage in self._options.outages:
            down = (arrival_ns >= outage.from_ns) & (arrival_ns < outage.until_ns)
            self._lose(trades, kept, down, "outage")
            if outage.forgets_added:
                forgotten = (arrival_ns >= outage.until_ns) & self._is_added(trades)
                self._lose(trades, kept, forgotten, "unsubscribed")
        return trades if kept.all() else trades.take(kept)

    def _is_added(self, trades: Tape) -> BoolArray:
        added = [instrument.symbol in self._added for instrument in trades.instruments]
        return np.array([*added, False], dtype=np.bool_)[trades.symbol]

    def _lose(self, trades: Tape, kept: BoolArray, lost: BoolArray, reason: str) -> None:
        lost = lost & kept
        kept &= ~lost
        for code in np.unique(trades.symbol[lost]).tolist():
            symbol = trades.instruments[code].symbol
            self.lost[symbol, reason] += int(np.count_nonzero(trades.symbol[lost] == code))
