"""The reference aggregator: the contract, its lifecycle events, and scales that grow."""

from __future__ import annotations

from decimal import Context, Decimal

from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.interfaces import Aggregator
from kline_harness.interval import parse_interval
from kline_harness.kline import Life, Trigger
from kline_harness.ranges import IntSet

from tests.contracts.aggregator import check_aggregator, plain_rows, run
from tests.feeds import MINUTE, T0, at, feed


def make(*intervals: str) -> ReferenceAggregator:
    return ReferenceAggregator([parse_interval(text) for text in intervals or ("1m", "5m")])


def lives(aggregator: Aggregator, text: str) -> list[tuple[str, str, int, int]]:
    """(life, trigger, minute it opens, rows) of each event about a kline."""
    emissions, _ = run(aggregator, [feed(text)])
    rows = [row for emission in emissions for row in plain_rows(emission.events)]
    return [
        (Life(life).name, Trigger(trigger).name, (opened - T0) // MINUTE, trades)
        for _, life, _, opened, trades, _, trigger in rows
        if life != Life.TICK
    ]


def test_contract() -> None:
    check_aggregator(lambda: make("1m", "5m", "1h", "1d", "1w", "1M"))


def test_life_by_ticks() -> None:
    assert lives(make("1m"), "ALFA 0:30 100x1; tick 1:00; ALFA 1:01 7x1; tick 3:00") == [
        ("OPENED_LIVE", "TRADE", 0, 1),
        ("FINALIZED", "TICK", 0, 1),
        ("OPENED_PROVISIONAL", "TICK", 1, 0),
        ("FIRST_TRADE", "TRADE", 1, 1),
        ("FINALIZED", "TICK", 1, 1),
        ("OPENED_PROVISIONAL", "TICK", 2, 0),
        ("FINALIZED", "TICK", 2, 0),
        ("OPENED_PROVISIONAL", "TICK", 3, 0),
    ]


def test_life_by_trades() -> None:
    assert lives(make("1m"), "ALFA 0:30 100x1; ALFA 0:31 100x1; ALFA 2:00 100x1") == [
        ("OPENED_LIVE", "TRADE", 0, 1),
        ("FINALIZED", "TRADE", 0, 2),
        ("OPENED_PROVISIONAL", "TRADE", 1, 0),
        ("FINALIZED", "TRADE", 1, 0),
        ("OPENED_LIVE", "TRADE", 2, 1),
        ("FINALIZED", "END", 2, 1),
    ]


def test_a_tick_is_told_after_what_it_did() -> None:
    emission = make("1m").advance(feed("ALFA 0:30 100x1; tick 1:00 @1:00.110; tick 1:30"))
    rows = plain_rows(emission.events)
    tick = (None, Life.TICK, -1, at("1:00"), 0, at("1:00.110"), Trigger.TICK)
    assert rows[3] == tick
    assert [row[1] for row in rows][-1] == Life.TICK
    assert len(rows) == 5


def test_finer_scales_of_a_later_slice_reach_back() -> None:
    aggregator = make("1m")
    aggregator.advance(feed("ALFA 0:30 100x2"))
    emission = aggregator.advance(feed("ALFA 0:31 99.25x0.001 #2; tick 1:00"))
    assert emission.klines.instruments[0].price_scale == 2
    (row,) = plain_rows(emission.klines)
    assert row[3:12] == (
        "100",
        "100",
        "99.25",
        "99.25",
        "2.001",
        "200.09925",
        2,
        "2.001",
        "200.09925",
    )


def test_numbers_beyond_64_bits_stay_exact() -> None:
    text = "ALFA 0:30 123456789.123456789x9876543210.123456789; tick 1:00"
    emission = make("1m").advance(feed(text))
    (row,) = plain_rows(emission.klines)
    exact = Context(prec=60).multiply(
        Decimal("123456789.123456789"), Decimal("9876543210.123456789")
    )
    assert row[8] == f"{exact:f}"
    assert emission.klines.quote_volume.dtype == object


def test_seen_ids_hold_runs() -> None:
    seen = IntSet()
    assert [seen.add(i) for i in (5, 6, 6, 2, 4, 3, 5, 9, 1, 8, 7)] == [
        *(True, True, False, True, True, True, False, True, True, True, True),
    ]
    assert (seen._starts, seen._ends) == ([1], [10])
