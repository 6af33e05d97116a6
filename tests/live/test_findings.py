"""What is found while a run goes on, held to answers made by hand and by brute force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from kline_harness.archives import read_klines
from kline_harness.id_rule import IdRule
from kline_harness.interfaces import FeedSlice
from kline_harness.interval import Interval, parse_interval
from kline_harness.kline import Emission, KlineBatch, LifeBatch
from kline_harness.live.findings import Entries, LiveFindings
from kline_harness.live.klines import (
    FinalsLog,
    GivenKlines,
    RecentTrades,
    rows_of,
)
from kline_harness.live.open_candle import OpenCandle
from kline_harness.live.stored import StoredSide
from kline_harness.replay.scenario import Scenario
from kline_harness.tape import Tape, TradeKind
from kline_harness.verdict import Finding

from tests.feeds import MINUTE, SECOND, T0, feed

M1, M5 = parse_interval("1m"), parse_interval("5m")
NOTHING = Emission(KlineBatch.empty(), LifeBatch.empty())


def exact(piece: FeedSlice, intervals: str = "1m") -> KlineBatch:
    """Return the finals that the exact aggregator publishes of a feed, but for its end."""
    parsed = tuple(parse_interval(text) for text in intervals.split(","))
    return Scenario(intervals=parsed).make_aggregator(["ABC"]).advance(piece).klines


def found(*slices: FeedSlice, rule: IdRule = IdRule.EVERY_ID) -> LiveFindings:
    live = LiveFindings(M1, GivenKlines([]), {"ABC": rule}, {})
    for piece in slices:
        live.passed(piece, Emission(exact(piece), LifeBatch.empty()))
        live.catch_up()
    return live


def listed(live: LiveFindings) -> list[tuple[str, int, str, bool]]:
    return [
        (one["kind"], one["open_s"] - T0 // SECOND, one["text"].partition(": ")[2], one["gone"])
        for one in live.entries.since(0)
    ]


def test_missing_ids_are_named_and_withdrawn_where_they_come_after_all() -> None:
    first = feed("ABC 0:30 100x1 #1; ABC 1:10 100x1 #2; ABC 1:50 100x1 #6")
    live = found(first)
    gap = ("trade_ids_missing", 60, "3 trades missing (ids 3 to 5)")
    assert listed(live) == [(*gap, False)]
    live.passed(feed("ABC 1:12 100x1 #3 @2:00; ABC 1:13 100x1 #4; ABC 1:14 100x1 #5"), NOTHING)
    live.catch_up()
    assert (*gap, True) in listed(live)


def test_an_id_that_a_fund_trade_uses_up_is_no_finding() -> None:
    piece = feed("ABC 0:30 100x1 #1; ABC 1:10 100x1 #3")
    assert listed(found(piece, rule=IdRule.FUND_TRADES)) == []
    assert len(listed(found(piece))) == 1


def test_a_trade_is_late_whose_kline_was_final_before_it_came() -> None:
    text = """ABC 0:10 100x1; ABC 0:20 101x1; tick 1:00.1 @1:00.1; ABC 0:50 99x1 @1:02
    ABC 0:51 99x1 @1:03; ABC 1:30 98x1; ABC 1:59 97x1 @2:00.05; tick 2:00.1 @2:00.1"""
    assert listed(found(feed(text))) == [
        ("late", 0, "2 trades came after the kline was final", False)
    ]
    # What comes at the instant of the tick comes before it.
    text = "ABC 0:10 100x1; ABC 0:59 101x1 @1:00.1; tick 1:00.1 @1:00.1"
    assert listed(found(feed(text))) == []
    # The kline was final in the slice before.
    live = found(feed("ABC 0:10 100x1; tick 1:00.1 @1:00.1"), feed("ABC 0:50 99x1 #2 @1:02"))
    assert [kind for kind, *_ in listed(live)] == ["late"]


def test_findings_of_a_run_that_is_over_take_the_place_of_those_before() -> None:
    entries = Entries()
    entries.add(Finding("trades", "late", symbol="ABC", interval="1m", open_time_ns=T0))
    entries.add(Finding("trades", "late", symbol="ABC", interval="1m", open_time_ns=T0))
    assert len(entries) == 1
    assert entries.of_series("ABC", M5)[0]["time"] == T0 // SECOND
    assert entries.of_series("DEF", M5) == []
    entries.restart()
    assert (len(entries), entries.epoch, entries.since(0)) == (0, 1, [])


def test_what_is_listed_is_bounded_and_what_is_found_is_counted() -> None:
    entries = Entries()
    for place in range(3_000):
        entries.add(Finding("own", "many", symbol="ABC", interval="1m", open_time_ns=place))
    assert len(entries) == 3_000
    assert len(entries.since(0)) == 1_000


TRADES = feed(
    """ABC 0:00.5 100.25x2; ABC 0:01 101x0.125 #2:2-4; ABC 0:59 99.5x1 #5; DEF 1:00 7x1
    tick 1:00.1 @1:00.1; ABC 1:02 98x3 #6; ABC 1:03 97x1 #7 INSURANCE_FUND
    tick 2:00.1 @2:00.1; tick 3:00.1 @3:00.1; ABC 3:05 103.125x2 #8; ABC 3:07 102x0.5 #9"""
)


def by_hand(begin_ns: int, end_ns: int, rows: int) -> list[object] | None:
    """Return the kline of ABC's first market trades in a window, trade by trade in decimals."""
    tape, prices, volume, count = TRADES.trades, list[Decimal](), Decimal(0), 0
    for row in range(rows):
        inside = begin_ns <= tape.event_time_ns[row] < end_ns
        if inside and tape.symbol_text(row) == "ABC" and tape.kind[row] == TradeKind.MARKET:
            scale = tape.instruments[int(tape.symbol[row])]
            prices.append(Decimal(int(tape.price[row])).scaleb(-scale.price_scale))
            volume += Decimal(int(tape.quantity[row])).scaleb(-scale.quantity_scale)
            count += int(tape.last_id[row] - tape.first_id[row]) + 1
    return [prices[0], max(prices), min(prices), prices[-1], volume, count] if prices else None


@pytest.mark.parametrize("asked_after", [1, 2, 5, 100])
@pytest.mark.parametrize("cut", range(1, len(TRADES)))
@pytest.mark.parametrize("text", ["1m", "5m"])
def test_the_kline_that_forms_is_that_of_the_trades_so_far(
    cut: int, text: str, asked_after: int
) -> None:
    interval = parse_interval(text)
    recent, finals = RecentTrades(M1), FinalsLog()
    candle = OpenCandle("ABC", interval, M1)
    aggregator = Scenario(intervals=(M1, M5)).make_aggregator(["ABC", "DEF"])
    now_ns, given, pieces, rest = T0, 0, 0, TRADES
    while len(rest):
        piece, rest = rest.cut(cut)
        if len(piece.trades):
            recent.add(piece.trades)
            given += len(piece.trades)
            now_ns = int(piece.trades.arrival_ns[-1])
        if len(klines := aggregator.advance(piece).klines):
            finals.add(klines)
        pieces += 1
        if pieces % asked_after and len(rest):
            continue
        row = candle.row(finals, recent, now_ns)
        begin_ns = interval.open_time_ns(now_ns)
        expected = by_hand(begin_ns, begin_ns + MINUTE * (5 if interval is M5 else 1), given)
        if expected is None:
            assert row is None
        else:
            assert row is not None
            assert [row[0], row[7]] == [begin_ns // SECOND, 0]
            assert [*map(Decimal, row[1:6]), row[6]] == expected


def test_a_frame_costs_what_is_new_however_long_the_run_is() -> None:
    finals, recent = _Counted(), RecentTrades(M1)
    candle = OpenCandle("ABC", parse_interval("1d"), M1)
    one = exact(TRADES).take(np.array([0]))
    for minute in range(1_000):
        at = {"open_time_ns": one.open_time_ns + minute * MINUTE, "at_ns": one.at_ns}
        finals.add(one.with_columns(at | {"at_ns": at["open_time_ns"] + MINUTE}))
        row = candle.row(finals, recent, T0 + (minute + 1) * MINUTE)
        assert row is not None
        assert row[6] == 5 * (minute + 1)
    # A batch is given to the page once, not once a frame.
    assert finals.read == 1_000


def test_a_stored_row_is_left_alone_until_the_service_has_had_its_time(tmp_path: Path) -> None:
    finals = FinalsLog()
    finals.add(exact(TRADES))
    path = tmp_path / "ABCUSDT-1m-2024-01-01.csv"
    # As it formed: the trade at 0:59 is not in it yet.
    at = T0 // 1_000_000
    row = f"{at},100.25,101,100.25,101,2.125,{at + 59_999},213.125,4,2.125,213.125,0\n"
    path.write_text(row + row.replace(str(at), str(at + MINUTE // 1_000_000)))
    given = replace(read_klines(path), symbol="ABC")
    final_ns = int(exact(TRADES).at_ns[0])
    found = {}
    for seconds in (1, 119, 121):
        side, entries = StoredSide(), Entries()
        side.take([given], finals, entries, [M1], final_ns + seconds * SECOND)
        found[seconds] = [(one["kind"], one["open_s"]) for one in entries.since(0)]
    assert found == {1: [], 119: [], 121: [("differs", T0 // SECOND)]}


def test_the_exchanges_klines_are_found_across_files_and_copies(tmp_path: Path) -> None:
    given = []
    # The later minutes come first, their second is there twice, and a third file repeats it.
    for name, minutes in (("b", (3, 2, 2)), ("a", (0, 1)), ("c", (2,))):
        path = tmp_path / name / "ABCUSDT-1m-2024-01-01.csv"
        path.parent.mkdir()
        rows = []
        for nth, minute in enumerate(minutes):
            at, trades = (T0 + minute * MINUTE) // 1_000_000, 10 * minute + nth
            price = f"1.{trades + 5 * (name == 'c')}"
            rows.append(f"{at},{price},9,1,2,{trades},{at + 59_999},{trades},{trades},0,0,0\n")
        path.write_text("".join(rows))
        given.append(replace(read_klines(path), symbol="ABC"))
    theirs = GivenKlines(given)
    opens = [(T0 + minute * MINUTE) // SECOND for minute in (0, 1, 2, 2, 2, 3)]
    shown = theirs.between("ABC", "1m", 0, T0 + 9 * MINUTE)
    assert [row[0] for row in shown] == opens
    assert [row[1] for row in shown] == ["1", "1.11", "1.21", "1.22", "1.25", "1.3"]
    assert [row[0] for row in theirs.between("ABC", "1m", T0 + MINUTE, T0 + 2 * MINUTE)] == [
        opens[1]
    ]
    assert theirs.between("DEF", "1m", 0, T0 + 9 * MINUTE) == []
    one = exact(TRADES).take(np.array([0, 0, 0, 0]))
    asked = T0 + np.array([3, 7, 2, 0]) * MINUTE
    ours = one.with_columns({"open_time_ns": asked})
    first = theirs.beside(ours, "ABC", "1m")
    last = theirs.beside(ours, "ABC", "1m", "right")
    for (mine, other), price in ((first, "1.21"), (last, "1.25")):
        assert np.array_equal(mine.open_time_ns, asked[[0, 2, 3]])
        assert [rows_of(other[row : row + 1])[0][1] for row in range(3)] == ["1.3", price, "1"]


class _Counted(FinalsLog):
    """Counts the batches that it gives."""

    read = 0

    def since(self, cursor: int, symbol: str, interval: Interval) -> Iterator[KlineBatch]:
        for batch in super().since(cursor, symbol, interval):
            self.read += 1
            yield batch


def test_finals_are_shown_as_they_were_published_and_the_oldest_let_go() -> None:
    klines = exact(TRADES)
    log = FinalsLog(rows_max=3)
    for row in range(len(klines)):
        log.add(klines[row : row + 1])
    assert log.end == len(klines)
    shown = [row for batch in log.since(0, "ABC", M1) for row in rows_of(batch)]
    assert shown[0][0] > T0 // SECOND
    first = rows_of(klines.take(klines.open_time_ns == T0)[:1])[0]
    assert first == [T0 // SECOND, "100.25", "101", "99.5", "99.5", "3.125", 5, 1]
    assert list(log.since(log.end, "ABC", M1)) == []


def test_trades_are_let_go_when_their_kline_is_final() -> None:
    recent = RecentTrades(M1)
    rest: Tape = TRADES.trades
    for row in range(len(rest)):
        recent.add(rest[row : row + 1])
    kept = recent.since(0, "ABC", 0)
    assert kept is not None
    assert np.array_equal(kept.trade_id, [8, 9])
