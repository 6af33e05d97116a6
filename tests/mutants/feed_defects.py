"""Feeds that are not what they should be: wrong ticks, trades lost or doubled at the door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from kline_harness.interfaces import FeedSlice, Signal, Tick
from kline_harness.units import NS_PER_MILLISECOND

Struck = Callable[[int, Tick], list[Tick]]


def tick_early(feed: Iterable[FeedSlice]) -> Iterator[FeedSlice]:
    """Let every third tick come 200 ms early."""
    return _struck(feed, lambda n, tick: [_moved(tick, -200) if n % 3 == 2 else tick])


def tick_twice(feed: Iterable[FeedSlice]) -> Iterator[FeedSlice]:
    """Let every third tick come twice."""
    return _struck(feed, lambda n, tick: [tick, tick] if n % 3 == 2 else [tick])


def tick_missed(feed: Iterable[FeedSlice]) -> Iterator[FeedSlice]:
    """Leave every third tick out."""
    return _struck(feed, lambda n, tick: [] if n % 3 == 2 else [tick])


def tick_tells_wrong_time(feed: Iterable[FeedSlice]) -> Iterator[FeedSlice]:
    """Let every third tick tell the time of the exchange's file: without the grace."""
    return _struck(feed, lambda n, tick: [Tick(tick.at_ns, _bare(tick)) if n % 3 == 2 else tick])


def trade_lost(feed: Iterable[FeedSlice]) -> Iterator[FeedSlice]:
    """Lose the twentieth trade of each slice."""
    return (_kept(piece, [row for row in range(len(piece.trades)) if row != 19]) for piece in feed)


def trade_twice(feed: Iterable[FeedSlice]) -> Iterator[FeedSlice]:
    """Let the twentieth trade of each slice come twice."""
    for piece in feed:
        rows = list(range(len(piece.trades)))
        yield _kept(piece, rows[:20] + rows[19:])


def ids_closed_up(feed: Iterable[FeedSlice]) -> Iterator[FeedSlice]:
    """Number the trades of each symbol on, so that no gap betrays a lost one."""
    following: dict[str, int] = {}
    for piece in feed:
        trades = piece.trades
        ids = trades.trade_id.copy()
        for row, code in enumerate(trades.symbol.tolist()):
            symbol = trades.instruments[code].symbol
            ids[row] = following.get(symbol, int(ids[row]))
            following[symbol] = int(ids[row]) + 1
        closed = trades.with_columns(dict.fromkeys(("trade_id", "first_id", "last_id"), ids))
        yield FeedSlice(closed, piece.signals, piece.positions)


def _kept(piece: FeedSlice, rows: list[int]) -> FeedSlice:
    trades = piece.trades.take(np.array(rows, dtype=np.int64))
    kept = FeedSlice(trades, piece.signals, piece.positions)
    return FeedSlice(trades, piece.signals, _positions(kept, piece.signals))


def _moved(tick: Tick, milliseconds: int) -> Tick:
    by_ns = milliseconds * NS_PER_MILLISECOND
    return Tick(tick.at_ns + by_ns, tick.time_ns + by_ns)


def _bare(tick: Tick) -> int:
    return tick.time_ns - 1


def _struck(feed: Iterable[FeedSlice], strike: Struck) -> Iterator[FeedSlice]:
    number = 0
    for piece in feed:
        signals: list[Signal] = []
        for signal in piece.signals:
            if isinstance(signal, Tick):
                signals += strike(number, signal)
                number += 1
            else:
                signals.append(signal)
        yield FeedSlice(piece.trades, tuple(signals), _positions(piece, signals))


def _positions(piece: FeedSlice, signals: Sequence[Signal]) -> tuple[int, ...]:
    at_ns = np.array([signal.at_ns for signal in signals], dtype=np.int64)
    places = np.searchsorted(piece.trades.arrival_ns, at_ns, side="right")
    return tuple(int(place) for place in places)
