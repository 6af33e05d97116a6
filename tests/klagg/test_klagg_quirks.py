"""What each defect of klagg does, with its exact numbers, and without it."""

from __future__ import annotations

import pytest
from kline_harness.klagg.quirks import FAITHFUL, FIXED, Quirk
from kline_harness.ledger import judge, trade_equations
from kline_harness.verdict import Validity

from tests.feeds import DAY, HOUR, MINUTE, SECOND, T0, at
from tests.klagg.klagg_cases import Ran, database, run_klagg, stored

PRODUCTION = "1m 5m 30m 1h 4h 1d 1w"


def without(*quirks: Quirk) -> frozenset[Quirk]:
    return FAITHFUL - set(quirks)


def ticks(minutes: range, skip: frozenset[int] = frozenset()) -> str:
    return "".join(f"tick {minute}:00.110;" for minute in minutes if minute not in skip)


def balanced(ran: Ran) -> bool:
    return judge(trade_equations(ran.accounts)).validity is Validity.VALID


# --- Q01: late trades ----------------------------------------------------------------------------

LATE = """ALFA 0:59.000 100x1; tick 1:00.110; ALFA 0:59.990 100x2; ALFA 1:01 100x4;
          tick 2:00.110; tick 3:00.110; tick 4:00.110; tick 5:00.110"""


@pytest.mark.parametrize("quirks", [FAITHFUL, without(Quirk.LATE_UNCOUNTED), FIXED])
def test_late_trades(quirks: frozenset[Quirk]) -> None:
    loaded = database("1m 5m") if Quirk.STARTUP_HOLE in quirks else None
    ran = run_klagg(LATE, quirks=quirks, database=loaded)
    assert ran.volumes("1m") == ["1", "4", "0", "0", "0"]
    assert ran.counts("1m") == [1, 1, 0, 0, 0]
    assert (ran.volumes("5m"), ran.counts("5m")) == (["7"], [3])
    series = ran.accounts["ALFA"].series
    counted = Quirk.LATE_UNCOUNTED not in quirks
    assert (series["1m"].late, series["5m"].late) == ([2] if counted else [], [])
    assert balanced(ran) == counted


# --- Q02: the future -----------------------------------------------------------------------------

FUTURE = f"ALFA 0:30 100x1; ALFA {24 * 60}:00 101x1 @0:31; ALFA 0:40 100x1; ALFA 23:00:00 100x1"


def test_a_future_trade_freezes_a_symbol() -> None:
    ran = run_klagg(FUTURE, "1m")
    assert len(ran.bars) == 1_440
    assert ran.counts("1m") == [1] + [0] * 1_439
    assert ran.open_bar("1m").open_time_ns == T0 + DAY
    # Both real trades of the next 24 hours are gone.
    assert ran.accounts["ALFA"].series["1m"].applied == 2


def test_a_future_trade_refused() -> None:
    ran = run_klagg(FUTURE, "1m", quirks=without(Quirk.FUTURE_UNCHECKED))
    assert ran.accounts["ALFA"].rejected == {"future": [2]}
    assert ran.counts("1m")[:2] == [2, 0]
    assert ran.accounts["ALFA"].series["1m"].applied == 3


def test_a_wrong_clock_rolls_every_symbol() -> None:
    text = "ALFA 0:30 100x1; BETA 0:31 100x1; tick 24:00:00 @1:00"
    ran = run_klagg(text, "1m", "ALFA BETA")
    assert len(ran.of("1m")) == len(ran.of("1m", "BETA")) == 1_440
    ran = run_klagg(text, "1m", "ALFA BETA", without(Quirk.FUTURE_UNCHECKED))
    assert ran.bars == []
    assert [finding.kind for finding in ran.aggregator.observations()] == ["future_tick"]


def test_a_loop_without_end_aborts() -> None:
    text = f"ALFA 0:30 100x1; ALFA {200 * 366 * 24}:00:00 100x1 @0:31; ALFA 0:32 100x1; tick 1:00"
    ran = run_klagg(text, PRODUCTION + " 1M")
    aborted = ran.aggregator.aborted
    assert aborted is not None
    assert (aborted.kind, aborted.symbol) == ("future_trade", "ALFA")
    assert aborted.evidence == {"bars": 200 * 366 * 24 * 60}
    assert ran.aggregator.observations() == [aborted]
    assert ran.bars == []
    assert ran.accounts["ALFA"].rejected == {"aborted": [2, 3]}
    assert balanced(ran)


# --- Q03: pruning --------------------------------------------------------------------------------


@pytest.mark.parametrize(("quirks", "five", "hour"), [(FAITHFUL, 65, 120), (FIXED, 61, 61)])
def test_a_missed_boundary_tick(quirks: frozenset[Quirk], five: int, hour: int) -> None:
    loaded = database("1m 5m 1h", row=stored("100", "1", 1))
    # Loaded bars are continued, whatever else is switched.
    quirks = quirks | {Quirk.STARTUP_HOLE, Quirk.PHANTOMS_IN_SNAPSHOT}
    text = ticks(range(1, 65), frozenset({60}))
    ran = run_klagg(text, "1m 5m 1h", quirks=quirks, database=loaded)
    if five == 65:
        assert ran.open_bar("5m").open_time_ns == at("55:00")
        assert ran.open_bar("1h").open_time_ns == T0
    ran = run_klagg(text + ticks(range(65, 121)), "1m 5m 1h", quirks=quirks, database=loaded)
    closed = {bar.minute: bar.at_minute for bar in ran.of("5m")}
    assert int(closed[55]) == five
    hours = [(bar.minute, bar.count, int(bar.at_minute)) for bar in ran.of("1h")]
    assert hours == [(0, 1, hour), (60, 0, 120)]


@pytest.mark.parametrize(("quirks", "closed"), [(FAITHFUL, 0), (FIXED, 1)])
def test_a_late_first_tick_of_the_week(quirks: frozenset[Quirk], closed: int) -> None:
    loaded = database("1w", row=stored("100", "1", 1, open_ns=T0 - 7 * DAY))
    quirks = quirks | {Quirk.STARTUP_HOLE}
    ran = run_klagg("tick 6:00.110; tick 24:00:00", "1w", quirks=quirks, database=loaded)
    assert len(ran.bars) == closed
    assert len(run_klagg("tick 4:59", "1w", quirks=quirks, database=loaded).bars) == 1


@pytest.mark.parametrize(("quirks", "at_minute"), [(FAITHFUL, 660), (FIXED, 621)])
def test_a_stale_bar_at_startup(quirks: frozenset[Quirk], at_minute: int) -> None:
    loaded = database("1h", row=stored("100", "1", 1, open_ns=T0 + 9 * HOUR))
    quirks = quirks | {Quirk.STARTUP_HOLE}
    ran = run_klagg(ticks(range(621, 662)), "1h", quirks=quirks, database=loaded)
    assert (ran.bars[0].minute, int(ran.bars[0].at_minute)) == (540, at_minute)


# --- Q04: fillers --------------------------------------------------------------------------------


def test_an_outage_looks_like_quiet() -> None:
    seconds = [*range(1, 90), *range(250, 600)]
    trades = "".join(f"ALFA {second} 100x1 #{second};" for second in seconds)
    loaded = database("1m", row=stored("100", "5", 5))
    ran = run_klagg(trades + "tick 10:00.110", "1m", database=loaded)
    assert ran.counts("1m") == [64, 30, 0, 0, 50, 60, 60, 60, 60, 60]
    assert {bar.trade_ids for bar in ran.bars} == {(-1, -1)}
    ran = run_klagg(trades + "tick 10:00.110", "1m", quirks=without(Quirk.FILLERS_UNMARKED))
    # Ids give the outage away: 89 is followed by 250.
    assert [bar.trade_ids for bar in ran.bars[1:5]] == [(60, 89), (-1, -1), (-1, -1), (250, 299)]


# --- Q05, Q06, Q07, Q12: a new symbol ------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "bars"),
    [
        *(("1m", 28_401_120), ("5m", 5_680_224), ("30m", 946_704), ("1h", 473_352)),
        *(("4h", 118_338), ("1d", 19_723), ("1w", 2_817)),
    ],
)
def test_bars_since_1970(interval: str, bars: int) -> None:
    text = "add NEWA 0:04 none; NEWA 0:05 7x1"
    ran = run_klagg(text, interval, "", rollover_cap=1_000)
    assert ran.aggregator.aborted is not None
    assert ran.aggregator.aborted.kind == "uninitialized_slot_trade"
    assert ran.aggregator.aborted.evidence == {"bars": bars}
    ran = run_klagg(text, interval, "", without(Quirk.UNINITIALIZED_FILLED), finish=True)
    assert ran.bars == []
    assert ran.open_bar(interval, "NEWA").volume == "1"


def test_bars_since_1970_are_published_at_price_zero() -> None:
    ran = run_klagg("add NEWA 0:04 none; NEWA 0:05 7x1", "1d", "")
    assert len(ran.bars) == 19_723
    assert {bar.prices for bar in ran.bars} == {("0", "0", "0", "0")}
    assert ran.open_bar("1d", "NEWA").open == "7"


GENESIS = "add NEWA 0:01 0:01 9 12 8 10 77 770"


def test_genesis_is_overwritten_where_it_is_not_first() -> None:
    ran = run_klagg(GENESIS, "5m 1m", "")
    (record,) = ran.aggregator.pulls[-1].records
    assert (record.interval, record.open, record.high, record.volume) == ("1m", "10", "10", "0")
    ran = run_klagg(GENESIS, "5m 1m", "", without(Quirk.SEEDING_SKIPS_FIRST))
    one, five = ran.open_bar("1m", "NEWA"), ran.open_bar("5m", "NEWA")
    assert (one.open, one.high, one.low, one.close, one.volume) == ("9", "12", "8", "10", "77")
    assert (five.open, five.volume, five.count) == ("10", "0", 0)


def test_a_dead_symbols_bar_in_the_first_slot() -> None:
    text = "BETA 0:01 5x3; remove BETA 0:02;" + GENESIS.replace("0:01", "0:03")
    ran = run_klagg(text, "5m 1m", "ALFA BETA")
    assert (ran.open_bar("5m", "NEWA").volume, ran.open_bar("5m", "NEWA").close) == ("3", "5")
    ran = run_klagg(text, "5m 1m", "ALFA BETA", without(Quirk.SEEDING_SKIPS_FIRST))
    assert ran.open_bar("5m", "NEWA").volume == "0"


def test_genesis_holds_a_day() -> None:
    text = "add NEWA 0:01 0:01 1 2 0.5 1.5 9000000 12000000; NEWA 0:02 1.6x10; tick 5:00"
    ran = run_klagg(text, "1m 5m", "")
    one, five = ran.of("1m", "NEWA")[0], ran.of("5m", "NEWA")[0]
    assert (one.volume, one.prices[1:3], one.count) == ("9000010", ("2", "0.5"), 2)
    assert (five.volume, five.prices[1:3], five.count) == ("10", ("1.6", "1.6"), 1)
    assert (one.taker_volume, five.taker_volume) == ("10", "10")
    ran = run_klagg(text, "1m 5m", "", without(Quirk.GENESIS_FROM_TICKER))
    for bar in (ran.of("1m", "NEWA")[0], ran.of("5m", "NEWA")[0]):
        assert (bar.volume, bar.prices, bar.count) == ("10", ("1.6",) * 4, 1)


def test_a_new_symbols_long_bar_is_misaligned() -> None:
    add = "add NEWA 5:00:01.234 5:00:01.234 9 12 8 10 77 770;"
    text = add + "NEWA 6:00:00 9x1; NEWA 47:59:59 9x1; NEWA 48:00:00 9x1"
    three_days_ms = 259_200_000
    seed = run_klagg(add, "1m 3d", "").open_bar("3d", "NEWA")
    assert seed.open_time_ns // 1_000_000 % three_days_ms == 104_401_234
    ran = run_klagg(text, "1m 3d", "")
    assert ran.accounts["NEWA"].series["3d"].applied == 1
    (bar,) = ran.of("3d", "NEWA")
    assert (bar.count, bar.close, (T0 + int(bar.minute * MINUTE) + 43 * HOUR) // HOUR) == (
        *(0, "10"),
        (T0 + 48 * HOUR) // HOUR,
    )
    ran = run_klagg(text, "1m 3d", "", without(Quirk.SEED_UNALIGNED))
    assert ran.accounts["NEWA"].series["3d"].applied == 3
    assert ran.volumes("3d", "NEWA") == ["2"]


# --- Q08 to Q11, Q13, Q14: numbers ---------------------------------------------------------------


@pytest.mark.parametrize(("quirks", "count"), [(FAITHFUL, 1), (FIXED, 5)])
def test_aggregates_count_once(quirks: frozenset[Quirk], count: int) -> None:
    ran = run_klagg("ALFA 0:30 100x1 #1:10-14; tick 1:00", "1m", quirks=quirks)
    assert ran.counts("1m") == [count]


def test_the_hole_at_startup() -> None:
    """5 are stored, 10 more are traded unseen, then 1: the truth is 16."""
    loaded = database("1m", row=stored("100", "5", 5, last_trade_id=5))
    text = "ALFA 0:45 100x1 #16; tick 1:00; ALFA 1:01 100x1 #17; tick 2:00"
    ran = run_klagg(text, "1m", database=loaded)
    assert ran.volumes("1m") == ["6", "1"]
    ran = run_klagg(text, "1m", quirks=FIXED, database=loaded)
    # What cannot be right is not published, and said so.
    assert (ran.minutes("1m"), ran.volumes("1m")) == ([1], ["1"])
    assert [finding.kind for finding in ran.aggregator.observations()] == ["startup_hole"]
    assert ran.accounts["ALFA"].series["1m"].discarded == 1
    assert balanced(ran)


def test_a_stored_bar_that_connects_is_continued() -> None:
    loaded = database("1m", row=stored("100", "5", 5, first_trade_id=1, last_trade_id=5))
    ran = run_klagg("ALFA 1:45 101x1 #6; tick 2:00", "1m", quirks=FIXED, database=loaded)
    assert ran.volumes("1m") == ["5", "1"]
    assert ran.counts("1m") == [5, 1]
    assert ran.aggregator.observations() == []


def test_duplicates_and_order() -> None:
    text = (
        "ALFA 0:10 100x1 #2; ALFA 0:11 101x1 #3; ALFA 0:12 99x1 #1; ALFA 0:13 101x1 #3; tick 1:00"
    )
    (bar,) = run_klagg(text, "1m").bars
    assert (bar.volume, bar.count, bar.prices) == ("4", 4, ("100", "101", "99", "101"))
    ran = run_klagg(text, "1m", quirks=without(Quirk.IDS_IGNORED, Quirk.FILLERS_UNMARKED))
    (bar,) = ran.bars
    assert (bar.volume, bar.count, bar.prices) == ("3", 3, ("99", "101", "99", "101"))
    assert bar.trade_ids == (1, 3)
    assert ran.accounts["ALFA"].duplicate == [3]


def test_the_month_is_a_minute() -> None:
    text = "ALFA 0:30 100x1;" + ticks(range(1, 6))
    assert run_klagg(text, "1M").minutes("1M") == [0, 1, 2, 3, 4]
    assert run_klagg(text, "1M", quirks=without(Quirk.MONTH_IS_MINUTE)).bars == []
    text = f"ALFA 0:30 100x1; tick {31 * 24}:00:00 @{31 * 24}:00:00"
    assert run_klagg(text, "1M", quirks=FIXED).minutes("1M") == [0]


def test_a_stored_bar_of_count_zero_is_rewritten() -> None:
    loaded = database("1m", row=stored("100", "7", 0))
    text = "ALFA 0:30 101x1; tick 1:00"
    (bar,) = run_klagg(text, "1m", database=loaded).bars
    assert (bar.volume, bar.prices) == ("1", ("101",) * 4)
    (bar,) = run_klagg(
        text, "1m", quirks=without(Quirk.COUNT_ZERO_IS_PHANTOM), database=loaded
    ).bars
    assert (bar.volume, bar.prices) == ("8", ("100", "101", "100", "101"))


def test_values_are_not_checked() -> None:
    text = "ALFA 0:30 100x1; ALFA 0:31 0x0 SENTINEL; ALFA 0:32 50x1 ADL; tick 1:00"
    ran = run_klagg(text, "1m")
    assert ran.bars[0].prices == ("100", "100", "0", "0")
    assert ran.accounts["ALFA"].rejected == {"adl": [3]}
    ran = run_klagg(text, "1m", quirks=FIXED)
    assert ran.bars[0].prices == ("100",) * 4
    assert ran.accounts["ALFA"].rejected == {"sentinel": [2], "adl": [3]}


@pytest.mark.parametrize(("quirks", "volume"), [(FAITHFUL, "0.30000000000000004"), (FIXED, "0.3")])
def test_sums_of_floats(quirks: frozenset[Quirk], volume: str) -> None:
    ran = run_klagg("ALFA 0:30 100x0.1; ALFA 0:31 100x0.2; tick 1:00", "1m", quirks=quirks)
    assert ran.volumes("1m") == [volume]


# --- Q24, Q25, Q30: what is told of open bars ----------------------------------------------------


def test_deltas_never_show_how_a_bar_closed() -> None:
    text = "ALFA 0:30 100x1; pull 0:31; ALFA 0:50 100x2; tick 1:00.110; pull 1:00.2"
    told = run_klagg(text, "1m").aggregator.pulls[1].records
    assert [(record.volume, record.is_final) for record in told] == [("0", False)]
    told = (
        run_klagg(text, "1m", quirks=without(Quirk.DELTAS_LOSE_CLOSES)).aggregator.pulls[1].records
    )
    assert [(record.volume, record.is_final) for record in told] == [("3", True), ("0", False)]


def test_a_snapshot_shows_untouched_bars() -> None:
    text = "ALFA 0:30 100x1; tick 1:00.110"
    record = run_klagg(text, "1m").open_bar("1m")
    assert (record.open_time_ns, record.volume, record.count) == (at("1:00"), "0", 0)
    ran = run_klagg(text, "1m", quirks=without(Quirk.PHANTOMS_IN_SNAPSHOT))
    assert ran.aggregator.pulls[-1].records == ()


@pytest.mark.parametrize(("quirks", "published"), [(FAITHFUL, []), (FIXED, ["1"])])
def test_open_bars_at_shutdown(quirks: frozenset[Quirk], published: list[str]) -> None:
    ran = run_klagg("ALFA 0:30 100x1", "1m", quirks=quirks, finish=True)
    assert ran.volumes("1m") == published
    assert ran.accounts["ALFA"].series["1m"].open == 1


def test_a_short_margin_loses_what_the_service_keeps() -> None:
    """A trade of 59.995 that comes after the tick of 1:00.012 is late (Q47)."""
    text = "ALFA 0:30 100x1; tick 1:00.012; ALFA 0:59.995 100x1; tick 2:00.012"
    assert run_klagg(text, "1m").volumes("1m") == ["1", "0"]
    text = "ALFA 0:30 100x1; ALFA 0:59.995 100x1 @1:00.050; tick 1:00.110; tick 2:00.110"
    assert run_klagg(text, "1m").volumes("1m") == ["2", "0"]


def test_the_service_s_periods_in_one_feed() -> None:
    ran = run_klagg(f"ALFA 0:30 100x1; ALFA {7 * 24}:00:01 101x1", PRODUCTION)
    counts = {text: len(ran.of(text)) for text in PRODUCTION.split()}
    assert counts == {
        interval: 7 * DAY // length
        for interval, length in zip(
            PRODUCTION.split(),
            (MINUTE, 5 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, DAY, 7 * DAY),
            strict=True,
        )
    }
    assert all(bar.at_minute == (7 * DAY + SECOND) / MINUTE for bar in ran.bars)
