"""Each lifecycle rule on a clean life and on a mutant that it must catch."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.checks.life_series import OneSeries
from kline_harness.checks.life_table import TRANSITIONS, KlineState
from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.columns import Rows
from kline_harness.kline import Life, Trigger
from kline_harness.verdict import Severity, Validity, Verdict

from tests.checks.lives import Event, life_table, lives, seconds
from tests.checks.plain_life import check as plain_check
from tests.checks.tables import opening

# Opened live, closed by a trade; opened live, closed by a tick; provisional, then a first trade;
# a trade that outruns two klines: each is opened and closed at once; the end.
REGULAR = (
    "l0@1 u0@2 f0@61 l1@61 T@61.1 f1'@120.11 p2' T@120.11 t2@130 u2@131 f2'@180.11 p3' T@180.11 "
    'f3@400 p4 f4 p5 f5 l6 T@420.11=419 f6"@421'
)


def checked(events: list[Event], cuts: tuple[int, ...] = (), **options: Any) -> LifecycleChecker:
    checker = LifecycleChecker(**options)
    batch = life_table(events)
    edges = sorted({0, len(batch), *(cut % (len(batch) + 1) for cut in cuts)})
    for start, stop in pairwise(edges):
        checker.on_rows(0, Rows(batch, start, stop))
    checker.on_close(0)
    return checker


def errors(verdict: Verdict) -> list[tuple[str, int]]:
    """Return (kind, step) of the errors and doubts."""
    return [
        (f.kind, ((f.open_time_ns or 0) - opening("1m", 0)) // (60 * 10**9))
        for f in verdict.findings
        if f.severity is not Severity.NOTICE
    ]


@pytest.mark.parametrize("options", [{}, {"block_rows": 1}, {"one_by_one": True}])
def test_regular_life_is_valid(options: dict[str, Any]) -> None:
    checker = checked(lives(REGULAR), **options)
    verdict = checker.verdict()
    assert verdict.findings == ()
    assert verdict.counts["finals"] == 7
    assert checker.transitions()[KlineState.PROVISIONAL, Life.FINALIZED, Trigger.TRADE] == 3
    assert checker.transitions()[KlineState.ABSENT, Life.OPENED_LIVE, Trigger.TRADE] == 3
    assert sum(checker.transitions().values()) == len(lives(REGULAR)) - 4


MUTANTS = [
    # what is wrong, the events, the step found
    ("illegal_transition", "p0 T@10 l0@20 f0'@60.1 p1' T@60.1", 0),
    ("illegal_transition", "l0 t0@3 f0'@60.1 p1' T@60.1", 0),
    ("illegal_transition", "p0' T@10 u0@11 f0'@60.1 p1' T@60.1", 0),
    ("illegal_transition", "l0'@1 f0'@60.1 p1' T@60.1", 0),
    ("illegal_transition", "l0 f0'@60.1 T@60.1 t1@70", 1),
    ("illegal_transition", "l0 f0'@60.1 T@60.1 f1'@120.1 T@120.1", 1),
    ("finalized_twice", "l0 f0'@60.1 p1' T@60.1 f0'@61 T@61.1", 0),
    ("finalized_twice", "l0 f0'@60.1 f0' p1' T@60.1", 0),
    ("changed_after_final", "l0 f0'@60.1 p1' T@60.1 u0@61", 0),
    ("changed_after_final", "l0 f0'@60.1 p1' T@60.1 l0@61", 0),
    ("changed_after_final", "l0 f0@61 l1 t0@62", 0),
    ("tick_finalized_unexpired", "l0 f0'@59 p1' T@59", 0),
    ("tick_finalized_unexpired", "l0 f0'@60.1 p1' T@60.1=59.999", 0),
    ("trade_finalized_not_outrun", "l0 f0@61", 0),
    ("trade_finalized_not_outrun", "l0 f0@61 l1@62", 0),
    ("trade_finalized_not_outrun", "l0 f0@61 T@61 p1'@61.1 T@61.1", 0),
    ("overdue", "l0 T@60.1 f0'@120.1 p1' f1' p2' T@120.1", 0),
    ("overdue", "l0 T@60.1", 0),
    ("overdue", "l0 T@120.1 T@50 T@60 f0@121 p1 f1 l2", 0),
    ("open_time_step", "l0 f0@130 l2", 2),
    ("open_time_step", "l3@181 f3'@240.1 p4' T@240.1 p1'@250 f1' T@250", 1),
    ("filler_left_open", "l0 f0@130 p1 l2@130 f1'@130.1 T@130.1=120", 1),
    ("future_open", "l2@59", 2),
    ("tick_not_seen", "l0 f0'@60.1 p1'", 0),
]


@pytest.mark.parametrize("options", [{}, {"block_rows": 1}, {"one_by_one": True}])
@pytest.mark.parametrize(("kind", "text", "step"), MUTANTS)
def test_mutants(kind: str, text: str, step: int, options: dict[str, Any]) -> None:
    verdict = checked(lives(text), **options).verdict()
    assert (kind, step) in errors(verdict)
    expected = Validity.UNKNOWN if kind == "tick_not_seen" else Validity.INVALID
    assert verdict.validity is expected


def test_overdue_says_when_it_was_due_and_when_it_came() -> None:
    found = checked(lives("l0 T@60.1 T@120.1 f0@125 p1 f1 l2")).verdict().findings
    (overdue,) = (f for f in found if f.kind == "overdue")
    assert overdue.evidence == {"expected_at_ns": seconds("60.1"), "closed_at_ns": seconds("125")}
    found = checked(lives("l0 T@60.1 T@120.1")).verdict().findings
    assert found[-1].evidence == {"expected_at_ns": seconds("60.1"), "closed_at_ns": None}


def test_tick_that_jumped_back_makes_nothing_due() -> None:
    text = "l5@310 T@320.1 T@30 T@40 f5'@360.1 p6' T@360.1 T@100 T@400 "
    assert errors(checked(lives(text)).verdict()) == []
    late = "l5@310 T@420.1 f5'@430 p6' T@430 T@100 T@50 l1@431"
    assert ("overdue", 5) in errors(checked(lives(late)).verdict())


def test_open_klines_at_the_end_are_told() -> None:
    verdict = checked(lives("l0@1") + lives("l0@1", "5m")).verdict()
    assert verdict.validity is Validity.VALID
    assert [(f.kind, f.evidence["count"]) for f in verdict.findings] == [("open_at_end", 2)]
    assert verdict.counts["still_open"] == 2


def test_future_limit_is_a_parameter() -> None:
    assert errors(checked(lives("l1@1"), future_ns_max=58 * 10**9).verdict()) == [
        ("future_open", 1)
    ]
    assert errors(checked(lives("l1@1"), future_ns_max=59 * 10**9).verdict()) == []


def test_every_legal_transition_is_in_the_table_once_and_nothing_else_passes() -> None:
    assert all(state is not KlineState.FINAL for state, _, _ in TRANSITIONS)
    assert {KlineState.FINAL} == {
        after for (_, life, _), after in TRANSITIONS.items() if life is Life.FINALIZED
    }


def with_lag(text: str, at: int, options: dict[str, Any]) -> Verdict:
    checker = LifecycleChecker(**options)
    batch = life_table(lives(text))
    checker.on_rows(0, Rows(batch, 0, at))
    checker.on_lag(0, 9)
    checker.on_rows(0, Rows(batch, at, len(batch)))
    checker.on_close(0)
    return checker.verdict()


@pytest.mark.parametrize("options", [{}, {"block_rows": 1}, {"one_by_one": True}])
@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("l0 f0'@60.1 p1' T@60.1", 1),
        ("l0 t5@301 f5'@360.1 p6' T@360.1", 1),
        ("l0 f0@61 T@120.1 f1'@120.1 p2' T@120.1", 2),
        ("l0 l7@430 f7'@480.1 p8' T@480.1", 1),
    ],
)
def test_lag_leaves_a_doubt_and_no_error(text: str, at: int, options: dict[str, Any]) -> None:
    verdict = with_lag(text, at, options)
    assert [kind for kind, _ in errors(verdict)] == ["lagged"]
    assert verdict.validity is Validity.UNKNOWN
    assert verdict.counts["missed"] == 9
    assert verdict.counts["after_lag"] == 1


def test_lag_does_not_excuse_what_is_known() -> None:
    verdict = with_lag("l0 f0'@60.1 p1' T@60.1 f0'@61 T@61.1 p4'@241 f4'@242 T@242", 4, {})
    assert [kind for kind, _ in errors(verdict)] == [
        "lagged",
        "finalized_twice",
        "tick_finalized_unexpired",
    ]


def test_lag_excuses_only_the_first_event_of_each_series() -> None:
    verdict = with_lag("l0 f0'@60.1 T@60.1 p1'@60.2 T f1'@120.1 p3' T@120.1", 3, {})
    assert errors(verdict) == [("lagged", errors(verdict)[0][1]), ("open_time_step", 3)]
    checker = LifecycleChecker()
    checker.on_rows(0, Rows.all(life_table(lives("l0@1"))))
    checker.on_lag(0, 1)
    checker.on_rows(0, Rows.all(life_table(lives("u0@2 f0'@300.1 p1' T", "5m"))))
    checker.on_close(0)
    assert [kind for kind, _ in errors(checker.verdict())] == ["lagged"]


@pytest.mark.parametrize("options", [{}, {"block_rows": 1}, {"one_by_one": True}])
def test_a_kline_opened_in_what_was_lost_may_come_after_the_next_one(
    options: dict[str, Any],
) -> None:
    """Kline 1 was opened among the lost events; that of kline 3, opened later, was not lost."""
    late = "l0 l2@121 f1'@122 T@122 f2'@180.1 p4' T@180.1"
    verdict = with_lag(late, 1, options)
    assert errors(verdict) == [("lagged", errors(verdict)[0][1]), ("open_time_step", 4)]
    assert verdict.counts["after_lag"] == 2
    verdict = with_lag(late + " f3'@240 T@240", 1, options)
    assert ("illegal_transition", 3) in errors(verdict)


def test_lags_cost_the_same_with_many_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 lags, each followed by one event: one series learns of each, not all two hundred."""
    learned = Counter[str]()
    learn = OneSeries.lose_events

    def counted(series: OneSeries) -> None:
        learned["series"] += 1
        learn(series)

    monkeypatch.setattr(OneSeries, "lose_events", counted)
    checker = LifecycleChecker(one_by_one=True)
    for number in range(200):
        checker.on_rows(0, Rows.all(life_table(lives("l0@1", symbol=f"S{number}USDT"))))
    for step in range(500):
        checker.on_lag(0, 1)
        checker.on_rows(0, Rows.all(life_table(lives(f"u{step}@{60 * step + 2}", symbol="S7USDT"))))
    checker.on_close(0)
    assert 0 < learned["series"] <= 500 + 200


def test_joining_late_is_not_the_aggregators_fault() -> None:
    text = "f0'@60.1 p1' T@60.1 t1@70 f1@121 l2"
    assert errors(checked(lives(text), joined_late=True).verdict()) == []
    assert errors(checked(lives(text)).verdict()) == [("illegal_transition", 0)]
    back = checked(lives("l5@301 u3@302 l6@361"), joined_late=True).verdict()
    assert ("illegal_transition", 3) in errors(back)


def test_lateness_is_exact() -> None:
    text = " ".join(f"f{step}'@{60 * step + 60}.{step:03} p{step + 1}' T" for step in range(100))
    (one,) = checked(lives("l0@1 " + text)).lateness()
    ms = 10**6
    assert (one.interval, one.finals, one.min_ns, one.max_ns) == ("1m", 100, 0, 99 * ms)
    assert (one.p50_ns, one.p90_ns, one.p99_ns) == (49 * ms, 89 * ms, 98 * ms)
    (single,) = checked(lives("l0@1 f0'@60.5 p1' T f1\"@61")).lateness()
    assert (single.finals, single.p50_ns, single.p99_ns) == (1, 500 * ms, 500 * ms)


def test_instruments_may_come_in_another_order() -> None:
    checker = LifecycleChecker()
    first = life_table(lives("l0@1", symbol="BETA"), symbols=["ALFA", "BETA"])
    second = life_table(lives("f0@61 l1 T", symbol="BETA"), symbols=["BETA"])
    for batch in (first, second):
        checker.on_rows(0, Rows.all(batch))
    checker.on_close(0)
    assert errors(checker.verdict()) == []
    assert checker.verdict().counts["ticks"] == 1


def test_second_close_and_empty_stream() -> None:
    checker = checked([])
    once = checker.verdict()
    checker.on_close(0)
    assert checker.verdict() == once
    assert once.validity is Validity.VALID


LETTER: st.SearchStrategy[str] = st.sampled_from("lptuffpT")
COIN: st.SearchStrategy[bool] = st.booleans()


@st.composite
def wild_lives(draw: st.DrawFn) -> list[Event]:
    """Pieces of a regular life of one or two series, with events lost, added and moved."""
    regular = REGULAR.split()
    start = draw(st.integers(0, len(regular)))
    tokens = regular[:start]
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.integers(0, len(tokens)))
        letter, step = draw(LETTER), draw(st.integers(0, 6))
        mark = draw(st.sampled_from(["", "", "'", '"'])) if letter != "T" else ""
        number = "" if letter == "T" else step
        instant = draw(st.sampled_from(["", f"@{60 * step}", f"@{60 * step + 59}"]))
        tokens.insert(place, f"{letter}{number}{mark}{instant}")
        shorter = draw(COIN)
        if tokens and shorter:
            del tokens[draw(st.integers(0, len(tokens) - 1))]
    events = lives(" ".join(tokens))
    if draw(COIN):
        other = [e for e in lives(REGULAR, "3m", "BETAUSDT") if e["symbol"]]
        for number, event in enumerate(other[: draw(st.integers(0, 8))]):
            events.insert(min(len(events), 2 * number), event)
    return events


@settings(max_examples=500, deadline=None)
@given(wild_lives(), st.integers(1, 30), st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_agrees_with_one_event_at_a_time(
    events: list[Event], block: int, cuts: list[int], one_by_one: bool
) -> None:
    checker = checked(events, tuple(cuts), block_rows=block, one_by_one=one_by_one)
    verdict = checker.verdict()
    found = Counter(
        (f.kind, str(f.symbol), str(f.interval), f.open_time_ns or 0)
        for f in verdict.findings
        if f.severity is not Severity.NOTICE
    )
    assert found == plain_check(events)


@settings(max_examples=200, deadline=None)
@given(wild_lives(), st.integers(1, 30), st.lists(st.integers(0, 40), max_size=4))
def test_columns_and_single_events_say_the_same(
    events: list[Event], block: int, cuts: list[int]
) -> None:
    told = []
    for one_by_one, size in ((False, block), (True, 10**6)):
        checker = checked(events, tuple(cuts), block_rows=size, one_by_one=one_by_one)
        told.append((checker.verdict(), checker.transitions(), checker.lateness()))
    assert told[0] == told[1]
