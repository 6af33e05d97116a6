"""What klagg does to one slot: close its bar, fill up, begin the next, publish."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from kline_harness.aggregators.per_event import PerEventAggregator, Row
from kline_harness.columns import Instrument
from kline_harness.interval import Interval
from kline_harness.klagg.board import Board
from kline_harness.klagg.numbers import MEASURES, ExactNumbers, FloatNumbers, Numbers
from kline_harness.klagg.periods import Period
from kline_harness.klagg.quirks import Quirk
from kline_harness.klagg.records import BarRecord, bar_record
from kline_harness.klagg.slots import BarRules, Slot, TradeRun
from kline_harness.kline import Life, Trigger
from kline_harness.ledger import SeriesAccount, TradeAccount
from kline_harness.verdict import Finding, Severity

# Where a published row holds the amounts that `MEASURES` names.
_AMOUNT_PLACES = (3, 4, 5, 6, 7, 8, 10, 11)


class StuckError(Exception):
    """A loop over bars that would not end in reasonable time."""

    def __init__(self, kind: str, index: int, bars: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.index = index
        self.bars = bars


class KlaggBars(PerEventAggregator):
    """The bars of every symbol and period, and how they are published.

    What happens at which event is the aggregator's, which extends this class.
    """

    def __init__(
        self,
        intervals: Sequence[Interval],
        quirks: Collection[Quirk],
        *,
        max_symbols: int,
        rollover_cap: int,
    ) -> None:
        super().__init__(intervals)
        self.quirks = frozenset(quirks)
        self.aborted: Finding | None = None
        self._observations: list[Finding] = []
        self._rollover_cap = rollover_cap
        self._numbers: Numbers = (
            FloatNumbers() if Quirk.FLOAT_SUMS in self.quirks else ExactNumbers()
        )
        self._rules = BarRules(
            self._numbers,
            ids_ignored=Quirk.IDS_IGNORED in self.quirks,
            aggregates_counted=Quirk.AGGREGATES_COUNTED in self.quirks,
            count_zero_is_phantom=Quirk.COUNT_ZERO_IS_PHANTOM in self.quirks,
        )
        periods = [Period.of(interval, self.quirks) for interval in intervals]
        self._board = Board(max_symbols, periods, self._rules, self.quirks)
        # The closing states that deltas tell of, once somebody pulls and they are told.
        self._closed: list[BarRecord] | None = None

    def observations(self) -> list[Finding]:
        """Return what no check of the outputs can see."""
        return [*self._observations, *([self.aborted] if self.aborted else [])]

    def accounts(self) -> Mapping[str, TradeAccount]:
        """Return, per symbol of the feed or managed, what became of every trade so far."""
        self._board.settle()
        for account in self._accounts.values():
            for series in account.series.values():
                series.open = 0
        for _, _, slot in self._board.slots():
            slot.account.open += slot.rows - slot.foreign
        return super().accounts()

    # --- rollover ------------------------------------------------------------------------------

    def _roll(self, index: int, place: int, start_ns: int, run: TradeRun | None) -> None:
        """Close a slot's bar, fill up to a newer one with flat bars, and begin that one."""
        slot, period = self._board.rows[index].slots[place], self._board.periods[place]
        partial = slot.partial
        if not self._begins_at_once(slot):
            if start_ns <= slot.open_time_ns:
                return
            partial = False
            while (following_ns := period.next_open_ns(slot.open_time_ns)) < start_ns:
                self._finalize(index, place)
                slot.seed(following_ns, period.next_open_ns(following_ns), slot.close)
                self.note_life(Life.OPENED_PROVISIONAL, index, place)
            self._finalize(index, place)
        slot.seed(start_ns, period.next_open_ns(start_ns), slot.close)
        slot.partial = partial
        if run is not None:
            slot.apply(run, self._rules)
        self.note_life(Life.OPENED_LIVE if run else Life.OPENED_PROVISIONAL, index, place)
        self._board.touch(index, place)

    def _begins_at_once(self, slot: Slot) -> bool:
        """Tell whether a slot's first bar is that of its first trade, without filling up to it."""
        if slot.initialized:
            return False
        return slot.waits or Quirk.UNINITIALIZED_FILLED not in self.quirks

    def _check_caps(self, index: int, time_ns: int, kind: str) -> None:
        """Check every period before any is changed, so that an abort leaves no half trade."""
        for place, period in enumerate(self._board.periods):
            self._check_cap(index, place, period.rule.open_time_ns(time_ns), kind)

    def _check_cap(self, index: int, place: int, start_ns: int, kind: str) -> None:
        slot, period = self._board.rows[index].slots[place], self._board.periods[place]
        if (start_ns <= slot.expires_ns and slot.initialized) or self._begins_at_once(slot):
            return
        bars = period.rule.count_between(slot.open_time_ns, start_ns)
        if bars > self._rollover_cap:
            reason = kind if slot.initialized else "uninitialized_slot_trade"
            raise StuckError(reason, index, bars)

    def _finalize(self, index: int, place: int) -> None:
        """Push a slot's bar as final, unless it is known to lack trades or has no name."""
        slot = self._board.rows[index].slots[place]
        if slot.partial:
            slot.account.discarded += slot.rows - slot.foreign
            slot.rows = slot.foreign = 0
            return
        if index >= len(self._board.names):
            return
        ids = (slot.first_trade_id, slot.last_trade_id)
        self.publish_kline(
            self.code_of(self._board.names[index]),
            self._board.periods[place].code,
            slot.open_time_ns,
            slot.fields(),
            (-1, -1) if Quirk.FILLERS_UNMARKED in self.quirks else ids,
        )
        self.note_life(Life.FINALIZED, index, place)
        if self._closed is not None:
            self._closed.append(self._record(index, place, is_final=True))

    def _record(self, index: int, place: int, *, is_final: bool = False) -> BarRecord:
        slot = self._board.rows[index].slots[place]
        symbol, interval = self._board.name_of(index), self.intervals[place].text
        return bar_record(symbol, interval, slot, self._numbers, is_final=is_final)

    # --- what commands ask for -----------------------------------------------------------------

    def code_of(self, symbol: str) -> int:
        """Return a symbol's index in `instruments`."""
        code = self._codes.get(symbol)
        return self.meet(Instrument.of(symbol, 0, 0)) if code is None else code

    def accounts_of(self, symbol: str) -> list[SeriesAccount]:
        """Return a symbol's accounts, a period each."""
        series = self.account(self.code_of(symbol)).series
        return [series[interval.text] for interval in self.intervals]

    def note_life(self, life: Life, index: int, place: int) -> None:
        """Publish a transition of a slot's bar, if the bar is ever to be published."""
        slot = self._board.rows[index].slots[place]
        if slot.partial or index >= len(self._board.names):
            return
        code, interval = self.code_of(self._board.names[index]), self._board.periods[place].code
        self.publish_life(life, code, interval, slot.open_time_ns, slot.rows)

    def end_bar(self, index: int, place: int) -> None:
        """Publish a slot's open bar as its last one."""
        self.trigger = Trigger.END
        self._finalize(index, place)

    def observe(self, kind: str, symbol: str | None, **evidence: Any) -> None:
        """Note something that no check of the outputs can see."""
        severity = Severity.ERROR if kind == "index_drift" else Severity.NOTICE
        finding = Finding(
            "klagg", kind, severity, symbol=symbol, at_ns=self.now_ns, evidence=evidence
        )
        self._observations.append(finding)

    def abort(self, kind: str, symbol: str, **evidence: Any) -> None:
        """Stop for good, as a crashed process does."""
        self._board.settle()
        self.aborted = Finding("klagg", kind, symbol=symbol, at_ns=self.now_ns, evidence=evidence)

    def _abort_stuck(self, stuck: StuckError) -> None:
        self.abort(stuck.kind, self._board.name_of(stuck.index), bars=stuck.bars)

    # --- publishing ----------------------------------------------------------------------------

    def on_rescale(self, symbol: int, old: Instrument, new: Instrument) -> None:
        """Bars are not kept at the scales of `instruments`."""

    def seal(self, rows: list[Row]) -> list[Row]:
        """Turn published amounts into integers, at scales fine enough to hold them exactly."""
        exact = self._numbers.exact
        sealed = []
        for row in rows:
            pairs = [exact(row[k], m) for k, m in zip(_AMOUNT_PLACES, MEASURES, strict=True)]
            sealed.append(pairs)
            price = max(scale for _, scale in pairs[:4])
            quantity = max(pairs[4][1], pairs[6][1])
            quote = max(pairs[5][1], pairs[7][1])
            self.meet(Instrument(self.instruments[row[0]].symbol, price, quantity, quote))
        return [self._at_scales(row, pairs) for row, pairs in zip(rows, sealed, strict=True)]

    def _at_scales(self, row: Row, pairs: list[tuple[int, int]]) -> Row:
        instrument = self.instruments[row[0]]
        scales = (instrument.price_scale, instrument.quantity_scale, instrument.quote_scale)
        whole = list(row)
        for place, measure, (value, scale) in zip(_AMOUNT_PLACES, MEASURES, pairs, strict=True):
            whole[place] = value * 10 ** (scales[measure] - scale)
        return tuple(whole)
