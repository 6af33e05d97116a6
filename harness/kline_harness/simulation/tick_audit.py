"""The check of the clock: a tick for every boundary, once, at its time, telling that time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from kline_harness.interfaces import FeedSlice, Tick
from kline_harness.simulation.clock import ClockOptions
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "clock"
NOT_CHECKED = ("ticks before the first trade and after the last event of the feed",)


class TickAudit:
    """Compares the ticks that came with those that a clock with these options gives.

    What it finds is told as notices: what a missing tick did to the klines is judged by the
    lifecycle. `grace_ns` is how long after its boundary a tick comes.
    """

    def __init__(self, options: ClockOptions, grace_ns: int) -> None:
        self._period_ns = options.period_ns
        self._grace_ns = grace_ns
        self._ticks: list[Tick] = []
        self._start_ns: int | None = None
        self._end_ns = 0

    def watched(self, feed: Iterable[FeedSlice]) -> Iterator[FeedSlice]:
        """Yield slices on their way."""
        for piece in feed:
            self._ticks += [signal for signal in piece.signals if isinstance(signal, Tick)]
            if len(piece.trades):
                if self._start_ns is None:
                    self._start_ns = int(piece.trades.arrival_ns[0])
                self._end_ns = max(self._end_ns, int(piece.trades.arrival_ns[-1]))
            self._end_ns = max([self._end_ns, *(s.at_ns for s in piece.signals)])
            yield piece

    def finish(self, end_ns: int) -> None:
        """Learn when the feed ended: ticks were due until then."""
        self._end_ns = end_ns

    def verdict(self) -> Verdict:
        """Return what was found."""
        findings = list(self._missing()) + [f for tick in self._ticks for f in self._judge(tick)]
        seen = Counter(self._boundary(tick) for tick in self._ticks)
        findings += [
            self._finding("tick_repeated", boundary, ticks=count)
            for boundary, count in sorted(seen.items())
            if count > 1
        ]
        return Verdict.of(CHECK, {"ticks": len(self._ticks)}, findings, NOT_CHECKED)

    def _boundary(self, tick: Tick) -> int:
        """Return the boundary to which a tick belongs.

        That is the one whose time it tells, if it tells one exactly and comes after it; else the
        one at which it comes.
        """
        told_ns = tick.time_ns - self._grace_ns
        if told_ns % self._period_ns == 0 and tick.time_ns <= tick.at_ns:
            return told_ns
        instant_ns = tick.at_ns - self._grace_ns
        return instant_ns - instant_ns % self._period_ns

    def _missing(self) -> Iterator[Finding]:
        if self._start_ns is None:
            return
        came = {self._boundary(tick) for tick in self._ticks}
        boundary = self._start_ns - self._start_ns % self._period_ns + self._period_ns
        while boundary + self._grace_ns <= self._end_ns:
            if boundary not in came:
                yield self._finding("tick_missing", boundary)
            boundary += self._period_ns

    def _judge(self, tick: Tick) -> Iterator[Finding]:
        boundary = self._boundary(tick)
        late_ns = tick.at_ns - boundary - self._grace_ns
        # A tick that comes shortly before a boundary's time is early, not a minute late.
        if late_ns > self._period_ns // 2 and tick.time_ns == tick.at_ns:
            yield self._finding("tick_early", boundary + self._period_ns, tick.at_ns)
        elif late_ns:
            yield self._finding("tick_late", boundary, tick.at_ns, late_ns=late_ns)
        if tick.time_ns != boundary + self._grace_ns:
            yield self._finding(
                "tick_tells_other_time", boundary, tick.at_ns, tells_ns=tick.time_ns
            )

    def _finding(
        self, kind: str, boundary_ns: int, at_ns: int | None = None, **evidence: int
    ) -> Finding:
        evidence["boundary_ns"] = boundary_ns
        instant = boundary_ns + self._grace_ns if at_ns is None else at_ns
        return Finding(CHECK, kind, Severity.NOTICE, at_ns=instant, evidence=evidence)
