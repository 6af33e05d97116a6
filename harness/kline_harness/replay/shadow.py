"""The exact aggregator on the feed of another one, to tell whether that one is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.checks.exactness import Exactness, Spared
from kline_harness.columns import by_symbol
from kline_harness.interfaces import Duties, FeedSlice, JudgingObserver, Tick
from kline_harness.interval import Interval
from kline_harness.kline import Emission
from kline_harness.replay.scenario import Scenario
from kline_harness.tape import Tape
from kline_harness.units import INT64_MAX, BoolArray, Window
from kline_harness.verdict import Finding, Severity, Verdict


class ExactShadow(JudgingObserver):
    """Runs the exact aggregator beside any other, and compares every final in nine fields.

    Of what is published at the instant at which the other one fails, or later, nothing is
    compared; `failed_at_ns` tells that instant, None where it did not fail. `states_ids` tells
    whether its finals have trade ids.
    """

    def __init__(
        self,
        intervals: Sequence[Interval],
        failed_at_ns: Callable[[], int | None],
        states_ids: Callable[[], bool] = lambda: True,
        *,
        holds_instants: bool = True,
    ) -> None:
        self._exact = ExactAggregator(intervals)
        self._failed_at_ns = failed_at_ns
        self._states_ids = states_ids
        self._exactness = Exactness(holds_instants=holds_instants)

    def on_slice(self, feed: FeedSlice) -> None:
        """Aggregate what the other one is given."""
        self._advance(feed)

    def on_emission(self, emission: Emission) -> None:
        """Take the finals of the other one."""
        self._exactness.on_klines(emission.klines)

    def on_end(self, at_ns: int) -> None:
        """End the feed of the exact aggregator too."""
        self._exactness.on_exact(self._exact.finish(at_ns).klines)

    def verdict(self) -> Verdict:
        """Compare, once the run is over."""
        self._exactness.spared = self._spared()
        self._exactness.states_ids = self._states_ids()
        failed_at_ns = self._failed_at_ns()
        verdict = self._exactness.verdict(failed_at_ns)
        if failed_at_ns is None:
            return verdict
        sentence = "the aggregator failed: nothing was compared from then on"
        finding = Finding(
            verdict.check, "cut_short", Severity.DOUBT, evidence={"sentence": sentence}
        )
        findings = (*verdict.findings, finding)
        return Verdict.of(verdict.check, verdict.counts, findings, verdict.not_checked)

    def _spared(self) -> Spared:
        return Spared()

    def _advance(self, feed: FeedSlice) -> None:
        self._exactness.on_ticks(one.at_ns for one in feed.signals if isinstance(one, Tick))
        self._exactness.on_exact(self._exact.advance(feed).klines)

    def due_ns(self, symbol: str) -> int | None:
        """Return up to which close time klines of a symbol were due, None where all were."""
        failed_at_ns = self._failed_at_ns()
        return None if failed_at_ns is None else self._exactness.due_ns(symbol, failed_at_ns)


class DutyShadow(ExactShadow):
    """Beside a subject with duties: the exact aggregator on the trades that it is to aggregate.

    Trades that an outage keeps from the subject count, and those too far in the future do not:
    it is to know what it does not know, and to refuse what cannot be.
    """

    def __init__(
        self,
        scenario: Scenario,
        duties: Duties,
        failed_at_ns: Callable[[], int | None],
    ) -> None:
        # When its klines become final is judged by the events of their life.
        super().__init__(scenario.intervals, failed_at_ns, holds_instants=False)
        self._outages = [Window(outage.from_ns, outage.until_ns) for outage in scenario.outages]
        self._duties = duties
        self._first_ids: dict[str, int] = {}

    def on_slice(self, feed: FeedSlice) -> None:
        """Leave it: what was offered counts, whether it came or not."""

    def on_offered(self, feed: FeedSlice) -> None:
        """Aggregate a slice as it would be had no trade been kept from the other one."""
        trades = feed.trades
        self._note_first_ids(trades)
        kept = self._is_managed(trades)
        bound_ns = self._duties.future_bound_ns
        if bound_ns is not None:
            kept &= trades.event_time_ns <= trades.arrival_ns + bound_ns
        if not kept.all():
            positions = np.append(0, np.cumsum(kept))[list(feed.positions)].tolist()
            feed = FeedSlice(trades.take(kept), feed.signals, tuple(positions))
        self._advance(feed)

    def _spared(self) -> Spared:
        return Spared(self._duties.times, dict(self._continued()), self._outages)

    def _note_first_ids(self, trades: Tape) -> None:
        for _, mine in by_symbol(trades):
            symbol, lowest = mine.symbol_text(0), int(mine.first_id.min())
            self._first_ids[symbol] = min(self._first_ids.get(symbol, lowest), lowest)

    def _is_managed(self, trades: Tape) -> BoolArray:
        kept = np.ones(len(trades), dtype=np.bool_)
        at_ns = trades.arrival_ns
        for code, instrument in enumerate(trades.instruments):
            windows = self._duties.times.get(instrument.symbol, [])
            if list(windows) == [ALWAYS]:
                continue
            inside = np.zeros(len(trades), dtype=np.bool_)
            for window in windows:
                inside |= (at_ns > window.from_ns) & (at_ns <= window.until_ns)
            kept &= (trades.symbol != code) | inside
        return kept

    def _continued(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Yield stored klines of which the trade files do not hold every trade."""
        for (symbol, interval, open_ns), first_id in self._duties.continued.items():
            held = self._first_ids.get(symbol)
            if held is None or not held <= first_id:
                yield (symbol, interval), open_ns


ALWAYS = Window(-INT64_MAX, INT64_MAX)
