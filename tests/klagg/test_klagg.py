"""The klagg model as a whole: the contract, the reference, golden vectors, the original's tests."""

from __future__ import annotations

from dataclasses import asdict
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.errors import UsageError
from kline_harness.interfaces import AddSymbol, Aggregator, FeedSlice, Tick
from kline_harness.klagg.aggregator import KlaggAggregator
from kline_harness.klagg.quirks import FAITHFUL, FIXED, Quirk
from kline_harness.klagg.records import DatabaseRow
from kline_harness.klagg.ticker import Ticker
from kline_harness.kline import Life, Trigger
from kline_harness.tape import Tape

from tests.contracts.aggregator import EmissionRows, check_aggregator, emission_rows, run
from tests.feeds import MINUTE, T0, Item, at, clean_runs, feed, slices, wild_runs
from tests.klagg.klagg_cases import database, intervals_of, run_klagg, stored

ALL_INTERVALS = "1m 5m 1h 1d 3d 1w 1M"


def make(quirks: frozenset[Quirk], intervals: str = ALL_INTERVALS) -> KlaggAggregator:
    # Time bounds are off: the runs of the kit are not about them.
    return KlaggAggregator(
        intervals_of(intervals),
        ("ALFA", "BETA"),
        quirks,
        max_symbols=4,
        rollover_cap=20_000,
        future_bound_ns=10**18,
    )


# --- the contract and the reference --------------------------------------------------------------


def test_contract_fixed() -> None:
    check_aggregator(lambda: make(FIXED))


def test_contract_faithful() -> None:
    # The one thing that vanishes is late trades.
    check_aggregator(lambda: make(FAITHFUL), balances=False, rounds=10)
    check_aggregator(lambda: make(FAITHFUL - {Quirk.LATE_UNCOUNTED}), rounds=10)


@pytest.mark.parametrize("seed", range(12))
def test_contract_any_subset(seed: int) -> None:
    random = Random(seed)
    quirks = frozenset(quirk for quirk in Quirk if random.random() < 0.5)
    check_aggregator(lambda: make(quirks), balances=Quirk.LATE_UNCOUNTED not in quirks, rounds=4)


@pytest.mark.parametrize("quirk", Quirk, ids=lambda quirk: quirk.slug)
def test_each_switch_alone(quirk: Quirk) -> None:
    random = Random(quirk.number)
    for quirks in (frozenset({quirk}), FAITHFUL - {quirk}):
        check_aggregator(
            lambda quirks=quirks: make(quirks),  # type: ignore[misc]
            balances=Quirk.LATE_UNCOUNTED not in quirks,
            rounds=random.randrange(1, 3),
        )


def by_time(rows: EmissionRows) -> tuple[list[Any], list[Any]]:
    """Order rows of one instant by symbol text: the model goes by its own list of symbols."""
    klines, events = rows
    return (
        sorted(klines, key=lambda row: (row[14], row[0], row[1], row[2])),
        sorted(
            events, key=lambda row: (row[5], row[1] == Life.TICK, str(row[0]), *row[2:4], row[1])
        ),
    )


def same(ours: Aggregator, right: Aggregator, pieces: list[FeedSlice]) -> None:
    emissions, accounts = run(ours, pieces)
    expected, expected_accounts = run(right, pieces)
    assert by_time(emission_rows(emissions)) == by_time(emission_rows(expected))
    received = {s: asdict(account) for s, account in accounts.items() if account.received}
    assert received == {s: asdict(account) for s, account in expected_accounts.items()}


@settings(max_examples=100, deadline=None)
@given(run_=clean_runs(), cuts=st.lists(st.integers(0, 60), max_size=3))
def test_fixed_is_the_reference_on_clean_feeds(run_: list[Item], cuts: list[int]) -> None:
    pieces = list(slices(run_, [min(cut, len(run_)) for cut in cuts]))
    same(make(FIXED), ReferenceAggregator(intervals_of(ALL_INTERVALS)), pieces)


@settings(max_examples=100, deadline=None)
@given(run_=wild_runs(), cuts=st.lists(st.integers(0, 25), max_size=3))
def test_fixed_is_the_reference_on_wild_feeds(run_: list[Item], cuts: list[int]) -> None:
    pieces = list(slices(run_, [min(cut, len(run_)) for cut in cuts]))
    same(make(FIXED), ReferenceAggregator(intervals_of(ALL_INTERVALS)), pieces)


def test_faithful_is_the_reference_where_nothing_is_wrong() -> None:
    """Raw trades in order, sums that floats hold, every tick: only ids and the end differ."""
    text = "ALFA 0:10 100x1; ALFA 0:50 100.5x2 s; tick 1:00; ALFA 2:30 99x4; tick 3:00; tick 5:00"
    emission = make(FAITHFUL, "1m 5m").advance(feed(text))
    right = ReferenceAggregator(intervals_of("1m 5m")).advance(feed(text))
    klines, events = by_time(emission_rows([emission]))
    expected, expected_events = by_time(emission_rows([right]))
    assert [row[:12] for row in klines] == [row[:12] for row in expected]
    assert events == expected_events


# --- golden vectors ------------------------------------------------------------------------------


def test_golden_a_trade_ahead() -> None:
    ran = run_klagg("ALFA 4:00.005 105x1", "1m", database=database("1m", row=stored("100", "5", 5)))
    assert ran.minutes("1m") == [0, 1, 2, 3]
    assert ran.counts("1m") == [5, 0, 0, 0]
    assert ran.volumes("1m") == ["5", "0", "0", "0"]
    assert [bar.close for bar in ran.of("1m")] == ["100"] * 4
    assert (ran.open_bar("1m").open_time_ns, ran.open_bar("1m").count) == (at("4:00"), 1)


# Loaded rows and untouched bars, so that a snapshot shows what a clock did.
_SHOWN = frozenset({Quirk.STARTUP_HOLE, Quirk.PHANTOMS_IN_SNAPSHOT})


@pytest.mark.parametrize(("quirks", "five"), [(FAITHFUL, 5), (FIXED, 10)])
def test_golden_f_coalesced_ticks(quirks: frozenset[Quirk], five: int) -> None:
    rows = database("1m 5m", row=stored("100", "1", 1))
    ran = run_klagg("tick 5:00; tick 11:00", quirks=quirks | _SHOWN, database=rows)
    assert ran.open_bar("1m").open_time_ns == at("11:00")
    assert ran.open_bar("5m").open_time_ns == at(f"{five}:00")


def test_golden_e_bursts() -> None:
    names = [f"S{number:03}" for number in range(500)]
    aggregator = KlaggAggregator(
        intervals_of("1m"), names, database=database("1m", " ".join(names), row=stored("1", "1", 1))
    )
    aggregator.advance(feed("tick 0:30"))
    assert len(aggregator.advance(feed("tick 30:00")).klines) == 15_000

    seven = "1m 5m 30m 1h 4h 1d 1w"
    names = [f"S{number:03}" for number in range(1_000)]
    rows = {
        (name, interval.text): stored("1", "1", 1, open_ns=interval.open_time_ns(T0 - 1))
        for name in names
        for interval in intervals_of(seven)
    }
    aggregator = KlaggAggregator(intervals_of(seven), names, database=rows)
    assert len(aggregator.advance(feed("tick 0:00.110")).klines) == 7_000


# --- construction and the original's own tests ---------------------------------------------------

BASE = 1_700_000_000_000 * 1_000_000
FIXTURE = ("100", "105", "95", "102", "1000", "102000", 50, "600", "61200")


def fixture_row(open_ns: int) -> DatabaseRow:
    return DatabaseRow(open_ns, *FIXTURE)


def at_base(intervals: str, symbols: str = "ALFA") -> dict[tuple[str, str], DatabaseRow]:
    return {
        (symbol, interval.text): fixture_row(interval.open_time_ns(BASE))
        for symbol in symbols.split()
        for interval in intervals_of(intervals)
    }


def test_expirations_follow_the_loaded_rows() -> None:
    intervals, symbols = "1m 5m 1h", "ALFA BETA"
    ran = run_klagg("", intervals, symbols, database=at_base(intervals, symbols), max_symbols=3)
    rows = [row.slots for row in ran.aggregator._board.rows]
    for slots in rows[:2]:
        for slot, interval in zip(slots, intervals_of(intervals), strict=True):
            assert slot.expires_ns == slot.open_time_ns + (interval.length_ns or 0)
            assert slot.initialized
    assert {slot.expires_ns for slot in rows[2]} == {2**63 - 1}


def test_a_tick_closes_what_expired_only() -> None:
    tick = Tick(BASE, 1_699_999_980_000 * 1_000_000 + MINUTE)
    ran = run_klagg(FeedSlice(Tape.empty(), (tick,), (0,)), "1m 5m", database=at_base("1m 5m"))
    one, five = ran.aggregator._board.rows[0].slots
    assert one.open_time_ns == (1_699_999_980_000 + 60_000) * 1_000_000
    assert one.expires_ns == (1_699_999_980_000 + 120_000) * 1_000_000
    assert five.open_time_ns == 1_699_999_800_000 * 1_000_000
    (bar,) = ran.bars
    assert (bar.prices, bar.volume, bar.count) == (FIXTURE[:4], "1000", 50)
    assert (bar.quote_volume, bar.taker_volume, bar.taker_quote_volume) == (
        "102000",
        "600",
        "61200",
    )


def test_a_symbol_added_while_running() -> None:
    add = AddSymbol(
        *(BASE, "ETHUSDT"),
        Ticker(BASE, "50000", "51000", "49000", "50500", "100", "5050000"),
    )
    ran = run_klagg(FeedSlice(Tape.empty(), (add,), (0,)), database=at_base("1m 5m"))
    assert ran.aggregator.observations() == []
    for slot, interval in zip(
        ran.aggregator._board.rows[1].slots, intervals_of("1m 5m"), strict=True
    ):
        assert slot.initialized
        assert slot.expires_ns == slot.open_time_ns + (interval.length_ns or 0)


def test_a_slot_is_told_once_however_often_it_changes() -> None:
    text = """pull 0:01; ALFA 0:02 1x1; ALFA 0:03 1x1; BETA 0:04 1x1; pull 0:05; pull 0:06
              ALFA 0:07 1x1; pull 0:08"""
    ran = run_klagg(text, "1m", "ALFA BETA", database=database("1m", "ALFA BETA"))
    # Loaded rows are changes too; then exactly the slots that trades touched.
    assert ran.deltas() == [["ALFA 1m", "BETA 1m"], ["ALFA 1m", "BETA 1m"], [], ["ALFA 1m"]]


def test_many_rounds_of_changes_and_pulls() -> None:
    names = [f"S{number:02}" for number in range(100)]
    rounds = [
        "".join(f"S{k:02} {second} 1x1;" for k in range(0, 50, 10)) + f"pull {second};"
        for second in range(1, 51)
    ]
    ran = run_klagg("pull 0;" + "".join(rounds), "1m", " ".join(names))
    assert [len(rows) for rows in ran.deltas()] == [0] + [5] * 50


def test_a_missing_row_stops_the_start() -> None:
    with pytest.raises(UsageError, match="ALFA 5m"):
        run_klagg("", "1m 5m", database=database("1m"))


def test_more_symbols_than_slots() -> None:
    with pytest.raises(UsageError, match="room for 1"):
        run_klagg("", "1m", "ALFA BETA", max_symbols=1)


def test_loaded_bars_are_told_with_the_first_event() -> None:
    ran = run_klagg("tick 0:30", "1m", database=database("1m", row=stored("100", "5", 5)))
    assert [row[1] for row in ran.events] == [Life.OPENED_LIVE, Life.TICK]
    assert ran.events[0][5:] == (at("0:30"), Trigger.TRADE)


def test_quirks_have_papers() -> None:
    numbers = [quirk.number for quirk in Quirk]
    assert numbers == sorted(set(numbers))
    assert all(quirk.severity in "ABD" and quirk.sentence.endswith(".") for quirk in Quirk)
    assert len({quirk.slug for quirk in Quirk}) == len(Quirk)
