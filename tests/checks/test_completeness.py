"""Each completeness rule on a clean stream and on a mutant that it must catch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.columns import Rows
from kline_harness.kline import FIELDS, Trigger
from kline_harness.verdict import Severity, Validity, Verdict

from tests.checks.plain_audit import audit as plain_audit
from tests.checks.tables import (
    Row,
    opening,
    pieces,
    published,
    quiet_at,
    rolled,
    series,
    table,
    traded,
)
from tests.contracts.consumer import check_consumer

MINUTE_NS = 60 * 10**9


def audit(rows: list[Row], *, cuts: tuple[int, ...] = (), block_rows: int = 65_536) -> Verdict:
    auditor = CompletenessAuditor(block_rows=block_rows)
    for piece in pieces(table(rows), cuts):
        auditor.on_rows(0, piece)
    auditor.on_close(0)
    return auditor.verdict()


def kinds(verdict: Verdict) -> list[str]:
    return [finding.kind for finding in verdict.findings]


def test_contract() -> None:
    check_consumer(CompletenessAuditor)
    check_consumer(lambda: CompletenessAuditor(block_rows=3))


def test_clean_stream_is_valid() -> None:
    minutes = series("0 1 2q 3q 4 5 6 7 8 9 10 11 12 13 14q")
    runs = [rolled(minutes, interval) for interval in ("3m", "5m", "15m")]
    verdict = audit(published(minutes, *runs, series("3 4 5", symbol="BETAUSDT")))
    assert verdict.validity is Validity.VALID, verdict.findings
    counts = dict(verdict.counts)
    assert counts["klines"] == counts["accepted"] == 15 + 5 + 3 + 1 + 3
    assert counts["quiet"] == 3
    assert counts["compared"] == 5 + 3 + 1
    assert counts["not_compared"] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 1 3", [("gap", 3)]),
        ("0 1 4", [("gap", 4)]),
        ("0 1 1 2", [("duplicate", 1)]),
        ("0 1 0", [("duplicate", 0)]),
        ("0 1 0 1 2", [("duplicate", 0), ("duplicate", 1)]),
        ("0 1 3 2 4", [("gap", 3), ("backwards", 2)]),
        ("0 1 3 2 2 4", [("gap", 3), ("backwards", 2), ("duplicate", 2)]),
        ("3 1 4 1", [("backwards", 1), ("duplicate", 1)]),
    ],
)
@pytest.mark.parametrize("block_rows", [1, 2, 65_536])
def test_steps(text: str, expected: list[tuple[str, int]], block_rows: int) -> None:
    """The two-interval threshold, the forgotten step back and the non-adjacent repeat are bites."""
    rows = [row | {"first_trade_id": -1} for row in series(text)]
    verdict = audit(rows, block_rows=block_rows)
    found = [(f.kind, (f.open_time_ns or 0) - opening("1m", 0)) for f in verdict.findings]
    assert found == [(kind, step * MINUTE_NS) for kind, step in expected]
    assert verdict.validity is Validity.INVALID


def test_gap_tells_what_is_lost() -> None:
    (finding,) = audit(series("0 1 5")).findings
    assert finding.evidence == {"lost": 3, "latest_open_time_ns": opening("1m", 1)}
    assert finding.open_time_ns == opening("1m", 5)


def test_calendar_months_and_weeks_are_in_step() -> None:
    for interval in ("1M", "1w", "3d"):
        assert audit(series("0 1 2 3", interval)).findings == ()
        assert kinds(audit(series("0 2", interval))) == ["gap"]


def test_misaligned() -> None:
    rows = series("0 1 2")
    rows[1]["open_time_ns"] += 14 * 10**9
    assert kinds(audit(rows)) == ["misaligned", "gap"]


PLAIN_MUTANTS: list[tuple[str, Callable[[Row], Row]]] = [
    ("ohlc_order", lambda row: {"high": row["open"] - 1}),
    ("ohlc_order", lambda row: {"low": row["close"] + 1}),
    ("ohlc_order", lambda row: {"low": row["open"] + 1, "high": row["close"] + 9}),
    ("non_positive_price", lambda row: {"low": 0}),
    ("non_positive_price", lambda row: {"low": -5}),
    ("negative_volume", lambda row: {"taker_buy_volume": -1}),
    ("negative_volume", lambda row: {"taker_buy_quote_volume": -1}),
    ("taker_exceeds_total", lambda row: {"taker_buy_volume": row["volume"] + 1}),
    ("taker_exceeds_total", lambda row: {"taker_buy_quote_volume": row["quote_volume"] + 1}),
    ("trade_id_backwards", lambda row: {"first_trade_id": 3}),
    ("trade_id_backwards", lambda row: {"last_trade_id": row["first_trade_id"] - 1}),
]


@pytest.mark.parametrize(("kind", "change"), PLAIN_MUTANTS)
def test_rules_of_one_kline(kind: str, change: Callable[[Row], Row]) -> None:
    rows = series("0 1 2 3")
    rows[1] |= change(rows[1])
    verdict = audit(rows)
    assert kinds(verdict) == [kind]
    assert verdict.findings[0].open_time_ns == opening("1m", 1)


@pytest.mark.parametrize("kind", ["ohlc_order", "taker_exceeds_total", "non_positive_price"])
def test_rules_hold_for_numbers_beyond_int64(kind: str) -> None:
    rows = series("0 1 2 3")
    for row in rows:
        for name in ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume"):
            row[name] *= 10**18
    assert audit(rows).findings == ()
    change = next(change for name, change in PLAIN_MUTANTS if name == kind)
    rows[1] |= change(rows[1])
    assert kinds(audit(rows)) == [kind]


@pytest.mark.parametrize("name", ["volume", "quote_volume", "count"])
def test_count_volume_mismatch(name: str) -> None:
    rows = series("0 1 2 3")
    rows[2] |= {"taker_buy_volume": 0, "taker_buy_quote_volume": 0, name: 0}
    if name == "count":
        rows[2] |= quiet_at("1m", 2, rows[1]["close"]) | {"volume": 1, "quote_volume": 1}
    assert kinds(audit(rows)) == ["count_volume_mismatch"]


def test_quiet_kline_is_flat_at_the_previous_close() -> None:
    rows = series("0 1q 2q 3")
    assert audit(rows).findings == ()
    for change in ({"high": rows[2]["high"] + 1}, dict.fromkeys(("open", "high"), 10_002)):
        mutant = [*rows[:2], rows[2] | change, *rows[3:]]
        assert "quiet_not_flat" in kinds(audit(mutant))
    moved = rows[2] | dict.fromkeys(("open", "high", "low", "close"), 10_007)
    (finding,) = audit([*rows[:2], moved, *rows[3:]]).findings
    assert finding.kind == "quiet_not_flat"
    assert finding.evidence["previous_close"] == "100.01"
    assert finding.evidence["close"] == "100.07"


def test_quiet_kline_after_a_gap_need_not_repeat_a_close_never_seen() -> None:
    rows = series("0 1 4q")
    rows[2] |= dict.fromkeys(("open", "high", "low", "close"), 12_345)
    assert kinds(audit(rows)) == ["gap"]


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_of_a_higher_kline_is_compared(name: str) -> None:
    minutes = series("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14")
    fives, threes = rolled(minutes, "5m"), rolled(minutes, "3m")
    quarter = rolled(minutes, "15m")
    off = -1 if name == "low" else 1
    fives[1][name] += off
    verdict = audit(published(minutes, threes, fives, quarter))
    mismatches = [f for f in verdict.findings if f.kind == "cross_interval_mismatch"]
    assert (mismatches[0].interval, mismatches[0].open_time_ns) == ("5m", opening("5m", 1))
    assert mismatches[0].evidence["children"] == "1m"
    assert name in mismatches[0].evidence
    assert f"{name}_of_children" in mismatches[0].evidence


def test_higher_kline_is_held_to_the_longest_interval_that_fills_it() -> None:
    minutes = series("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14")
    fives, quarter = rolled(minutes, "5m"), rolled(minutes, "15m")
    quarter[0]["count"] += 1
    (finding,) = audit(published(minutes, fives, quarter)).findings
    assert finding.evidence["children"] == "5m"
    del fives[1]
    found = audit(published(minutes, fives, quarter)).findings
    assert [f.evidence["children"] for f in found if f.interval == "15m"] == ["1m"]


def test_prices_of_a_roll_up_come_from_klines_with_trades() -> None:
    minutes = series("0 1q 2q 3 4 5")
    minutes[1] |= dict.fromkeys(("open", "high", "low", "close"), minutes[0]["close"])
    assert audit(published(minutes, rolled(minutes, "3m"))).findings == ()
    wrong = rolled(minutes, "3m")
    wrong[0]["close"] = minutes[2]["close"] + 1
    assert "cross_interval_mismatch" in kinds(audit(published(minutes, wrong)))


def test_series_that_starts_inside_a_higher_kline_is_not_compared() -> None:
    minutes = series("1 2 3 4 5")
    verdict = audit(published(minutes, rolled(minutes, "3m")))
    assert verdict.findings == ()
    assert (verdict.counts["compared"], verdict.counts["not_compared"]) == (1, 1)


def test_higher_kline_published_before_its_last_child_is_compared_at_the_same_instant() -> None:
    minutes = series("0 1 2")
    (three,) = rolled(minutes, "3m")
    assert audit([*minutes[:2], three, minutes[2]]).counts["compared"] == 1
    early = three | {"at_ns": three["at_ns"] - 1}
    assert audit([*minutes[:2], early, minutes[2]]).counts["compared"] == 0


def test_series_that_stops_while_its_symbol_goes_on() -> None:
    minutes = series("0 1 2 3 4 5 6 7 8")
    threes = rolled(minutes, "3m")
    assert audit(published(minutes, threes)).findings == ()
    (finding,) = audit(published(minutes, threes[:1])).findings
    assert (finding.kind, finding.interval) == ("series_stopped", "3m")
    assert finding.evidence["lost"] == 2
    assert kinds(audit(published(minutes[:7], threes))) == ["series_stopped"]
    assert audit(published(minutes, series("0 1", symbol="BETAUSDT"))).findings == ()


def test_klines_published_at_the_end_do_not_make_others_late() -> None:
    minutes = series("0 1 2 3")
    day = rolled(minutes, "1d")[0] | {"trigger": Trigger.END}
    assert audit(published(minutes, [day])).findings == ()


def lagged(rows: list[Row], at: int, missed: int, block_rows: int = 65_536) -> Verdict:
    auditor = CompletenessAuditor(block_rows=block_rows)
    batch = table(rows)
    auditor.on_rows(0, Rows(batch, 0, at))
    auditor.on_lag(0, missed)
    auditor.on_rows(0, Rows(batch, at, len(batch)))
    auditor.on_close(0)
    return auditor.verdict()


@pytest.mark.parametrize("block_rows", [1, 2, 65_536])
def test_gap_after_a_lag_is_not_the_aggregators(block_rows: int) -> None:
    verdict = lagged(series("0 1 4 5"), 2, 2, block_rows)
    assert kinds(verdict) == ["lagged", "gap_after_lag"]
    assert verdict.validity is Validity.UNKNOWN
    assert verdict.counts["missed"] == 2
    elsewhere = lagged(series("0 1 4 5"), 1, 2, block_rows)
    assert kinds(elsewhere) == ["lagged", "gap"]
    assert elsewhere.validity is Validity.INVALID


def test_lag_accounts_for_no_more_than_it_missed() -> None:
    assert kinds(lagged(series("0 1 5"), 2, 2)) == ["lagged", "gap"]
    two = published(series("0 1 4"), series("0 1 4", symbol="BETAUSDT"))
    assert kinds(lagged(two, 4, 4)) == ["lagged", "gap_after_lag", "gap_after_lag"]
    assert kinds(lagged(two, 4, 3)) == ["lagged", "gap_after_lag", "gap"]


def test_series_whose_end_was_lost_to_lag() -> None:
    minutes = series("0 1 2 3 4 5")
    verdict = lagged(published(minutes, rolled(minutes, "3m")[:1]), 6, 1)
    assert kinds(verdict) == ["lagged", "series_stopped_after_lag"]


def test_findings_beyond_the_limit_are_counted() -> None:
    rows = [row | {"low": -1} for row in series(" ".join(map(str, range(30))))]
    auditor = CompletenessAuditor(block_rows=4, findings_per_kind=5)
    auditor.on_rows(0, Rows.all(table(rows)))
    auditor.on_close(0)
    verdict = auditor.verdict()
    assert verdict.counts["non_positive_price"] == 30
    shown = [f.open_time_ns for f in verdict.findings if f.kind == "non_positive_price"]
    assert shown == [opening("1m", step) for step in range(5)]
    assert verdict.findings[-1].severity is Severity.NOTICE
    assert verdict.findings[-1].evidence["non_positive_price"] == 25


def test_statistics_per_series() -> None:
    auditor = CompletenessAuditor()
    minutes = series("0 1q 3 3 2")
    later = series("0 1 2", symbol="AAAUSDT")
    for rows in (minutes, later):
        auditor.on_rows(0, Rows.all(table(rows)))
    auditor.on_close(0)
    found = auditor.series()
    assert list(zip(found.symbols, found.intervals, strict=True)) == [
        ("AAAUSDT", "1m"),
        ("ALFAUSDT", "1m"),
    ]
    assert found.rows.tolist() == [3, 5]
    assert found.accepted.tolist() == [3, 4]
    assert found.quiet.tolist() == [0, 1]
    assert found.gaps.tolist() == found.lost.tolist() == [0, 1]
    assert found.duplicates.tolist() == found.backwards.tolist() == [0, 1]
    assert found.first_open_ns.tolist() == [opening("1m", 0)] * 2
    assert found.last_open_ns.tolist() == [opening("1m", 2), opening("1m", 3)]


def test_scales_that_become_finer_in_mid_stream() -> None:
    coarse, fine = series("0 1"), series("2q 3")
    for row in fine:
        for name in ("open", "high", "low", "close"):
            row[name] *= 100
        for name in ("quote_volume", "taker_buy_quote_volume"):
            row[name] *= 100
    fine[0] |= dict.fromkeys(("open", "high", "low", "close"), coarse[1]["close"] * 100)
    auditor = CompletenessAuditor(block_rows=2)
    auditor.on_rows(0, Rows.all(table(coarse)))
    auditor.on_rows(0, Rows.all(table(fine, {"ALFAUSDT": (4, 3)})))
    auditor.on_close(0)
    assert auditor.verdict().findings == ()


FIELD_CHANGES = st.sampled_from(
    [
        *({}, {}, {}, {"low": 0}, {"volume": 0}, {"count": 0}, {"first_trade_id": 4}),
        *({"trigger": 2}, {"close": 10_003}, {"taker_buy_volume": 99}),
        {"open_time_ns": opening("1m", 2) + 1},
    ]
)


@st.composite
def messy_streams(draw: st.DrawFn) -> list[Row]:
    """A stream with repeats, steps back, holes and changed fields, and its higher klines."""
    steps = draw(st.lists(st.integers(0, 11), max_size=14))
    if draw(st.booleans()):
        steps.sort()
    quiet = draw(st.lists(st.booleans(), min_size=len(steps), max_size=len(steps)))
    text = " ".join(f"{s}{'q' * q}" for s, q in zip(steps, quiet, strict=True))
    minutes = series(text)
    runs = [minutes]
    for interval in draw(st.sets(st.sampled_from(["3m", "5m", "15m"]))):
        runs.append(rolled(minutes, interval))
    for interval in draw(st.sets(st.sampled_from(["3m", "15m"]))):
        runs.append([traded(interval, 0) | {"symbol": "BETAUSDT"}])
    rows = [dict(row) for run in runs for row in run]
    rows.sort(key=lambda row: row["at_ns"])
    instants = draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    at_ns = 0
    for row, step in zip(rows, instants, strict=True):
        at_ns += step
        row |= draw(FIELD_CHANGES) | {"at_ns": at_ns}
    return rows


@settings(max_examples=400, deadline=None)
@given(messy_streams(), st.integers(1, 12), st.lists(st.integers(0, 40), max_size=5))
def test_bulk_agrees_with_one_kline_at_a_time(rows: list[Row], block: int, cuts: list[int]) -> None:
    verdict = audit(rows, block_rows=block, cuts=tuple(cuts)) if rows else audit_nothing()
    found = Counter(
        (f.kind, str(f.symbol), str(f.interval), f.open_time_ns or 0) for f in verdict.findings
    )
    assert found == plain_audit(rows)


def audit_nothing() -> Verdict:
    auditor = CompletenessAuditor()
    auditor.on_close(0)
    return auditor.verdict()
