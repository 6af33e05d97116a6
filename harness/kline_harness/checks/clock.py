"""The check of the clock: a tick for every boundary, once, at its time, telling that time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kline_harness.interfaces import FeedSlice, JudgingObserver, Tick
from kline_harness.units import Window
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "clock"
NOT_CHECKED = ("ticks before the first trade and after the last event of the feed",)


@dataclass(frozen=True, slots=True)
class DueTicks:
    """When ticks are due: `grace_ns` and `sync_delay_ns` after each multiple of `period_ns`.

    They tell the time of the boundary and the grace. None is due in the windows `missed`; what
    would come in one of `busy` comes at its end, the last of several.
    """

    period_ns: int
    grace_ns: int
    sync_delay_ns: int = 0
    missed: Sequence[Window] = ()
    busy: Sequence[Window] = ()

    @property
    def late_ns(self) -> int:
        """Return how long after its boundary a tick comes."""
        return self.grace_ns + self.sync_delay_ns

    def is_due(self, boundary_ns: int) -> bool:
        """Tell whether a boundary's tick must come."""
        at_ns = boundary_ns + self.late_ns
        return not any(at_ns in window for window in (*self.missed, *self.busy))

    def comes_ns(self, boundary_ns: int) -> int:
        """Return when a boundary's tick comes, if it does."""
        at_ns = boundary_ns + self.late_ns
        ends = (window.until_ns for window in self.busy if at_ns in window)
        return next(ends, at_ns)


class ClockCheck(JudgingObserver):
    """Compares the ticks that came with those that the scenario's clock gives.

    What it finds is reported as notices: what a missing tick did to the klines is judged by the
    lifecycle. `due` and `lost`, the ticks that the scenario itself lets be missed or overwritten,
    are asked for once the first trade is there, and once the feed is over.
    """

    def __init__(self, due: Callable[[], DueTicks], lost: Callable[[], dict[str, int]]) -> None:
        self._ask = due
        self._due: DueTicks | None = None
        self._lost = lost
        self._count = 0
        self._next_ns: int | None = None
        self._irregular: list[Tick] = []
        self._start_ns: int | None = None
        self._end_ns = 0

    def on_slice(self, feed: FeedSlice) -> None:
        """Take the ticks of a slice; as long as each follows the one before, count them only."""
        if self._start_ns is None and len(feed.trades):
            self._start_ns = int(feed.trades.arrival_ns[0])
        for signal in feed.signals:
            if isinstance(signal, Tick):
                self._count += 1
                self._take(signal)

    def on_end(self, at_ns: int) -> None:
        """Learn when the feed ended: ticks were due until then."""
        self._end_ns = at_ns

    def verdict(self) -> Verdict:
        """Return what was found."""
        lost = self._lost()
        findings = [
            Finding(CHECK, f"ticks_{name}", Severity.NOTICE, evidence={"ticks": count})
            for name, count in lost.items()
            if count
        ]
        if self._start_ns is not None:
            findings += self._irregularities(self._due_now(), self._start_ns)
        return Verdict.of(CHECK, {"ticks": self._count, **lost}, findings, NOT_CHECKED)

    def _take(self, tick: Tick) -> None:
        if not self._irregular and self._start_ns is not None:
            due = self._due_now()
            boundary_ns = self._next_boundary(due, self._start_ns)
            expected = (boundary_ns + due.late_ns, boundary_ns + due.grace_ns)
            if due.is_due(boundary_ns) and (tick.at_ns, tick.time_ns) == expected:
                self._next_ns = boundary_ns + due.period_ns
                return
        self._irregular.append(tick)

    def _due_now(self) -> DueTicks:
        if self._due is None:
            self._due = self._ask()
        return self._due

    def _next_boundary(self, due: DueTicks, start_ns: int) -> int:
        """Return the first boundary of which no tick came in its turn."""
        if self._next_ns is not None:
            return self._next_ns
        return start_ns - start_ns % due.period_ns + due.period_ns

    def _irregularities(self, due: DueTicks, start_ns: int) -> Iterator[Finding]:
        """Yield what is wrong from the first tick on that did not come in its turn."""
        from_ns = self._next_boundary(due, start_ns)
        seen = Counter(_boundary(due, tick) for tick in self._irregular)
        boundary = from_ns
        while boundary + due.late_ns <= self._end_ns:
            if boundary not in seen and due.is_due(boundary):
                yield _finding(due, "tick_missing", boundary)
            boundary += due.period_ns
        for tick in self._irregular:
            yield from _judge(due, tick)
        for boundary, count in sorted(seen.items()):
            came = count + (self._next_ns is not None and boundary < from_ns)
            if came > 1:
                yield _finding(due, "tick_repeated", boundary, ticks=came)


def _boundary(due: DueTicks, tick: Tick) -> int:
    """Return the boundary to which a tick belongs.

    That is the one whose time it tells, if it tells one exactly and comes after it; else the one
    at which it comes.
    """
    told_ns = tick.time_ns - due.grace_ns
    if told_ns % due.period_ns == 0 and tick.time_ns <= tick.at_ns:
        return told_ns
    instant_ns = tick.at_ns - due.late_ns
    return instant_ns - instant_ns % due.period_ns


def _judge(due: DueTicks, tick: Tick) -> Iterator[Finding]:
    boundary = _boundary(due, tick)
    late_ns = tick.at_ns - due.comes_ns(boundary)
    # A tick that comes shortly before a boundary's time is early, not a minute late.
    if late_ns > due.period_ns // 2 and tick.time_ns == tick.at_ns:
        yield _finding(due, "tick_early", boundary + due.period_ns, tick.at_ns)
    elif late_ns:
        yield _finding(due, "tick_late", boundary, tick.at_ns, late_ns=late_ns)
    if tick.time_ns != boundary + due.grace_ns:
        yield _finding(due, "tick_tells_other_time", boundary, tick.at_ns, tells_ns=tick.time_ns)


def _finding(
    due: DueTicks, kind: str, boundary_ns: int, at_ns: int | None = None, **evidence: int
) -> Finding:
    evidence["boundary_ns"] = boundary_ns
    instant = due.comes_ns(boundary_ns) if at_ns is None else at_ns
    return Finding(CHECK, kind, Severity.NOTICE, at_ns=instant, evidence=evidence)
