"""The consumer that checks the life of every kline, event by event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.checks.finding_log import FINDINGS_PER_KIND
from kline_harness.checks.lateness import Histogram, LatenessStatistics
from kline_harness.checks.life_events import Events, SymbolCodes, arrange_events
from kline_harness.checks.life_follow import NextInSeries, TickLog
from kline_harness.checks.life_series import Histories, LifeSeries
from kline_harness.checks.life_table import LEGAL, TRANSITIONS, KlineState
from kline_harness.checks.queued_audit import QueuedAudit
from kline_harness.checks.series import INTERVAL_CODES, NONE
from kline_harness.columns import Rows, neighbours_joined
from kline_harness.interval import INTERVALS
from kline_harness.kline import Life, LifeBatch, Trigger
from kline_harness.units import BoolArray, Int64Array
from kline_harness.verdict import Finding, Severity, Verdict

BLOCK_ROWS = 32_768
NOT_CHECKED = (
    "the numbers of the klines: that is the comparison's part",
    "klines whose events were lost to lag, until their series is seen again",
    "ticks the aggregator did not process",
    "whether a trade that did not publish an event was applied",
)
# What a nanosecond-exact length of the calendar month is taken for.
_LONGEST_NS = 31 * 86_400 * 10**9


class LifecycleChecker(QueuedAudit[LifeBatch]):
    """Checks that every kline is opened in step, finalized once, in time, and left alone then.

    * Each event must be a transition of `TRANSITIONS`.
    * A tick may finalize only what has expired at the time it tells, and after it nothing
      expired is open. A trade may finalize only what it has outrun: the next kline of the series
      opens at the same instant; a kline that fills a gap is opened and finalized at once.
    * A kline opens where the one before it closed, and not more than `future_ns_max` (default:
      its own length) after the instant of the event.

    Blocks of `block_rows` events are checked at a time. With
    `joined_late`, klines open before the first event are not held to have been opened.

    Source of the rules: docs/checks.md, "Lifecycle".
    """

    def __init__(
        self,
        name: str = "lifecycle",
        *,
        block_rows: int = BLOCK_ROWS,
        findings_per_kind: int = FINDINGS_PER_KIND,
        future_ns_max: int | None = None,
        joined_late: bool = False,
        one_by_one: bool = False,
    ) -> None:
        super().__init__(name, block_rows, findings_per_kind)
        self._future_ns = np.array(
            [future_ns_max or i.length_ns or _LONGEST_NS for i in INTERVALS], dtype=np.int64
        )
        self._codes = SymbolCodes()
        self._series = LifeSeries(lost=joined_late, one_by_one=one_by_one)
        self._ticks = TickLog()
        self._outrun = NextInSeries()
        self._fillers = NextInSeries()
        self._lateness = [Histogram() for _ in INTERVALS]
        self._transitions = np.zeros(LEGAL.shape, dtype=np.int64)
        self._counts: Counter[str] = Counter()
        self._position = 0
        self._closed = False

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Record that events are missing here: every kline may have changed meanwhile."""
        self.catch_up()
        self._series.lose_events()
        self._counts["not_judged"] += len(self._outrun.drain()) + len(self._fillers.drain())
        self._counts["lags"] += 1
        self._counts["missed"] += missed
        evidence = {"missed": missed}
        self._log.add(
            self._position,
            Finding(self.name, "lagged", Severity.DOUBT, at_ns=now_ns, evidence=evidence),
        )

    def on_close(self, now_ns: int) -> None:
        """Check what is queued, and what is still open or unanswered."""
        if self._closed:
            return
        self._closed = True
        self.catch_up()
        self._find("trade_finalized_not_outrun", self._outrun.drain())
        self._find("filler_left_open", self._fillers.drain())
        self._find("tick_not_seen", self._ticks.drain(), severity=Severity.DOUBT)
        self._judge_open_klines()

    def transitions(self) -> dict[tuple[KlineState, Life, Trigger], int]:
        """Return how often each legal transition happened, all of them listed."""
        self._settle()
        return {step: int(self._transitions[step]) for step in TRANSITIONS}

    def lateness(self) -> tuple[LatenessStatistics, ...]:
        """Return how late finals were, per interval that had any, shortest first."""
        self._settle()
        every = (histogram.statistics(code) for code, histogram in enumerate(self._lateness))
        return tuple(statistics for statistics in every if statistics is not None)

    def verdict(self) -> Verdict:
        """Return what was found, in the order of the stream."""
        self._settle()
        counts = {"events": self._position, "ticks": len(self._ticks)}
        names = ("finals", "still_open", "after_lag", "not_judged", "lags", "missed")
        counts |= {name: self._counts[name] for name in names}
        counts |= dict(sorted(self._log.counts.items()))
        return Verdict.of(self.name, counts, self._log.findings(), NOT_CHECKED)

    def _check(self, pieces: list[Rows[LifeBatch]]) -> None:
        batches = [piece.table() for piece in neighbours_joined(pieces)]
        events, ticks = arrange_events(batches, self._codes, self._position)
        self._position += sum(map(len, batches))
        self._ticks.add(ticks)
        histories = self._series.follow(events)
        self._judge_transitions(events, histories)
        self._judge_openings(events, histories)
        finals = (events.life == Life.FINALIZED) & (histories.before != KlineState.FINAL)
        self._counts["finals"] += int(np.count_nonzero(finals))
        self._judge_trades(events, finals)
        final_rows = np.flatnonzero(finals)
        self._judge_ticks(events.take(final_rows), histories.since[final_rows])

    def _judge_transitions(self, events: Events, histories: Histories) -> None:
        before, life, trigger = histories.before, events.life, events.trigger
        size = self._transitions.size
        step = np.ravel_multi_index((before, life, trigger), self._transitions.shape)
        counted = np.bincount(step, minlength=size).reshape(self._transitions.shape)
        self._transitions += counted
        self._counts["after_lag"] += int(counted[KlineState.UNKNOWN].sum())
        wrong = ~LEGAL[before, life, trigger] & (before != KlineState.UNKNOWN)
        again = wrong & (before == KlineState.FINAL)
        twice = again & (life == Life.FINALIZED)

        def state(row: int) -> dict[str, Any]:
            return {
                "state": KlineState(int(before[row])).name.lower(),
                "event": Life(int(life[row])).name.lower(),
                "trigger": Trigger(int(trigger[row])).name.lower(),
            }

        self._find("finalized_twice", events, twice, state)
        self._find("changed_after_final", events, again & ~twice, state)
        self._find("illegal_transition", events, wrong & ~again, state)

    def _judge_openings(self, events: Events, histories: Histories) -> None:
        opened, expected = events.opened, histories.expected_open_ns
        follows = opened & (histories.before == KlineState.ABSENT) & (expected != NONE)
        out_of_step = follows & (events.open_ns != expected)

        def expectation(row: int) -> dict[str, Any]:
            return {"expected_open_time_ns": int(expected[row])}

        self._find("open_time_step", events, out_of_step, expectation)
        ahead_ns = events.open_ns - events.at_ns
        future = opened & (ahead_ns > self._future_ns[events.key % INTERVAL_CODES])

        def ahead(row: int) -> dict[str, Any]:
            return {"ahead_ns": int(ahead_ns[row])}

        self._find("future_open", events, future, ahead)

    def _judge_trades(self, events: Events, finals: BoolArray) -> None:
        by_trade = events.trigger == Trigger.TRADE
        final, opening = self._outrun.add(events, finals & by_trade, events.opened)
        outrun = (opening.at_ns == final.at_ns) & (opening.open_ns > final.open_ns)
        self._find("trade_finalized_not_outrun", final, ~outrun)
        filler = by_trade & (events.life == Life.OPENED_PROVISIONAL)
        filler, final = self._fillers.add(events, filler, events.life == Life.FINALIZED)
        at_once = (final.at_ns == filler.at_ns) & (final.open_ns == filler.open_ns)
        self._find("filler_left_open", filler, ~at_once)

    def _judge_ticks(self, finals: Events, since: Int64Array) -> None:
        caused, time_ns = self._ticks.causes(finals.take(finals.trigger == Trigger.TICK))

        def expiry(row: int) -> dict[str, Any]:
            return {"close_time_ns": int(caused.close_ns[row]), "tick_time_ns": int(time_ns[row])}

        self._find("tick_finalized_unexpired", caused, caused.close_ns > time_ns, expiry)
        self._judge_overdue(finals, since, finals.position, closed=True)
        late_ns = finals.at_ns - finals.close_ns
        code, in_time = finals.key % INTERVAL_CODES, finals.trigger != Trigger.END
        for number in np.flatnonzero(np.bincount(code)).tolist():
            self._lateness[number].add(late_ns[in_time & (code == number)])

    def _judge_overdue(
        self, klines: Events, since: Int64Array, until: Int64Array, *, closed: bool
    ) -> None:
        due = self._ticks.first_due(since, until, klines.close_ns)
        overdue = (due != NONE) & (since != NONE)

        def evidence(row: int) -> dict[str, Any]:
            expected_ns = self._ticks.at_ns(int(due[row]))
            closed_ns = int(klines.at_ns[row]) if closed else None
            return {"expected_at_ns": expected_ns, "closed_at_ns": closed_ns}

        self._find("overdue", klines, overdue, evidence)

    def _judge_open_klines(self) -> None:
        rows = self._series.open_klines()
        self._counts["still_open"] = len(rows)
        if not rows:
            return
        key, opens, closes, since = (
            np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)
        )
        codes = np.zeros(len(rows), dtype=np.int8)
        end = self._position + np.arange(len(rows))
        klines = Events(key.astype(np.int32), codes, codes, opens, closes, closes, end)
        self._judge_overdue(klines, since, end, closed=False)
        evidence = {"count": len(rows)}
        notice = Finding(self.name, "open_at_end", Severity.NOTICE, evidence=evidence)
        self._log.add(self._position, notice)

    def _find(
        self,
        kind: str,
        events: Events,
        mask: BoolArray | None = None,
        more: Callable[[int], dict[str, Any]] | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        rows: NDArray[np.intp] = np.arange(len(events)) if mask is None else np.flatnonzero(mask)

        def make(row: int) -> Finding:
            symbol, code = divmod(int(events.key[row]), INTERVAL_CODES)
            return Finding(
                self.name,
                kind,
                severity,
                self._codes.names[symbol],
                INTERVALS[code].text,
                int(events.open_ns[row]),
                int(events.at_ns[row]),
                more(row) if more is not None else {},
            )

        self._log.add_rows(kind, rows, events.position, make)
