"""The way of the many: trades and pulls that are plain go through a compiled loop.

Plain is a trade that the window of its symbol's slots holds, so that it would only wait in
`SymbolSlots.pending`, and a pull of deltas that shows only bars with such a window. Slots are then
held in the loop's lanes until `SymbolSlots.settle` asks for them. What is not plain comes out of
here again, event by event, for the code that says what the model does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from kline_harness.aggregators.per_event import Amount, Step, TradeRow
from kline_harness.interfaces import FeedSlice, Pull, Signal, Tick
from kline_harness.klagg.board import Board
from kline_harness.klagg.fold_loop import RECORD_WORDS, FoldLoop, Stop
from kline_harness.klagg.numbers import SAFE
from kline_harness.klagg.pulled import LoggedAnswers, LogKey, PullLog
from kline_harness.klagg.slots import BarRules
from kline_harness.klagg.symbols import SymbolMap
from kline_harness.ranges import IntSet
from kline_harness.tape import Tape
from kline_harness.units import INT64_MAX

# A slice of fewer trades is not worth the preparation.
WORTH_TRADES = 64
# Nor, where nobody pulls, are bars whose last window let fewer trades wait.
WORTH_STRETCH = 32
# While the loop takes fewer trades than this at a time, more and more come out at once.
_FEW = 32
_LOOKAHEAD_MAX = 1024
# No trade is received before this.
_ALWAYS_NS = -INT64_MAX - 1


class FoldHost(Protocol):
    """What the loop asks of its aggregator."""

    now_ns: int
    pulls: PullLog

    def code_of(self, symbol: str) -> int:
        """Return a symbol's index in the aggregator's instruments."""
        ...

    def answers_plainly(self) -> bool:
        """Tell whether the answer to a pull of deltas is the bars that changed, and no more."""
        ...


class Folding:
    """Runs slices of a feed through the compiled loop, as far as they are plain.

    The bars of a symbol of the slice can be in a lane, under the index that has its name.
    """

    def __init__(
        self,
        host: FoldHost,
        board: Board,
        symbols: SymbolMap,
        seen: Mapping[int, IntSet],
        rules: BarRules,
        *,
        future_bound_ns: int | None,
        routed_at_receipt: bool,
    ) -> None:
        self._host = host
        self._board = board
        self._symbols = symbols
        self._seen = seen
        self._numbers = rules.numbers
        self._ids_checked = not rules.ids_ignored
        self._routed_at_receipt = routed_at_receipt
        self._loop = FoldLoop(
            board.capacity,
            len(board.periods),
            has_floats=self._numbers.has_floats,
            has_ids_checked=self._ids_checked,
            counts_aggregates=rules.aggregates_counted,
            future_bound_ns=-1 if future_bound_ns is None else min(future_bound_ns, INT64_MAX),
        )
        self._loaded: set[int] = set()

    def steps(self, feed: FeedSlice) -> Iterator[Step] | None:
        """Yield, in order, what is not plain; None for a slice that the loop does not take."""
        if len(feed.trades) < WORTH_TRADES:
            return None
        codes = [self._host.code_of(i.symbol) for i in feed.trades.instruments]
        tape = self._numbers.lane_tape(feed.trades, codes)
        return None if tape is None else self._steps(feed, tape, codes)

    def _steps(self, feed: FeedSlice, tape: Tape, codes: Sequence[int]) -> Iterator[Step]:
        self._tape = tape
        self._instruments = dict(zip(codes, tape.instruments, strict=True))
        self._loop.take_trades({name: getattr(tape, name) for name in tape.column_names()})
        others = self._take_pulls(feed)
        self._route()
        for signal, position, pulls in others:
            yield from self._until(position, pulls)
            self._log()
            yield signal
            if not isinstance(signal, Tick | Pull):
                self._route()
        yield from self._until(len(tape), len(self._pulls))
        self._log()
        self._bring_back(self._loaded)

    def _take_pulls(self, feed: FeedSlice) -> list[tuple[Signal, int, int]]:
        """Keep the pulls of deltas; return the other signals, trades and pulls before each."""
        self._pulls: list[Pull] = []
        self._pull_positions: list[int] = []
        others: list[tuple[Signal, int, int]] = []
        for signal, position in zip(feed.signals, feed.positions, strict=True):
            if isinstance(signal, Pull) and not signal.full:
                self._pulls.append(signal)
                self._pull_positions.append(position)
            else:
                others.append((signal, position, len(self._pulls)))
        self._loop.take_pulls(
            np.array([pull.at_ns for pull in self._pulls], dtype=np.int64),
            np.array(self._pull_positions, dtype=np.int64),
        )
        return others

    def _route(self) -> None:
        """Learn which index a symbol's trades go to, if it has its name, and what logs mean."""
        current, name_of = self._symbols.current, self._board.name_of
        self._index_of = {
            code: current[code]
            for code, instrument in self._instruments.items()
            if code in current and name_of(current[code]) == instrument.symbol
        }
        self._code_of = {index: code for code, index in self._index_of.items()}
        self._factors = {c: self._numbers.factors(i) for c, i in self._instruments.items()}
        self._key = LogKey(
            tuple(self._board.names),
            tuple(period.interval.text for period in self._board.periods),
            self._numbers,
            {index: self._factors[code] for index, code in self._code_of.items()},
        )
        lane_of = np.full(1 + max(self._instruments, default=0), -1, dtype=np.int64)
        lane_of[list(self._index_of)] = list(self._index_of.values())
        self._loop.take_routes(lane_of)
        since_ns = min(self._symbols.since_ns, INT64_MAX) if self._routed_at_receipt else _ALWAYS_NS
        self._loop.at.received_since_ns = since_ns

    # --- the loop ------------------------------------------------------------------------------

    def _until(self, trade_stop: int, pull_stop: int) -> Iterator[Step]:
        """Yield what is not plain up to a trade and a pull."""
        at = self._loop.at
        lookahead = 0
        while True:
            before = at.trade
            stop = self._run(trade_stop, pull_stop)
            if stop is Stop.END:
                return
            if stop is Stop.FULL:
                self._log()
            elif stop is Stop.PULL:
                if not self._load_changed():
                    self._log()
                    at.pull += 1
                    yield self._pulls[at.pull - 1]
            elif not self._load_for(at.trade):
                few = at.trade - before < _FEW
                lookahead = min(2 * lookahead, _LOOKAHEAD_MAX) if few and lookahead else 1
                end = min(at.trade + lookahead, trade_stop)
                if at.pull < pull_stop:
                    end = min(end, self._pull_positions[at.pull])
                yield self._taken(end)

    def _run(self, trade_stop: int, pull_stop: int) -> Stop:
        loop, at, changed = self._loop, self._loop.at, self._board.changed
        at.trade_stop, at.pull_stop = trade_stop, pull_stop
        at.answers_pulls = self._host.answers_plainly()
        at.now_ns, at.changed_count = self._host.now_ns, changed.count
        loop.take_changed(changed.numbers)
        stop = loop.run()
        self._host.now_ns, changed.count = at.now_ns, at.changed_count
        for index, end, start in loop.taken_gaps():
            seen = self._seen[self._code_of[index]]
            seen.reach(end)
            seen.leap(start)
        return stop

    def _taken(self, end: int) -> Iterator[TradeRow]:
        """Return the trades up to `end`, which the loop leaves out; their bars are brought back."""
        at = self._loop.at
        trades = self._tape[at.trade : end]
        at.trade = end
        codes = set(trades.symbol.tolist())
        self._bring_back(self._index_of[code] for code in codes if code in self._index_of)
        return self._numbers.lane_trades(trades, self._factors)

    def _log(self) -> None:
        """Hand on the answers that the loop has logged."""
        if self._loop.at.answer_count:
            self._host.pulls.append(LoggedAnswers(*self._loop.taken_answers(), self._key))

    # --- lanes ---------------------------------------------------------------------------------

    def _load_for(self, trade: int) -> bool:
        """Load the bars that a trade is waiting for; False if that would not make it plain."""
        index = self._index_of.get(int(self._tape.symbol[trade]))
        if index is None:
            return False
        row = self._board.rows[index]
        if not (self._pulls or row.stretch is None or row.stretch >= WORTH_STRETCH):
            return False
        return row.from_ns <= self._tape.event_time_ns[trade] < row.until_ns and self._load(index)

    def _load_changed(self) -> bool:
        """Load the bars that a pull is waiting for; False if that would not make it plain."""
        indices = {number // len(self._board.periods) for number in self._board.changed.tolist()}
        waiting = [index for index in indices if self._board.rows[index].release is None]
        plain = bool(waiting) and self._host.answers_plainly()
        return plain and all(self._load(index) for index in waiting)

    def _load(self, index: int) -> bool:
        """Load a symbol's bars into its lane; False if they are there or cannot be."""
        row, code = self._board.rows[index], self._code_of.get(index)
        if code is None or row.release is not None or row.from_ns >= row.until_ns:
            return False
        row.settle()
        if self._ids_checked and code not in self._seen:
            return False
        seen_end = self._seen[code].end if self._ids_checked else 0
        values: list[Amount] = [row.from_ns, row.until_ns, 0, seen_end]
        for number, slot in enumerate(row.slots, index * len(row.slots)):
            amounts = self._numbers.to_lane(slot.amounts(), self._factors[code])
            if amounts is None or not -SAFE < slot.count < SAFE:
                return False
            values += (number, slot.open_time_ns, slot.count, *amounts)
            values += (slot.lowest_id, slot.highest_id, slot.first_trade_id, slot.last_trade_id)
            values.append(slot.dirty)
        if not self._loop.load(index, values):
            return False
        row.release = partial(self._release, index)
        self._loaded.add(index)
        return True

    def _release(self, index: int) -> None:
        """Bring a symbol's bars back from its lane."""
        row, code = self._board.rows[index], self._code_of[index]
        (_, _, applied, seen_end), bars = self._loop.unload(index)
        for slot, bar in zip(row.slots, bars, strict=True):
            _, _, count, *amounts = bar[:RECORD_WORDS]
            slot.set_fields(self._numbers.from_lane(amounts, self._factors[code]), count)
            slot.lowest_id, slot.highest_id, slot.first_trade_id, slot.last_trade_id = bar[11:15]
            slot.dirty = bool(bar[15])
            slot.rows += applied
            slot.account.applied += applied
        row.is_noted = all(slot.dirty for slot in row.slots)
        row.waited += applied
        if self._ids_checked:
            self._seen[code].reach(seen_end)
        self._loaded.discard(index)

    def _bring_back(self, indices: Iterable[int]) -> None:
        """Release lanes; trades that wait elsewhere go on waiting."""
        for index in self._loaded.intersection(indices):
            self._board.rows[index].settle()
