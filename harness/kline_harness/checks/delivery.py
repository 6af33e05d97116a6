"""The check of a channel: each consumer got what was published, in order, less what it lagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from kline_harness.columns import Columns, Rows
from kline_harness.interfaces import JudgingObserver
from kline_harness.units import Int64Array
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "delivery"
NOT_CHECKED = ("what a consumer does with what it got",)
FINDINGS_PER_KIND = 100


@dataclass(slots=True)
class Published:
    """What was published on one broadcast: each table's place, and each value's instant."""

    capacity: int
    places: WeakKeyDictionary[Columns, int] = field(default_factory=WeakKeyDictionary)
    instants: list[tuple[Int64Array, Int64Array]] = field(default_factory=list)
    total: int = 0

    def add(self, rows: Rows[Any]) -> None:
        """Take the next rows."""
        if rows.base not in self.places:
            # The table is not kept: a long run's would fill the memory.
            self.instants.append(_ends_of_instants(rows.base.at_ns))
            self.places[rows.base] = self.total - rows.start
        self.total += len(rows)

    def by(self, instant_ns: int) -> int:
        """Return how many values were published up to and with an instant."""
        total = 0
        for times, ends in self.instants:
            place = int(np.searchsorted(times, instant_ns, side="right"))
            total += int(ends[place - 1]) if place else 0
        return total


def _ends_of_instants(at_ns: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the instants of a table's values, each once, and how many values are of it or before.

    Many values come at one instant.
    """
    last = np.flatnonzero(np.diff(at_ns, append=at_ns[-1:] + 1))
    return at_ns[last], last + 1


@dataclass(slots=True)
class Subscription:
    """One consumer's side: where its next value is.

    It subscribes at an instant, or before the start. What never makes its consumer wait
    (`can_wait` false) may hand over at once what was published at several instants.
    """

    consumer: str
    channel: str
    subscribed_ns: int | None = None
    can_wait: bool = True
    next: int | None = None
    delivered: int = 0
    lagged: int = 0


class DeliveryCheck(JudgingObserver):
    """Holds every delivery against what was published.

    A consumer gets each value sent after it subscribed, once and in order, but those of which a
    lag told: exactly as many as it was behind, less the capacity.

    Source of the rules: documentation of tokio 1.24.2, `sync::broadcast`.
    """

    def __init__(self, capacities: Mapping[str, int], consumers: Sequence[Subscription]) -> None:
        self._published = {name: Published(capacity) for name, capacity in capacities.items()}
        self._consumers = {one.consumer: one for one in consumers}
        self._findings: list[Finding] = []
        self._counts: dict[str, int] = {}
        self._reported: dict[tuple[str, str], int] = {}

    def on_published(self, channel: str, rows: Rows[Any]) -> None:
        """Take what a channel is given."""
        self._published[channel].add(rows)

    def on_delivered(self, consumer: str, now_ns: int, rows: Rows[Any]) -> None:
        """Hold a delivery to what is next for the consumer."""
        to = self._consumers[consumer]
        published = self._published[to.channel]
        base = published.places.get(rows.base)
        if base is None:
            self._find("not_published", to, now_ns, values=len(rows))
            return
        start, expected = base + rows.start, self._expected(to)
        if start < expected:
            kind = "saw_old_values" if to.delivered == 0 else "delivered_twice"
            self._find(kind, to, now_ns, values=expected - start)
        elif start > expected:
            self._find("lost_untold", to, now_ns, values=start - expected)
        to.next = max(expected, base + rows.stop)
        to.delivered += len(rows)
        waited_ns = now_ns - int(rows.base.at_ns[rows.start])
        if to.can_wait and waited_ns > 0:
            self._find("served_late", to, now_ns, waited_ns=waited_ns)

    def on_lag(self, consumer: str, now_ns: int, missed: int) -> None:
        """Hold a lag to how far the consumer is behind."""
        to = self._consumers[consumer]
        published = self._published[to.channel]
        expected = self._expected(to)
        due = published.by(now_ns) - expected - published.capacity
        if missed != due:
            self._find("lag_miscounted", to, now_ns, reported=missed, due=max(0, due))
        to.next = expected + missed
        to.lagged += missed
        self._find("lagged", to, now_ns, missed=missed)

    def verdict(self) -> Verdict:
        """Return what was found; called after every consumer was closed."""
        counts = {"consumers": len(self._consumers)}
        for to in self._consumers.values():
            published = self._published[to.channel]
            if to.subscribed_ns is not None and published.by(to.subscribed_ns):
                missed = published.by(to.subscribed_ns)
                self._find("subscribed_late", to, to.subscribed_ns, values=missed)
            left = published.total - self._expected(to)
            if left:
                self._find("not_drained", to, None, values=left)
            counts[f"published for {to.consumer}"] = published.total
            counts[f"delivered to {to.consumer}"] = to.delivered
            counts[f"lagged by {to.consumer}"] = to.lagged
        # By consumer: two that learn of something at one instant do so in no order of their own.
        found = sorted(self._findings, key=lambda one: str(one.evidence["consumer"]))
        counts |= dict(sorted(self._counts.items()))
        return Verdict.of(CHECK, counts, found, NOT_CHECKED)

    def _expected(self, to: Subscription) -> int:
        if to.next is None:
            at_ns = to.subscribed_ns
            to.next = 0 if at_ns is None else self._published[to.channel].by(at_ns)
        return to.next

    def _find(self, kind: str, to: Subscription, at_ns: int | None, **evidence: Any) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        count = self._reported[kind, to.consumer] = self._reported.get((kind, to.consumer), 0) + 1
        if count <= FINDINGS_PER_KIND:
            lawful = kind in ("lagged", "served_late", "subscribed_late")
            severity = Severity.NOTICE if lawful else Severity.ERROR
            evidence = {"consumer": to.consumer, **evidence}
            self._findings.append(Finding(CHECK, kind, severity, at_ns=at_ns, evidence=evidence))
