"""Each cause of a difference: a case that it proves, and near ones that it must not."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from kline_harness.comparison.compare import Proof

from tests.comparison.story import (
    MINUTE,
    NS,
    START,
    Story,
    as_market,
    extended,
    flat,
    trades,
    with_trades_of,
)
from tests.oracle import OracleKline, OracleTrade, klines

DAY = "1 100x1, 20 101x2 sell, 59 99x1, 61 100x1, 80 102x3, 119 100x1 sell, 125 103x1, 150 104x2"


def bumped(rows: list[OracleKline], number: int, **changes: object) -> list[OracleKline]:
    changed = list(rows)
    changed[number] = replace(rows[number], **changes)  # type: ignore[arg-type]
    return changed


def one_unit_off(rows: list[OracleKline], number: int) -> list[OracleKline]:
    return bumped(rows, number, volume=rows[number].volume + Decimal("0.001"))


def test_nothing_differs() -> None:
    listed = trades(DAY)
    assert Story(listed, {"1m": klines(listed, "1m")}).causes() == {}


def test_a_difference_without_a_cause_stays_unexplained() -> None:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    for change in (
        {"volume": Decimal(6)},
        {"close": Decimal(101)},
        {"high": Decimal(105)},
        {"count": 4},
        {"taker_buy_volume": Decimal(1)},
    ):
        assert Story(listed, {"1m": bumped(rows, 1, **change)}).causes() == {1: None}


# --- late trades


def late_story(theirs_of: list[OracleTrade] | None = None) -> Story:
    listed = trades("1 100x1, 59.9 101x2 at=62, 61 100x1, 130 99x1", first_id=7)
    return Story(listed, {"1m": klines(theirs_of or listed, "1m")}, late=[8])


def test_a_late_trade_is_named_with_its_lateness() -> None:
    (difference,) = late_story().differences()
    assert difference.proof is not None
    assert difference.proof.cause == "late_trade"
    proof = difference.proof.evidence
    assert proof["equal"] is True
    assert proof["kline"]["volume"] == "3"
    (told,) = proof["causes"]
    assert told["first_trades"] == [
        {
            "id": 8,
            "time_ns": START + 59_900_000_000,
            "price": "101",
            "quantity": "2",
            "kind": "MARKET",
        }
    ]
    # It arrived at 62 s, and the kline was published at 61 s.
    assert told["lateness_ns"] == [NS]


def test_a_late_trade_does_not_explain_what_is_not_its_own() -> None:
    story = late_story()
    rows = list(story.theirs["1m"])
    assert replace(story, theirs={"1m": one_unit_off(rows, 0)}).causes() == {0: None}
    # The kline after it is wrong too: for that one nothing is late.
    assert replace(story, theirs={"1m": one_unit_off(rows, 1)}).causes() == {
        0: "late_trade",
        1: None,
    }


def test_a_late_last_trade_sets_the_price_of_the_quiet_klines_after_it() -> None:
    listed = trades("1 100x1, 59.9 101x2 at=62, 250 99x1")
    story = Story(listed, {"1m": klines(listed, "1m")}, late=[2])
    assert story.causes() == {0: "late_trade", 1: "late_trade", 2: "late_trade", 3: "late_trade"}


def test_an_aggregator_that_lost_a_trade_silently_is_not_excused() -> None:
    listed = trades(DAY)
    lost = [trade for trade in listed if trade.id != 5]
    theirs = {"1m": klines(listed, "1m")}
    assert Story(listed, theirs, ours={"1m": klines(lost, "1m")}).causes() == {1: None}


# --- kinds of trades


def test_a_fund_trade_that_the_exchange_counts() -> None:
    listed = trades("1 100x1, 2 80x5 fund, 3 101x1, 61 100x1")
    theirs = {"1m": klines(as_market(listed), "1m")}
    story = Story(listed, theirs)
    assert story.causes() == {0: "fund_trade"}
    rows = list(theirs["1m"])
    assert replace(story, theirs={"1m": one_unit_off(rows, 0)}).causes() == {0: None}


def test_a_fund_trade_that_we_count() -> None:
    listed = trades("1 100x1, 2 80x5 adl, 3 101x1, 61 100x1, 62 70x1 fund")
    story = Story(listed, {"1m": klines(listed, "1m")}, applies_all_kinds=True)
    assert story.causes() == {0: "fund_trade", 1: "fund_trade"}


def test_a_sentinel_row_that_one_side_counts() -> None:
    listed = trades("1 100x1, 2 0x0 sentinel, 3 101x1, 61 100x1")
    counted = {"1m": klines(as_market(listed), "1m")}
    assert Story(listed, counted).causes() == {0: "sentinel_row"}
    mine = Story(listed, {"1m": klines(listed, "1m")}, applies_all_kinds=True)
    assert mine.causes() == {0: "sentinel_row"}


def test_a_row_without_quantity() -> None:
    listed = trades("1 100x1, 2 90x0 zero, 3 101x1, 61 100x1")
    counted = {"1m": klines(as_market(listed), "1m")}
    assert Story(listed, counted).causes() == {0: "zero_quantity"}
    rows = counted["1m"]
    assert Story(listed, {"1m": bumped(rows, 0, low=Decimal(91))}).causes() == {0: None}


# --- missing ids


def lossy(lost: set[int], text: str = DAY) -> Story:
    listed = trades(text)
    kept = [trade for trade in listed if trade.id not in lost]
    return Story(kept, {"1m": klines(listed, "1m")})


def test_missing_ids_inside_a_kline() -> None:
    assert lossy({5}).causes() == {1: "missing_trade_ids"}
    # The first of a kline and the last: at a border.
    assert lossy({4}).causes() == {1: "missing_trade_ids"}
    assert lossy({6}).causes() == {1: "missing_trade_ids"}
    # A whole kline.
    assert lossy({4, 5, 6}).causes() == {1: "missing_trade_ids"}


def test_missing_ids_explain_only_what_missing_trades_can_do() -> None:
    story = lossy({5})
    rows = list(story.theirs["1m"])
    for change in (
        # More trades than ids are missing.
        {"count": rows[1].count + 1},
        # No trade at all is missing by the count.
        {"count": rows[1].count - 1},
        # Not at the border: open and close must be equal.
        {"open": Decimal(101)},
        {"close": Decimal(101)},
        # One trade at 102 cannot have this quote volume.
        {"quote_volume": rows[1].quote_volume + 1},
        # One trade is bought or sold, not both.
        {
            "taker_buy_volume": rows[1].taker_buy_volume - 1,
            "taker_buy_quote_volume": rows[1].taker_buy_quote_volume - 102,
        },
        {"volume": rows[1].volume - 3},
        # Two prices are missing, one trade.
        {"low": Decimal(98)},
    ):
        causes = replace(story, theirs={"1m": bumped(rows, 1, **change)}).causes()
        assert causes == {1: None}, change


def test_without_missing_ids_a_richer_kline_is_unexplained() -> None:
    listed = trades(DAY)
    kept = [
        replace(t, id=t.id - (t.id > 5), first_id=t.id - (t.id > 5), last_id=t.id - (t.id > 5))
        for t in listed
        if t.id != 5
    ]
    assert Story(kept, {"1m": klines(listed, "1m")}).causes() == {1: None}


def test_a_missing_last_trade_sets_the_price_of_the_quiet_kline_after_it() -> None:
    story = lossy({2}, "1 100x1, 59 101x2, 130 99x1")
    assert story.causes() == {0: "missing_trade_ids", 1: "missing_trade_ids"}
    wrong = bumped(
        list(story.theirs["1m"]), 1, **dict.fromkeys(("open", "high", "low", "close"), Decimal(97))
    )
    assert replace(story, theirs={"1m": wrong}).causes() == {0: "missing_trade_ids", 1: None}


# --- edges


def test_a_kline_at_the_edge_of_the_recording() -> None:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    recorded = listed[1:-1]
    covered = (recorded[0].time_ns, recorded[-1].time_ns)
    story = Story(recorded, {"1m": rows}, coverage=covered)
    assert story.causes() == {0: "edge", 2: "edge"}
    assert replace(story, coverage=(START, START + 10 * MINUTE)).causes() == {0: None, 2: None}


def test_an_edge_explains_only_what_lies_outside() -> None:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    recorded = listed[1:-1]
    story = Story(recorded, {"1m": rows}, coverage=(recorded[0].time_ns, recorded[-1].time_ns))
    for number, change in (
        # The end of the first kline was recorded, and the start of the last.
        (0, {"close": Decimal(100)}),
        (2, {"open": Decimal(104)}),
        (0, {"high": Decimal("100.5")}),
        (0, {"quote_volume": rows[0].quote_volume + 100}),
        (0, {"volume": rows[0].volume - 1, "quote_volume": rows[0].quote_volume - 100}),
    ):
        changed = bumped(rows, number, **change)
        assert replace(story, theirs={"1m": changed}).causes()[number] is None, change


def test_coin_margined_quote_volumes_are_bounded_by_the_inverse_price() -> None:
    listed = [
        replace(trade, quote_quantity=round(trade.quantity * 100 / trade.price, 8))
        for trade in trades("1 50000x3, 20 50010x2, 40 49990x1, 61 50000x1")
    ]
    rows = klines(listed, "1m")
    recorded = listed[1:]
    covered = (recorded[0].time_ns, START + 5 * MINUTE)
    story = Story(recorded, {"1m": rows}, coverage=covered)
    assert story.causes() == {0: "edge"}
    off = rows[0].quote_volume + Decimal("0.0001")
    assert replace(story, theirs={"1m": bumped(rows, 0, quote_volume=off)}).causes() == {0: None}


def test_quiet_klines_that_a_source_without_counts_leaves_out() -> None:
    listed = trades("1 100x1, 130 99x1")
    rows = klines(listed, "1m")
    fields = ("open", "high", "low", "close", "volume")
    story = Story(listed, {"1m": [rows[0], rows[2]]}, fields=fields)
    assert story.causes() == {1: "quiet_left_out"}
    full = klines(trades(DAY), "1m")
    assert Story(trades(DAY), {"1m": [full[0], full[2]]}, fields=fields).causes() == {1: None}
    # A file that has a row of another quiet minute does not leave them out.
    longer = trades("1 100x1, 130 99x1, 250 98x1")
    rows = klines(longer, "1m")
    habit = Story(longer, {"1m": [rows[0], *rows[2:]]}, fields=fields)
    assert habit.causes() == {1: None}


# --- halts


def test_a_halt_has_no_row_and_no_missing_ids() -> None:
    listed = trades("1 100x1, 250 99x1")
    rows = klines(listed, "1m")
    others = [replace(t, symbol="BRAVOUSDT") for t in trades("2 5x1, 270 5x1")]
    story = Story(listed, {"1m": [rows[0], *rows[4:]]}, others=others)
    assert story.causes() == {1: "halt", 2: "halt", 3: "halt"}
    proof = story.differences()[0].proof
    assert proof is not None
    assert (proof.consistent, proof.doubt) == (True, None)
    (told,) = proof.evidence["causes"]
    assert (told["other_symbols"], told["trades_of_other_symbols"]) == (1, 0)
    # One symbol alone has nothing that speaks for it.
    alone = replace(story, others=()).differences()[0].proof
    assert alone is not None
    assert alone.doubt is not None


def test_a_halt_needs_every_symbol_and_every_interval_silent() -> None:
    listed = trades("1 100x1, 250 99x1, 301 99x1")
    rows = klines(listed, "1m")
    gone = [rows[0], *rows[4:]]
    others = [replace(t, symbol="BRAVOUSDT") for t in trades("2 5x1, 75 5x1, 270 5x1")]
    assert Story(listed, {"1m": gone}, others=others).causes() == {1: None, 2: "halt", 3: "halt"}
    # The exchange's own three minutes say that there was one.
    three = klines(trades("1 100x1, 361 99x1"), "3m")
    quiet = trades("1 100x1, 361 99x1")
    short = klines(quiet, "1m")
    story = Story(quiet, {"1m": [short[0], *short[6:]], "3m": three})
    assert set(story.causes().values()) == {None}
    confirmed = Story(quiet, {"1m": [short[0], *short[6:]], "3m": [three[0], *three[2:]]})
    assert set(confirmed.causes().values()) == {"halt"}
    assert all(d.proof is not None and d.proof.doubt is None for d in confirmed.differences())


def test_a_row_is_not_halted_away_over_missing_ids_or_trades() -> None:
    listed = trades("1 100x1, 130 99x1 id=3")
    rows = klines(listed, "1m")
    assert Story(listed, {"1m": [rows[0], rows[2]]}).causes() == {1: None}
    full = klines(trades(DAY), "1m")
    assert Story(trades(DAY), {"1m": [full[0], full[2]]}).causes() == {1: None}


# --- rounding


ROUNDED = "1 0.12345x0.33335, 2 0.12347x0.11111 sell, 3 0.12341x0.77777, 61 0.12x1"


def rounded(listed: list[OracleTrade], rounding: str) -> list[OracleTrade]:
    unit = Decimal("0.00000001")
    return [replace(t, quote_quantity=t.quote.quantize(unit, rounding)) for t in listed]


def test_quote_volumes_of_rounded_trades() -> None:
    listed = trades(ROUNDED)
    for rounding in ("ROUND_HALF_UP", "ROUND_DOWN"):
        theirs = klines(rounded(listed, rounding), "1m")
        story = Story(listed, {"1m": theirs})
        assert story.causes() == {0: "quote_rounding"}
        off = theirs[0].quote_volume + Decimal("0.00000001")
        assert replace(story, theirs={"1m": bumped(theirs, 0, quote_volume=off)}).causes() == {
            0: None
        }


def test_quote_volumes_of_aggregates_are_bounded() -> None:
    listed = trades("1 0.12345x0.33335 raw=3, 2 0.12347x0.11111 sell, 61 0.12x1")
    rows = klines(listed, "1m")
    unit = Decimal("0.00000001")
    near = rows[0].quote_volume.quantize(unit) + unit
    far = rows[0].quote_volume.quantize(unit) + 3 * unit
    assert Story(listed, {"1m": bumped(rows, 0, quote_volume=near)}).causes() == {
        0: "quote_rounding"
    }
    assert Story(listed, {"1m": bumped(rows, 0, quote_volume=far)}).causes() == {0: None}
    other = bumped(rows, 0, quote_volume=near, close=Decimal("0.12346"))
    assert Story(listed, {"1m": other}).causes() == {0: None}


def test_numbers_that_need_no_rounding_are_not_rounded() -> None:
    listed = trades("1 100.5x0.5 raw=3, 61 1x1")
    rows = klines(listed, "1m")
    off = rows[0].quote_volume + Decimal("0.00000001")
    assert Story(listed, {"1m": bumped(rows, 0, quote_volume=off)}).causes() == {0: None}


# --- forming rows


def test_a_row_saved_while_forming() -> None:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    theirs = with_trades_of(rows, "1m", 2, listed[:-1])
    story = Story(listed, {"1m": theirs})
    assert story.causes() == {2: "forming_row"}
    proof = story.differences()[0].proof
    assert proof is not None
    (told,) = proof.evidence["causes"]
    assert (told["trades_in_row"], told["trades_in_kline"]) == (1, 2)
    assert told["saved_at_ns"] == START + 125 * NS


def test_a_row_that_lacks_a_trade_in_the_middle_is_not_forming() -> None:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    holed = with_trades_of(rows, "1m", 1, [t for t in listed if t.id != 5])
    assert Story(listed, {"1m": holed}).causes() == {1: None}
    # Nor one with no trade at all.
    empty = bumped(rows, 1, **vars(flat(rows[1].open_time_ns, "1m", rows[0].close)))
    assert Story(listed, {"1m": empty}).causes() == {1: None}


def test_a_long_row_saved_while_forming() -> None:
    listed = trades(DAY + ", 200 90x1, 260 91x1, 299 92x1, 301 95x1")
    rows = klines(listed, "5m")
    theirs = with_trades_of(rows, "5m", 0, listed[:5])
    story = Story(listed, {"1m": klines(listed, "1m"), "5m": theirs})
    assert story.causes("5m") == {0: "forming_row"}


# --- other files and faults


def test_another_official_file_agrees_with_us() -> None:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    wrong = one_unit_off(rows, 1)
    assert Story(listed, {"1m": wrong}, revised={"1m": rows}).causes() == {1: "revised_archive"}
    assert Story(listed, {"1m": wrong}, revised={"1m": wrong}).causes() == {1: None}
    assert Story(listed, {"1m": wrong}, revised={"1m": one_unit_off(wrong, 1)}).causes() == {
        1: None
    }


def test_an_injected_fault_undone() -> None:
    listed = trades(DAY)
    kept = [t for t in listed if t.id not in (5, 7)]
    # Ids without gaps, as a fault that renumbers would leave them.
    renumbered = [replace(t, id=n, first_id=n, last_id=n) for n, t in enumerate(kept, start=1)]
    rows = klines(listed, "1m")
    story = Story(renumbered, {"1m": rows}, before_fault=listed)
    assert story.causes() == {1: "injected_fault", 2: "injected_fault"}
    assert replace(story, before_fault=kept).causes() == {1: None, 2: None}


# --- straddling aggregates


def straddling() -> tuple[list[OracleTrade], list[OracleTrade]]:
    """Raw trades, and the same as an archive aggregates them: 59.95 to 60.02 is one row."""
    raw = trades("1 100x1, 59.95 101x2, 59.99 101x1, 60.02 101x4, 70 102x1, 130 99x1")
    first = raw[1]
    aggregate = replace(first, quantity=Decimal(7), first_id=first.id, last_id=first.id + 2)
    return raw, [raw[0], aggregate, *raw[4:]]


def moved(listed: list[OracleTrade], time_ns: int) -> list[OracleTrade]:
    return [replace(t, time_ns=time_ns, arrival_ns=None) if t.id == 2 else t for t in listed]


def test_an_aggregate_that_straddles_a_boundary() -> None:
    raw, recorded = straddling()
    story = Story(recorded, {"1m": klines(raw, "1m")})
    assert story.causes() == {0: "straddling_aggregate", 1: "straddling_aggregate"}
    # As well when the aggregate has the time of its last trade.
    late = [
        replace(t, time_ns=raw[3].time_ns, arrival_ns=None) if t.id == 2 else t for t in recorded
    ]
    story = Story(late, {"1m": klines(raw, "1m")})
    assert story.causes() == {0: "straddling_aggregate", 1: "straddling_aggregate"}


def test_a_split_must_hold_on_both_sides() -> None:
    raw, recorded = straddling()
    rows = klines(raw, "1m")
    for number in (0, 1):
        story = Story(recorded, {"1m": one_unit_off(rows, number)})
        assert story.causes() == {0: None, 1: None}
    # Only one side differs: nothing can have moved.
    mine = klines(recorded, "1m")
    assert Story(recorded, {"1m": [rows[0], *mine[1:]]}).causes() == {0: None}


def test_an_aggregate_far_from_the_boundary_is_not_split() -> None:
    raw, recorded = straddling()
    far = [
        replace(t, time_ns=START + 58 * NS, arrival_ns=None) if t.id == 2 else t for t in recorded
    ]
    assert Story(far, {"1m": klines(raw, "1m")}).causes() == {0: None, 1: None}


# --- sets of causes


def test_causes_compose_the_smallest_set_first() -> None:
    listed = trades("1 100x1, 2 80x5 fund, 59.9 101x2 at=62, 61 100x1, 62 0x0 sentinel")
    theirs = klines(as_market(listed), "1m")
    story = Story(listed, {"1m": theirs}, late=[3])
    assert story.causes() == {0: "fund_trade+late_trade", 1: "sentinel_row"}
    whole = klines(as_market(listed), "5m")
    story = Story(listed, {"5m": whole}, late=[3])
    assert story.causes("5m") == {0: "fund_trade+sentinel_row+late_trade"}
    wrong = bumped(whole, 0, count=whole[0].count + 1)
    assert replace(story, theirs={"5m": wrong}).causes("5m") == {0: None}


def test_at_an_edge_late_trades_are_applied_first() -> None:
    listed = trades("1 100x1, 20 101x2, 40 98x3 at=70, 50 99x1, 61 100x1")
    rows = klines(listed, "1m")
    recorded = listed[1:]
    covered = (recorded[0].time_ns, START + 5 * MINUTE)
    story = Story(recorded, {"1m": rows}, late=[3], coverage=covered)
    assert story.causes() == {0: "late_trade+edge"}


def test_lost_ids_and_a_late_trade() -> None:
    listed = trades("1 100x1, 20 101x2, 40 98x3 at=70, 50 99x1, 61 100x1")
    recorded = [trade for trade in listed if trade.id != 2]
    story = Story(recorded, {"1m": klines(listed, "1m")}, late=[3])
    assert story.causes() == {0: "late_trade+missing_trade_ids"}


def test_a_proof_is_plain_data() -> None:
    for difference in late_story().differences():
        assert difference.proof is not None
        text = json.dumps(difference.proof.evidence)
        assert json.loads(text)["equal"] is True


def test_quiet_time_after_the_last_trade_is_identical() -> None:
    listed = trades("1 100x1")
    rows = extended(klines(listed, "1m"), "1m", [flat(START + 3 * MINUTE, "1m", Decimal(1))])
    assert Story(listed, {"1m": rows}).causes() == {}


# --- what explanations rest on


def proof_at(story: Story, number: int) -> Proof | None:
    by_open = {d.open_time_ns: d.proof for d in story.differences()}
    return by_open[START + number * MINUTE]


def test_an_edge_that_holds_more_than_it_can_is_in_doubt() -> None:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    recorded = listed[1:]
    covered = (recorded[0].time_ns, START + 10 * MINUTE)
    story = Story(recorded, {"1m": rows}, coverage=covered)
    proof = proof_at(story, 0)
    assert proof is not None
    assert (proof.consistent, proof.doubt) == (True, None)
    more = {"volume": rows[0].volume + 9_000, "quote_volume": rows[0].quote_volume + 9_000 * 100}
    taker = {
        "taker_buy_volume": rows[0].taker_buy_volume + 9_000,
        "taker_buy_quote_volume": rows[0].taker_buy_quote_volume + 9_000 * 100,
    }
    proof = proof_at(replace(story, theirs={"1m": bumped(rows, 0, **more, **taker)}), 0)
    assert proof is not None
    assert "more volume than 10 times the busiest" in (proof.doubt or "")


def test_one_missing_id_explains_one_trade_once() -> None:
    """The id between 59 s and 61 s is missing: one minute can have it, not both."""
    listed = trades("1 100x1, 59 100x2, 61 100x3, 80 100x1, 125 100x1", first_id=1)
    recorded = [replace(t, id=t.id + (t.id > 2), first_id=t.id + (t.id > 2)) for t in listed]
    recorded = [replace(t, last_id=t.first_id) for t in recorded]
    lost = replace(recorded[1], id=3, first_id=3, last_id=3)
    for minute, at in ((0, Decimal("59.5")), (1, Decimal("60.5"))):
        missing = replace(lost, time_ns=START + int(at * NS))
        theirs = {"1m": klines([*recorded, missing], "1m")}
        assert Story(recorded, theirs).causes() == {minute: "missing_trade_ids"}
    second = replace(lost, id=99, first_id=99, last_id=99, time_ns=START + 60 * NS + NS // 2)
    both = klines([*recorded, replace(lost, time_ns=START + 59 * NS + NS // 2)], "1m")
    (other,) = [k for k in klines([*recorded, second], "1m") if k.open_time_ns == START + MINUTE]
    other = replace(other, open=recorded[2].price, close=both[1].close)
    causes = Story(recorded, {"1m": [both[0], other, *both[2:]]}).causes()
    assert causes == {0: "missing_trade_ids", 1: None}


def test_a_quiet_kline_that_was_lost_is_no_fault_s() -> None:
    """A fault that changed nothing here makes the same flat kline, as anything would."""
    listed = trades("1 100x1, 250 99x1")
    rows = klines(listed, "1m")
    story = Story(listed, {"1m": rows}, ours={"1m": [rows[0], *rows[2:]]}, before_fault=listed)
    assert story.causes() == {1: None}


def test_a_second_row_of_a_time_is_no_row_still_forming() -> None:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    short = with_trades_of(rows, "1m", 2, listed[:-1])
    assert Story(listed, {"1m": [*rows[:2], short[2], rows[2]]}).causes()[2] is None


def test_a_quiet_row_after_it_says_that_a_row_was_whole() -> None:
    listed = trades("1 100x1, 61 100x1, 80 102x3, 119 101x1 sell, 250 99x1")
    rows = klines(listed, "1m")
    short = with_trades_of(rows, "1m", 1, listed[:3])
    assert Story(listed, {"1m": short}).causes() == {1: None}


def test_a_row_in_the_middle_of_a_file_is_not_forming_over_lost_trades() -> None:
    """Where the row ends would be free, and so would be what it lacks: anything fits then."""
    listed = trades("1 100x1, 61 100x1, 70 101x1, 80 102x1, 125 100x1, 150 100x1")
    recorded = [trade for trade in listed if trade.id != 2]
    rows = klines(listed, "1m")
    short = with_trades_of(rows, "1m", 1, listed[:3])
    assert Story(recorded, {"1m": short}).causes() == {1: None}
    assert Story(recorded, {"1m": short[:2]}).causes() == {1: "forming_row+missing_trade_ids"}
