"""The trades listed for unexplained klines: all of a few, of many those that matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.comparison import trades_within
from kline_harness.comparison.compare import Comparison, Difference, Proof, SeriesResult
from kline_harness.comparison.retention import Refused
from kline_harness.comparison.trades_within import TradesWithin, with_trades
from kline_harness.interval import parse_interval

from tests.comparison.story import MINUTE, NS, START, SYMBOL, chunks, tape_of, trades
from tests.oracle import OracleTrade


def unproved(interval: str = "1m", place: int = 0, symbol: str = SYMBOL) -> Difference:
    frame = parse_interval(interval)
    open_ns = START + place * (frame.length_ns or 0)
    close_ns = frame.close_time_ns(open_ns)
    return Difference(symbol, frame, open_ns, close_ns, None, None, (), (), whole=True, source="f")


def refused(**ids: Sequence[int]) -> dict[str, Refused]:
    late, duplicate, other = (
        np.unique(np.array(ids.get(name, ()), dtype=np.int64))
        for name in ("late", "duplicate", "other")
    )
    return {SYMBOL: Refused({"1m": late}, duplicate, other)}


def told(
    listed: Sequence[OracleTrade],
    klines: Sequence[Difference],
    lost: dict[str, Refused] | None = None,
    size: int = 3,
) -> list[dict[str, Any]]:
    within = TradesWithin(klines, lost or {})
    for tape in chunks(tape_of(listed), size):
        within.add(tape)
    found = within.by_kline()
    return [found[kline.symbol, kline.interval, kline.open_time_ns] for kline in klines]


def ids(one: dict[str, Any]) -> list[int]:
    return [trade["id"] for trade in one["listed"]]


def test_a_kline_lists_the_trades_in_its_time_alone() -> None:
    listed = trades("0 100x1, 59.999 101x2 sell, 60 99x3, 119 98x4, 120 97x5")
    first, second, both = told(listed, [unproved(), unproved(place=1), unproved("5m")])
    assert (ids(first), ids(second), ids(both)) == ([1, 2], [3, 4], [1, 2, 3, 4, 5])
    assert first["listed"][1] == {
        "id": 2,
        "time_ns": START + 59_999_000_000,
        "price": "101",
        "quantity": "2",
        "taker": "sell",
        "became": "applied",
    }
    assert (both["trades"], both["applied"]) == (5, 5)


def test_what_was_not_applied_is_told_apart() -> None:
    listed = trades("1 100x1, 2 101x1 at=70, 3 102x1, 4 103x1 fund, 5 104x1, 5 104x1 id=5")
    (one,) = told(listed, [unproved()], refused(late=[2], other=[4], duplicate=[5]))
    became = [(trade["id"], trade["became"]) for trade in one["listed"]]
    assert became == [
        *((1, "applied"), (2, "late"), (3, "applied")),
        *((4, "refused"), (5, "applied"), (5, "duplicate")),
    ]
    assert (one["trades"], one["applied"]) == (6, 3)
    assert one["listed"][3]["kind"] == "insurance_fund"
    assert one["listed"][1]["delay_ns"] == 68 * NS


def test_late_is_late_for_its_interval_alone() -> None:
    minute, longer = told(trades("1 100x1"), [unproved(), unproved("5m")], refused(late=[1]))
    assert (minute["applied"], longer["applied"]) == (0, 1)


def test_aggregates_tell_their_raw_trades() -> None:
    (one,) = told(trades("1 100x1 raw=3, 2 100x1"), [unproved()])
    assert [trade["raw_trades"] for trade in one["listed"]] == [3, 1]


def test_a_kline_without_trades_says_so() -> None:
    one, other = told(trades("1 100x1"), [unproved(place=1), unproved(symbol="OTHERUSDT")])
    assert one == other == {"trades": 0, "applied": 0, "listed": []}


LIMIT = 8


@given(
    st.lists(st.tuples(st.integers(0, 119), st.integers(90, 110), st.booleans()), max_size=120),
    st.integers(1, 50),
)
def test_of_many_trades_those_that_make_the_kline_are_listed(
    rows: list[tuple[int, int, bool]], size: int
) -> None:
    listed, lost = [], []
    for place, (second, price, is_lost) in enumerate(sorted(rows)):
        listed += trades(f"{second} {price}x1", first_id=place + 1)
        lost += [place + 1] * is_lost
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trades_within, "LISTED_MOST", LIMIT)
        patch.setattr(trades_within, "_SLACK_ROWS", 10)
        klines = [unproved(), unproved(place=1), unproved("5m")]
        found = told(listed, klines, refused(other=lost), size)
        assert found == told(listed, klines, refused(other=lost), 1_000)
    for kline, one in zip(klines, found, strict=True):
        inside = [t for t in listed if kline.open_time_ns <= t.time_ns < kline.close_time_ns]
        applied = [trade for trade in inside if trade.id not in lost]
        assert (one["trades"], one["applied"]) == (len(inside), len(applied))
        assert ids(one) == sorted(ids(one))
        if len(inside) <= LIMIT:
            assert ids(one) == [trade.id for trade in inside]
            continue
        assert len(one["listed"]) <= LIMIT + 2
        assert ids(one)[:4] == [trade.id for trade in inside[:4]]
        assert ids(one)[-2:] == [trade.id for trade in inside[-2:]]
        shown = {trade.price for trade in applied if trade.id in ids(one)}
        if applied:
            assert {min(t.price for t in applied), max(t.price for t in applied)} <= shown


def test_the_more_klines_the_fewer_trades_of_each() -> None:
    prices = [100 + (second == 30) - (second == 40) for second in range(60)]
    listed = trades(", ".join(f"{second} {price}x1" for second, price in enumerate(prices)))
    (few,) = told(listed, [unproved()])
    many = told(listed, [unproved(place=place) for place in range(5_000)])[0]
    assert (len(few["listed"]), few["trades"]) == (60, 60)
    assert (ids(many), many["trades"]) == ([1, 2, 3, 4, 31, 41, 59, 60], 60)


def test_proved_differences_need_no_pass_over_the_trades() -> None:
    proved = replace(unproved(), proof=Proof("halt", {}))
    found = Comparison((SeriesResult(SYMBOL, parse_interval("1m"), "f", 0, 0, 0, (proved,)),))
    tapes = iter([tape_of(trades("1 100x1"))])
    assert with_trades(found, {}, tapes) is found
    assert len(list(tapes)) == 1


def test_only_what_has_no_proof_gets_trades() -> None:
    proved = replace(unproved(), proof=Proof("halt", {}))
    series = SeriesResult(SYMBOL, parse_interval("1m"), "f", 0, 0, 0, (proved, unproved(place=1)))
    listed = trades("1 100x1, 61 100x1")
    one, other = with_trades(Comparison((series,)), {}, [tape_of(listed)]).differences
    assert one.trades is None
    assert other.trades is not None
    assert ids(dict(other.trades)) == [2]
    assert other.close_time_ns == START + 2 * MINUTE
