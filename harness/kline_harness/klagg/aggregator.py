"""klagg's aggregator as a model, quirk by quirk.

Source: docs/klagg.md, from "Values" to "Commands"; docs/defects.md. One event is one
turn of its loop; what is ready at once comes in the feed's order, which is that loop's priority.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from kline_harness.aggregators.per_event import Step, TradeRow
from kline_harness.errors import UsageError
from kline_harness.interfaces import AddSymbol, Command, FeedSlice, Pull, Tick
from kline_harness.interval import Interval
from kline_harness.klagg.bars import KlaggBars, StuckError
from kline_harness.klagg.commands import Commands
from kline_harness.klagg.fold import Folding
from kline_harness.klagg.fold_loop import FoldLoop
from kline_harness.klagg.pulled import PullLog
from kline_harness.klagg.quirks import FAITHFUL, Quirk
from kline_harness.klagg.records import (
    BarRecord,
    DatabaseRow,
    PullAnswer,
    load,
    stored_row,
)
from kline_harness.klagg.slots import NEVER_NS, Slot, SymbolSlots, TradeRun
from kline_harness.klagg.symbols import SymbolMap
from kline_harness.kline import Emission, Life, Trigger
from kline_harness.ranges import IntSet
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_MINUTE

# Kinds that the aggregate stream never carries, whatever the aggregator would do with them.
_NOT_ON_STREAM = frozenset({TradeKind.INSURANCE_FUND, TradeKind.ADL, TradeKind.OTHER})


class KlaggAggregator(KlaggBars):
    """klagg with a chosen set of its quirks.

    With `FAITHFUL` it publishes what klagg would push; with `FIXED` it is right: on a clean
    tape it equals the reference aggregator, rows in the order of `symbols` and `intervals`. Any
    set in between works: each quirk is decided at one place.

    * `database` holds the latest stored row for every symbol and period, loaded at construction.
      Without it slots take their first bar from their first trade.
    * `map_delay_ns` is how long the receiving side takes to follow the answer to a command;
      trades received before that are sent to indices that may have moved.
    * Adding one of the `unsubscribable` symbols is answered with an error.
    * `rollover_cap` bounds the bars one event may fill per slot. An event beyond it, like a crash
      of the process, sets `aborted`: nothing is processed any more and every further trade is
      rejected as ``aborted``.
    * `future_bound_ns` is how far ahead of its arrival a trade or tick may be without
      FUTURE_UNCHECKED.
    * `pulls` collects the answers to pulls.

    Amounts are floats with FLOAT_SUMS, else exact integers. Floats are published as their
    shortest decimal, exactly: instruments get finer as sums need it, columns become Python
    integers where 64 bits do not hold them.

    Every trade is accounted for: `unmapped` ones had no slot, ``misrouted`` ones went into
    another symbol's bar, ``aborted`` ones nowhere. Only late trades with LATE_UNCOUNTED are not,
    so that the ledger does not balance.

    Not modelled: waiting inside a command for a full queue of subscriptions (Q23).

    Raises UsageError when `database` lacks a row, or there are more symbols than `max_symbols`.
    """

    def __init__(
        self,
        intervals: Sequence[Interval],
        symbols: Sequence[str],
        quirks: Collection[Quirk] = FAITHFUL,
        *,
        database: Mapping[tuple[str, str], DatabaseRow] | None = None,
        max_symbols: int = 1_000,
        map_delay_ns: int = 0,
        unsubscribable: Collection[str] = (),
        rollover_cap: int = 200_000,
        future_bound_ns: int = NS_PER_MINUTE,
    ) -> None:
        super().__init__(intervals, quirks, max_symbols=max_symbols, rollover_cap=rollover_cap)
        if len(symbols) > max_symbols:
            raise UsageError(f"{len(symbols)} symbols, but klagg has room for {max_symbols}")
        self.pulls = PullLog()
        self._future_bound_ns = future_bound_ns
        # Decided once, as every trade asks.
        self._values_unchecked = Quirk.COUNT_ZERO_IS_PHANTOM in self.quirks
        self._future_checked = Quirk.FUTURE_UNCHECKED not in self.quirks
        self._ids_checked = Quirk.IDS_IGNORED not in self.quirks
        self._routed_at_receipt = Quirk.MISROUTED_IN_FLIGHT in self.quirks
        self._stored: dict[str, list[DatabaseRow]] = {}
        self._unannounced: list[tuple[int, int]] = []
        self._seen: dict[int, IntSet] = {}
        for symbol in symbols:
            self._begin(symbol, database)
        codes = {self.code_of(symbol): index for index, symbol in enumerate(symbols)}
        self._map = SymbolMap(codes, map_delay_ns)
        self._commands = Commands(
            self, self._board, self._map, self._numbers, self.quirks, unsubscribable
        )
        self._folding: Folding | None = None
        if FoldLoop.is_compiled() and future_bound_ns >= 0:
            self._folding = Folding(
                *(self, self._board, self._map, self._seen, self._rules),
                future_bound_ns=future_bound_ns if self._future_checked else None,
                routed_at_receipt=self._routed_at_receipt,
            )

    # --- startup -------------------------------------------------------------------------------

    def _begin(self, symbol: str, database: Mapping[tuple[str, str], DatabaseRow] | None) -> None:
        index = self._board.assign(symbol, self.accounts_of(symbol))
        slots = self._board.rows[index].slots
        rows: list[DatabaseRow] = []
        if database is not None:
            rows = [stored_row(database, symbol, interval) for interval in self.intervals]
        if not rows or Quirk.STARTUP_HOLE not in self.quirks:
            if rows:
                self._stored[symbol] = rows
            for slot in slots:
                slot.waits = True
            return
        for place, row in enumerate(rows):
            load(slots[place], self._board.periods[place], row, self._numbers)
            self._board.touch(index, place)
            self._unannounced.append((index, place))

    def advance(self, feed: FeedSlice) -> Emission:
        """Process the next slice and return what was published while doing so."""
        if self._unannounced and len(feed):
            starts_with_trade = len(feed.trades) and not (feed.positions and feed.positions[0] == 0)
            first_ns = feed.trades.arrival_ns[0] if starts_with_trade else feed.signals[0].at_ns
            self._announce(int(first_ns))
        return super().advance(feed)

    def _announce(self, at_ns: int) -> None:
        """Publish that the bars loaded from the database are open, with the first event."""
        self.now_ns = max(self.now_ns, at_ns)
        for index, place in self._unannounced:
            # A stored bar with a count is live by trades from before the feed.
            live = self._board.rows[index].slots[place].count > 0
            self.trigger = Trigger.TRADE if live else Trigger.TICK
            self.note_life(Life.OPENED_LIVE if live else Life.OPENED_PROVISIONAL, index, place)
        self._unannounced = []

    def _continue_stored(self, symbol: str, slots: list[Slot], trade: TradeRow) -> None:
        """Continue the stored bars if no trade is missing in between, else leave them alone.

        A bar that began before the first trade seen cannot be right and is not published.
        """
        index = self._board.index_of[symbol]
        for place, row in enumerate(self._stored.pop(symbol)):
            if 0 <= row.last_trade_id == trade.first_id - 1:
                load(slots[place], self._board.periods[place], row, self._numbers)
                self.note_life(Life.OPENED_LIVE, index, place)
            else:
                slots[place].partial = True
                interval = self.intervals[place].text
                self.observe("startup_hole", symbol, interval=interval, after=row.last_trade_id)

    # --- a trade -------------------------------------------------------------------------------

    def trade_rows(self, tape: Tape) -> Iterator[TradeRow]:
        """Yield the trades of a tape in this model's arithmetic."""
        codes = [self.code_of(instrument.symbol) for instrument in tape.instruments]
        return self._numbers.trades(tape, codes)

    def steps(self, feed: FeedSlice) -> Iterator[Step]:
        """Yield what is to be processed one by one; what the compiled loop can do is done."""
        steps = None if self._folding is None else self._folding.steps(feed)
        return super().steps(feed) if steps is None else steps

    def on_trade(self, trade: TradeRow, at_ns: int) -> None:
        """Route a trade to its symbol's slots; where nothing but sums changes, it only waits."""
        stale = self._routed_at_receipt and trade.arrival_ns < self._map.since_ns
        if stale:
            index = self._map.index_at(trade.symbol, trade.arrival_ns)
        else:
            index = self._map.current.get(trade.symbol, -1)
        if index < 0:
            self.account(trade.symbol).unmapped.append(trade.trade_id)
            return
        if (trade.kind or self._future_checked or self._ids_checked) and self._is_refused(trade):
            return
        row = self._board.rows[index]
        if row.from_ns <= trade.event_time_ns < row.until_ns and not stale:
            row.pending.append(trade)
            if not row.is_noted:
                self._board.touch_all(index)
        else:
            self._add(trade, index)

    def _is_refused(self, trade: TradeRow) -> bool:
        """Account for a trade that must not reach a bar."""
        account = self.account(trade.symbol)
        kind = TradeKind(trade.kind)
        if kind in _NOT_ON_STREAM or (kind and not self._values_unchecked):
            self._reject(trade, kind.name.lower())
        elif self._future_checked and (
            trade.event_time_ns > trade.arrival_ns + self._future_bound_ns
        ):
            self._reject(trade, "future")
        elif self._ids_checked and not self._seen_by(trade.symbol).add(trade.trade_id):
            account.duplicate.append(trade.trade_id)
        else:
            return False
        return True

    def _seen_by(self, symbol: int) -> IntSet:
        seen = self._seen.get(symbol)
        if seen is None:
            seen = self._seen[symbol] = IntSet()
        return seen

    def _reject(self, trade: TradeRow, reason: str) -> None:
        self.account(trade.symbol).rejected.setdefault(reason, []).append(trade.trade_id)

    def _add(self, trade: TradeRow, index: int) -> None:
        """Add a trade to each period by itself."""
        if self.aborted:
            self._reject(trade, "aborted")
            return
        row = self._board.rows[index]
        row.settle()
        symbol = self.instruments[trade.symbol].symbol
        own = self._board.name_of(index) == symbol
        if own and symbol in self._stored:
            self._continue_stored(symbol, row.slots, trade)
        try:
            self._check_caps(index, trade.event_time_ns, "future_trade")
        except StuckError as stuck:
            self._abort_stuck(stuck)
            self._reject(trade, "aborted")
            return
        if not own:
            self._reject(trade, "misrouted")
        run = TradeRun((trade,), self._rules)
        for place, slot in enumerate(row.slots):
            is_late = not self._add_to(index, place, trade.event_time_ns, run)
            if not own:
                slot.foreign += not is_late
            elif not is_late:
                slot.account.applied += 1
            elif Quirk.LATE_UNCOUNTED not in self.quirks:
                slot.account.late.append(trade.trade_id)
        self._open_window(row)

    def _add_to(self, index: int, place: int, time_ns: int, run: TradeRun) -> bool:
        """Add a trade to the bar of one period; return False for a trade that is late."""
        slot = self._board.rows[index].slots[place]
        start_ns = self._board.periods[place].rule.open_time_ns(time_ns)
        if start_ns < slot.open_time_ns:
            return False
        if start_ns > slot.open_time_ns:
            self._roll(index, place, start_ns, run)
            return True
        was_phantom = slot.is_phantom(self._rules)
        slot.apply(run, self._rules)
        if was_phantom:
            self.note_life(Life.FIRST_TRADE, index, place)
        self._board.touch(index, place)
        return True

    def _open_window(self, row: SymbolSlots) -> None:
        """Find the times for which a trade changes nothing but sums in any period."""
        row.close_window()
        from_ns, until_ns = 0, NEVER_NS
        for slot, period in zip(row.slots, self._board.periods, strict=True):
            aligned = period.rule.open_time_ns(slot.open_time_ns) == slot.open_time_ns
            if not (slot.initialized and aligned) or slot.is_phantom(self._rules):
                return
            from_ns = max(from_ns, slot.open_time_ns)
            until_ns = min(until_ns, slot.expires_ns)
        row.from_ns, row.until_ns = from_ns, until_ns
        row.is_noted = all(slot.dirty for slot in row.slots)

    # --- a tick --------------------------------------------------------------------------------

    def on_tick(self, tick: Tick) -> None:
        """Close what has expired, in the periods that this tick looks at."""
        time_ns = tick.time_ns
        if self.aborted or time_ns <= 0:
            return
        if self._future_checked and time_ns > tick.at_ns + self._future_bound_ns:
            self.observe("future_tick", None, time_ns=time_ns, at_ns=tick.at_ns)
            return
        looked = [
            (place, period.rule.open_time_ns(time_ns))
            for place, period in enumerate(self._board.periods)
            if period.is_looked_at(time_ns)
        ]
        try:
            for index in range(self._board.managed):
                self._close_expired(index, time_ns, looked)
        except StuckError as stuck:
            self._abort_stuck(stuck)
            return
        self.publish_tick(tick)

    def _close_expired(self, index: int, time_ns: int, looked: list[tuple[int, int]]) -> None:
        row = self._board.rows[index]
        for place, start_ns in looked:
            slot = row.slots[place]
            if slot.expires_ns <= time_ns and slot.initialized:
                row.settle()
                row.close_window()
                self._check_cap(index, place, start_ns, "future_tick")
                self._roll(index, place, start_ns, None)

    # --- pulls, commands, the end --------------------------------------------------------------

    def on_pull(self, pull: Pull) -> None:
        """Answer with the bars that changed since the last pull, or with all of them."""
        if self.aborted:
            return
        records = self._snapshot() if pull.full else self._deltas()
        kind = "snapshot" if pull.full else "deltas"
        self.pulls.append([PullAnswer(self.now_ns, kind, tuple(records))])

    def answers_plainly(self) -> bool:
        """Tell whether the answer to a pull of deltas is the bars that changed, and no more."""
        tells_closes = Quirk.DELTAS_LOSE_CLOSES not in self.quirks and self._closed != []
        return self.aborted is None and not tells_closes

    def _deltas(self) -> list[BarRecord]:
        closed = self._closed or []
        if Quirk.DELTAS_LOSE_CLOSES not in self.quirks:
            # Kept from the first pull on: nobody needs them where nobody pulls.
            self._closed = []
        return closed + [self._record(index, place) for index, place in self._board.drain()]

    def _snapshot(self) -> list[BarRecord]:
        everywhere = Quirk.GHOST_SLOTS in self.quirks
        symbols = self._board.used if everywhere else self._board.managed
        records = []
        for index in range(symbols):
            row = self._board.rows[index]
            row.settle()
            for place, slot in enumerate(row.slots):
                shown = slot.initialized and slot.open_time_ns > 0
                if shown and (slot.count or Quirk.PHANTOMS_IN_SNAPSHOT in self.quirks):
                    records.append(self._record(index, place))
        return records

    def on_command(self, command: Command) -> None:
        """Add or remove a symbol."""
        if self.aborted:
            return
        self._board.settle()
        if isinstance(command, AddSymbol):
            self._commands.add(command, self.now_ns)
        else:
            self._stored.pop(command.symbol, None)
            self._commands.remove(command, self.now_ns)

    def on_end(self, at_ns: int) -> None:
        """Publish the open bars that have trades, or leave them as klagg does."""
        if self._unannounced:
            self._announce(at_ns)
            self.trigger = Trigger.END
        self._board.settle()
        if self.aborted or Quirk.OPEN_BARS_LEFT in self.quirks:
            return
        for index, place, slot in self._board.slots():
            if slot.count:
                self._finalize(index, place)
