"""Faults of the clock: what comes, whatever the slices, and what the check says of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from kline_harness.checks.clock import ClockCheck, DueTicks
from kline_harness.faults.catalogue import Injection
from kline_harness.faults.fault import Fault
from kline_harness.faults.ticks import (
    ClockDrift,
    ClockJump,
    TicksCoalesced,
    TicksMissed,
    TicksRepeated,
)
from kline_harness.interfaces import Tick
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.signals import SignalOptions
from kline_harness.units import NS_PER_MILLISECOND, NS_PER_MINUTE, NS_PER_SECOND

from tests.mutants.stage import MINUTES, START_NS, minutes

GRACE_NS = 100 * NS_PER_MILLISECOND
WINDOW: dict[str, Any] = {
    "from_ns": START_NS + 3 * NS_PER_MINUTE,
    "until_ns": START_NS + 6 * NS_PER_MINUTE,
}


def ticks(fault: Fault | None, rows: int = 1 << 18) -> tuple[list[Tick], dict[str, int]]:
    """Return the ticks that come, each before every trade that arrives later, and the findings."""
    until_ns = START_NS + MINUTES * NS_PER_MINUTE
    injection = Injection(() if fault is None else (fault,))
    feed = Feed(iter([minutes()]), SignalOptions(), int, until_ns, rows)
    check = ClockCheck(lambda: DueTicks(NS_PER_MINUTE, GRACE_NS), dict)
    came: list[Tick] = []
    for piece in injection.ticks(feed):
        check.on_slice(piece)
        for signal, position in zip(piece.signals, piece.positions, strict=True):
            assert isinstance(signal, Tick)
            assert all(piece.trades.arrival_ns[:position] <= signal.at_ns)
            assert all(piece.trades.arrival_ns[position:] > signal.at_ns)
            came.append(signal)
    assert all(first.at_ns <= second.at_ns for first, second in pairwise(came))
    check.on_end(injection.end_ns(feed.end_ns))
    kinds: dict[str, int] = {}
    for finding in check.verdict().findings:
        kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
    return came, kinds


def test_a_clock_without_faults_is_clean() -> None:
    came, kinds = ticks(None)
    assert len(came) == MINUTES
    assert kinds == {}


@pytest.mark.parametrize(
    ("fault", "count", "expected"),
    [
        (TicksMissed(**WINDOW), MINUTES - 3, {"tick_missing": 3}),
        (TicksRepeated(**WINDOW), MINUTES + 3, {"tick_repeated": 3}),
        (ClockJump(by_ns=NS_PER_SECOND, **WINDOW), MINUTES, {"tick_tells_other_time": 3}),
        (
            ClockDrift(ppm=1_000, from_ns=WINDOW["from_ns"]),
            MINUTES,
            {"tick_tells_other_time": 11},
        ),
        (TicksCoalesced(**WINDOW), MINUTES - 2, {"tick_missing": 2, "tick_late": 1}),
    ],
    ids=lambda value: getattr(value, "KIND", ""),
)
def test_each_fault_changes_and_tells(fault: Fault, count: int, expected: dict[str, int]) -> None:
    came, kinds = ticks(fault)
    assert len(came) == count
    assert kinds == expected
    for rows in (1, 7, 50):
        assert ticks(fault, rows) == (came, kinds)


def test_the_latest_tick_is_left_at_the_end_of_a_window() -> None:
    came, _ = ticks(TicksCoalesced(**WINDOW))
    (late,) = [tick for tick in came if tick.at_ns == WINDOW["until_ns"]]
    assert late.time_ns == START_NS + 5 * NS_PER_MINUTE + GRACE_NS
