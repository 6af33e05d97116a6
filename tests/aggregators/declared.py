"""A subject of a user's own: an aggregator with a table of a scenario, a consumer and a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.columns import Rows
from kline_harness.interfaces import (
    AddSymbol,
    Aggregator,
    Check,
    Consumer,
    FeedSlice,
    Subject,
    SubjectWatch,
)
from kline_harness.interval import Interval
from kline_harness.units import INT64_MAX
from kline_harness.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Limits:
    """The most klines and trades that are to be."""

    klines_max: int = 1_000
    wait_ns: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """What a command says of an added symbol."""

    board: str = "main"


class Opened:
    """Counts the lifecycle events."""

    name = "opened"
    channel = "lifecycle"
    timer_period_ns: int | None = None

    def __init__(self) -> None:
        self.events = 0

    def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
        self.events += len(rows)

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Lag is no matter of it."""

    def on_timer(self, now_ns: int) -> None:
        """It has no timer."""

    def rows_until_flush(self) -> int:
        return INT64_MAX

    def on_close(self, now_ns: int) -> None:
        """Nothing is left to do."""

    def verdict(self) -> Verdict:
        return Verdict.of(self.name, {"events": self.events}, ())


@dataclass
class Limited:
    """A check: no more klines than the limit."""

    limits: Limits
    watch: Limiter
    id: str = "limits"
    needs: str = "what was published"

    def verdict(self) -> Verdict:
        found = []
        if self.watch.klines > self.limits.klines_max:
            found.append(Finding(self.id, "too_many", evidence={"klines": self.watch.klines}))
        counts = {"klines": self.watch.klines, "boards": len(self.watch.boards)}
        return Verdict.of(self.id, counts, found)


class Limiter(SubjectWatch):
    """Counts klines and the boards of added symbols."""

    def __init__(self, limits: Limits) -> None:
        self.klines, self.boards = 0, set[str]()
        self._limits = limits

    def on_slice(self, feed: FeedSlice) -> None:
        for signal in feed.signals:
            if isinstance(signal, AddSymbol):
                self.boards.add(signal.stated.board)

    def on_emission(self, emission: Any) -> None:
        self.klines += len(emission.klines)

    def checks(self) -> Sequence[Check]:
        return (Limited(self._limits, self),)


@dataclass(frozen=True)
class Declared(Subject):
    """Right klines, with limits."""

    STATED: ClassVar[type] = Listing

    limits: Limits = field(default_factory=Limits)
    comment: str = ""

    def make(self, intervals: Sequence[Interval], symbols: Sequence[str]) -> Aggregator:
        return ExactAggregator(intervals)

    def consumers(self) -> Sequence[Consumer]:
        return (Opened(),)

    def watch(self, aggregator: Aggregator) -> SubjectWatch:
        return Limiter(self.limits)


class Bare(SubjectWatch):
    """A watch that fails."""

    def on_emission(self, emission: Any) -> None:
        raise RuntimeError("out of ink")

    def checks(self) -> Sequence[Check]:
        return (Limited(Limits(), Limiter(Limits())),)


@dataclass(frozen=True)
class Failing(Declared):
    """Its watch fails in the middle of a run."""

    def watch(self, aggregator: Aggregator) -> SubjectWatch:
        return Bare()


class Taken(Limiter):
    """A check under an id of the harness's own."""

    def checks(self) -> Sequence[Check]:
        return (Limited(Limits(), self, id="ledger"),)


@dataclass(frozen=True)
class Clashing(Declared):
    """Its check has the id of another."""

    def watch(self, aggregator: Aggregator) -> SubjectWatch:
        return Taken(self.limits)
