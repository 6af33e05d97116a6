"""What is found of a subject in a process, apart from wrong klines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from kline_harness.interval import Interval
from kline_harness.units import NS_PER_DAY, NS_PER_SECOND
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "subject"
# Notices that say what a subject chose: nothing is wrong with it.
CHOICES = ("not_asked_for", "fields_ignored")
NOT_CHECKED = (
    "what the subject does between its messages",
    "whether it would do the same on another machine",
)
# Findings of one kind that are kept; the others are counted.
_KEPT = 20
# What a subject cannot know that does not ask for something.
_WITHOUT = {
    "trades": "wants is without trades: it can make no klines",
    "ticks": "wants is without ticks: a quiet kline comes as late as the next trade",
    "id": "columns is without id: it can know no duplicates, and no order but that of arrival",
    "kind": "columns is without kind: it cannot leave out the trades that make no kline",
}
_UNITS = {"microseconds": 10**3, "milliseconds": 10**6, "seconds": NS_PER_SECOND}
_NEAR_NS = 366 * NS_PER_DAY


class SubjectFindings:
    """Collects findings, and counts what was sent and what came."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(messages=0, trades=0, finals=0, events=0)
        # Fields that the protocol has not, as `type.field`.
        self.ignored: dict[str, None] = {}
        self._findings: list[Finding] = []

    def add(
        self, kind: str, severity: Severity, evidence: Mapping[str, Any], at_ns: int | None = None
    ) -> None:
        """Count a finding of a kind, and keep the first few of it, each with its evidence."""
        self.counts[kind] += 1
        if self.counts[kind] <= _KEPT:
            self._findings.append(Finding(CHECK, kind, severity, at_ns=at_ns, evidence=evidence))

    def notice(self, kind: str, sentence: str) -> None:
        """Take a finding that changes no verdict."""
        self.add(kind, Severity.NOTICE, {"sentence": sentence})

    def lacks(self, wants: frozenset[str], columns: tuple[str, ...]) -> None:
        """Note what a subject cannot know for what it does not ask."""
        lacking = [name for name in ("trades", "ticks") if name not in wants]
        for name in [*lacking, *(name for name in ("id", "kind") if name not in columns)]:
            self.notice("not_asked_for", _WITHOUT[name])

    def ended(self, how: Mapping[str, Any]) -> None:
        """Note what a program left behind when it ended."""
        if "escaped" in how:
            count = how["escaped"]
            self.notice("children_left", f"processes that had left its group were ended: {count}")

    def verdict(self) -> Verdict:
        """Return the verdict of the check `subject`; its counts are the findings of each kind."""
        findings = [*self._findings]
        if self.ignored:
            names = ", ".join([*self.ignored][:_KEPT])
            sentence = f"fields that the protocol has not were ignored: {names}"
            findings.append(
                Finding(CHECK, "fields_ignored", Severity.NOTICE, evidence={"sentence": sentence})
            )
        return Verdict.of(CHECK, dict(self.counts), findings, NOT_CHECKED)


def misplaced(interval: Interval, open_time_ns: int, now_ns: int) -> dict[str, str] | None:
    """Return a hint where an interval has no kline that opens at a time, None where it has one."""
    fits = interval.open_time_ns(open_time_ns) == open_time_ns
    if fits and interval.close_time_ns(open_time_ns) < 2**63:
        return None
    for unit, size in _UNITS.items():
        if abs(open_time_ns * size - now_ns) < _NEAR_NS:
            return {"hint": f"nanoseconds are expected: are these {unit}?"}
    return {}
