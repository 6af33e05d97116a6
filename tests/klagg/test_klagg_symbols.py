"""Symbols added to and removed from the running klagg model, with and without its defects."""

from __future__ import annotations

import pytest
from kline_harness.klagg.quirks import FAITHFUL, FIXED, Quirk
from kline_harness.kline import Life, Trigger
from kline_harness.ledger import judge, trade_equations
from kline_harness.verdict import Validity

from tests.feeds import SECOND, at
from tests.klagg.klagg_cases import Ran, run_klagg


def without(*quirks: Quirk) -> frozenset[Quirk]:
    return FAITHFUL - set(quirks)


def added(symbol: str, time: str, close: str = "10") -> str:
    return f"add {symbol} {time} {time} {close} {close} {close} {close} 1 1;"


def balanced(ran: Ran) -> bool:
    return judge(trade_equations(ran.accounts)).validity is Validity.VALID


# --- Q15: dirty flags ----------------------------------------------------------------------------

MUTED = (
    "ALFA 0:00.5 1x1; BETA 0:00.6 1x1; pull 0:01;"
    + added("CCCC", "0:02")
    + "pull 0:03; CCCC 0:04 10x1; remove CCCC 0:05;"
    + added("DDDD", "0:06")
    + "DDDD 0:07 11x1; tick 1:00.110; pull 1:01"
)


def test_a_stale_flag_mutes_the_next_symbol() -> None:
    ran = run_klagg(MUTED, "1m", "ALFA BETA")
    assert ran.deltas() == [["ALFA 1m", "BETA 1m"], ["CCCC 1m"], ["ALFA 1m", "BETA 1m"]]
    assert ran.minutes("1m", "DDDD") == [0]
    ran = run_klagg(MUTED, "1m", "ALFA BETA", without(Quirk.STALE_DIRTY_FLAGS))
    assert ran.deltas()[-1] == ["DDDD 1m", "ALFA 1m", "BETA 1m"]


def test_a_flag_left_by_a_shift_mutes_too() -> None:
    text = (
        "ALFA 0:01 1x1; BETA 0:01 1x1; CCCC 0:01 1x1; pull 0:02; CCCC 0:03 1x1; remove BETA 0:04;"
        + added("DDDD", "0:05")
        + "pull 0:06"
    )
    ran = run_klagg(text, "1m", "ALFA BETA CCCC")
    assert ran.deltas()[-1] == ["CCCC 1m"]
    ran = run_klagg(text, "1m", "ALFA BETA CCCC", without(Quirk.STALE_DIRTY_FLAGS))
    assert ran.deltas()[-1] == ["CCCC 1m", "DDDD 1m"]


# --- Q16, Q17: what a removal leaves behind ------------------------------------------------------


def test_ghosts_in_the_snapshot() -> None:
    text = "ALFA 0:01 1x1; BETA 0:01 2x2; CCCC 0:01 3x3; remove BETA 0:02"
    ran = run_klagg(text, "1m", "ALFA BETA CCCC")
    shown = [(record.symbol, record.volume) for record in ran.aggregator.pulls[-1].records]
    assert shown == [("ALFA", "1"), ("CCCC", "3"), ("", "3")]
    full = run_klagg(text, "1m", "ALFA BETA CCCC", max_symbols=3)
    assert full.aggregator.pulls[-1].records[-1].symbol == "UNKNOWN_2"
    ran = run_klagg(text, "1m", "ALFA BETA CCCC", without(Quirk.GHOST_SLOTS))
    assert [record.symbol for record in ran.aggregator.pulls[-1].records] == ["ALFA", "CCCC"]


def test_a_new_symbol_in_a_ghosts_slot() -> None:
    text = "ALFA 0:01 1x5; remove ALFA 0:02; add NEWA 0:03 none; NEWA 0:04 7x1; tick 1:00.110"
    (bar,) = run_klagg(text, "1m").of("1m", "NEWA")
    assert (bar.volume, bar.prices, bar.count) == ("6", ("1", "7", "1", "7"), 2)
    (bar,) = run_klagg(text, "1m", quirks=FIXED).of("1m", "NEWA")
    assert (bar.volume, bar.prices, bar.count) == ("1", ("7",) * 4, 1)


def test_capacity_lost_by_removal() -> None:
    text = "remove ALFA 0:01;" + added("CCCC", "0:02") + "BETA 0:03 1x1; tick 1:00.110"
    ran = run_klagg(text, "1m", "ALFA BETA", max_symbols=2)
    aborted = ran.aggregator.aborted
    assert aborted is not None
    assert (aborted.kind, aborted.symbol) == ("capacity_lost_by_removal", "CCCC")
    assert ran.bars == []
    assert ran.accounts["BETA"].rejected == {"aborted": [1]}
    ran = run_klagg(text, "1m", "ALFA BETA", without(Quirk.NAMES_SHRINK), max_symbols=2)
    assert ran.aggregator.aborted is None
    assert [bar.symbol for bar in ran.bars] == ["BETA", "CCCC"]


# --- Q18, Q19: removals and trades ---------------------------------------------------------------

IN_FLIGHT = """ALFA 0:01 1x1; BETA 0:01 2x1; CCCC 0:01 3x1; remove ALFA 0:05
               BETA 0:06 20x10 @0:05.5; CCCC 0:06 3x1 @0:05.7; BETA 0:08 2x1; tick 1:00.110"""


def test_trades_in_flight_hit_the_neighbour() -> None:
    ran = run_klagg(IN_FLIGHT, "1m", "ALFA BETA CCCC", map_delay_ns=SECOND)
    # BETA's index is CCCC's now; CCCC's own is that of the ghost behind the last symbol.
    assert ran.volumes("1m", "CCCC") == ["11"]
    assert ran.of("1m", "CCCC")[0].prices == ("3", "20", "3", "20")
    assert ran.volumes("1m", "BETA") == ["2"]
    assert ran.accounts["BETA"].rejected == {"misrouted": [2]}
    assert ran.accounts["CCCC"].rejected == {"misrouted": [2]}
    assert balanced(ran)
    for quirks, delay in ((without(Quirk.MISROUTED_IN_FLIGHT), SECOND), (FAITHFUL, 0)):
        ran = run_klagg(IN_FLIGHT, "1m", "ALFA BETA CCCC", quirks, map_delay_ns=delay)
        assert ran.volumes("1m", "BETA") == ["12"]
        assert ran.volumes("1m", "CCCC") == ["2"]


def test_a_trade_queued_before_a_removal() -> None:
    """It was received, and its index looked up, before the removal that is processed first."""
    text = "ALFA 0:01 1x1; BETA 0:01 2x1; CCCC 0:01 3x1; remove ALFA 0:05; BETA 0:04 9x1 @0:04"
    ran = run_klagg(text, "1m", "ALFA BETA CCCC")
    assert ran.open_bar("1m", "CCCC").close == "9"
    ran = run_klagg(text, "1m", "ALFA BETA CCCC", without(Quirk.MISROUTED_IN_FLIGHT))
    assert ran.open_bar("1m", "BETA").close == "9"


def test_a_removed_symbols_trades_are_unmapped() -> None:
    ran = run_klagg("ALFA 0:01 1x1; remove ALFA 0:02; ALFA 0:03 1x1; BETA 0:04 1x1", "1m")
    assert ran.accounts["ALFA"].unmapped == [2]
    assert ran.accounts["BETA"].unmapped == [1]
    assert balanced(ran)


def test_removal_discards_the_open_bar() -> None:
    text = "ALFA 0:01 1x1; BETA 0:01 2x7; remove BETA 0:30; tick 1:00.110"
    ran = run_klagg(text, "1m", "ALFA BETA")
    assert ran.of("1m", "BETA") == []
    series = ran.accounts["BETA"].series["1m"]
    assert (series.applied, series.discarded, series.open) == (1, 1, 0)
    ran = run_klagg(text, "1m", "ALFA BETA", without(Quirk.REMOVAL_DISCARDS))
    (bar,) = ran.of("1m", "BETA")
    assert (bar.volume, bar.trigger) == ("7", Trigger.END)
    assert ran.accounts["BETA"].series["1m"].discarded == 0


# --- Q20, Q21, Q22: additions --------------------------------------------------------------------


def test_a_symbol_added_twice() -> None:
    text = "ALFA 0:01 100x1;" + added("ALFA", "0:02", "1") + "tick 1:00.110; ALFA 1:01 1x1"
    ran = run_klagg(text, "1m")
    assert [(bar.minute, bar.close) for bar in ran.of("1m")] == [(0, "100"), (0, "1")]
    ran = run_klagg(text, "1m", quirks=without(Quirk.DUPLICATE_SYMBOL))
    assert [(bar.minute, bar.close) for bar in ran.of("1m")] == [(0, "100")]
    (refused,) = ran.aggregator.observations()
    assert (refused.kind, refused.evidence["reason"]) == ("command_refused", "duplicate")


def test_a_failed_add_leaves_its_slot() -> None:
    text = (
        added("FAIL", "0:01")
        + added("NEXT", "0:02")
        + "NEXT 0:03 5x1; NEXT 0:04 5x1; tick 1:00.110"
    )
    ran = run_klagg(text, "1m", unsubscribable={"FAIL"})
    kinds = [finding.kind for finding in ran.aggregator.observations()]
    assert kinds == ["command_refused", "index_drift"]
    assert ran.aggregator.observations()[1].evidence == {"aggregator_count": 3, "map_count": 1}
    # Its trades never arrive: what is published is the ticker, then flat bars.
    assert ran.accounts["NEXT"].unmapped == [1, 2]
    assert [bar.volume for bar in ran.of("1m", "NEXT")] == ["1"]
    assert ran.minutes("1m", "FAIL") == [0]
    ran = run_klagg(text, "1m", quirks=without(Quirk.FAILED_ADD_KEPT), unsubscribable={"FAIL"})
    assert ran.accounts["NEXT"].unmapped == []
    assert ran.volumes("1m", "NEXT") == ["3"]
    assert ran.of("1m", "FAIL") == []


def test_only_genesis_is_announced() -> None:
    text = added("NEWA", "0:01") + "pull 0:02"
    assert run_klagg(text, "1m 5m 1h", "").deltas() == [["NEWA 1m"]]
    told = run_klagg(text, "1m 5m 1h", "", without(Quirk.SEEDS_UNANNOUNCED)).deltas()
    assert told == [["NEWA 1m", "NEWA 5m", "NEWA 1h"]]


def test_lives_of_an_added_symbol() -> None:
    ran = run_klagg(added("NEWA", "0:01") + "NEWA 0:02 5x1", "1m 5m", "")
    assert [(Life(row[1]).name, row[2], row[4]) for row in ran.events] == [
        ("OPENED_LIVE", 1, 0),
        ("OPENED_PROVISIONAL", 3, 0),
        ("FIRST_TRADE", 3, 1),
    ]


@pytest.mark.parametrize("quirks", [FAITHFUL, FIXED])
def test_refusals(quirks: frozenset[Quirk]) -> None:
    text = "remove GAMA 0:01;" + added("BETA", "0:02") + added("CCCC", "0:03")
    ran = run_klagg(text, "1m", "ALFA", quirks, max_symbols=2)
    refused = [(f.symbol, f.evidence["reason"]) for f in ran.aggregator.observations()]
    assert refused == [("GAMA", "unknown"), ("CCCC", "capacity")]
    assert ran.aggregator.observations()[0].at_ns == at("0:01")


@pytest.mark.parametrize("quirks", [FAITHFUL, FIXED])
def test_remove_and_add_again(quirks: frozenset[Quirk]) -> None:
    text = (
        "ALFA 0:01 1x1; BETA 0:02 2x1; remove ALFA 0:03;"
        + added("ALFA", "0:04", "3")
        + "ALFA 0:05 3x1; BETA 0:06 2x1; tick 1:00.110"
    )
    ran = run_klagg(text, "1m", "ALFA BETA", quirks)
    assert ran.volumes("1m", "BETA") == ["2"]
    assert ran.of("1m")[-1].close == "3"
    assert balanced(ran)
