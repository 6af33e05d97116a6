"""Finals held to the exact aggregator's: every field, and what is left out of the comparison."""

from __future__ import annotations

import pytest
from kline_harness.checks.exactness import Exactness, Spared
from kline_harness.kline import FIELDS, PRICE_FIELDS, QUOTE_FIELDS, KlineBatch
from kline_harness.units import Window
from kline_harness.verdict import Verdict

from tests.checks.tables import Row, opening, series, table

# What is ten times as many at one decimal more of the price.
PRICED = (*PRICE_FIELDS, *QUOTE_FIELDS)


def compared(ours: list[Row], exact: list[Row], spared: Spared | None = None) -> Verdict:
    check = Exactness(spared or Spared())
    for rows, take in ((ours, check.on_klines), (exact, check.on_exact)):
        take(table(rows) if rows else KlineBatch.empty())
    return check.verdict()


def kinds(verdict: Verdict) -> list[tuple[str, str, int | None]]:
    return [(f.kind, f.severity.value, f.open_time_ns) for f in verdict.findings]


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_compared(name: str) -> None:
    ours = series("0 1 2")
    ours[1] |= {name: ours[1][name] + 1}
    verdict = compared(ours, series("0 1 2"))
    (finding,) = verdict.findings
    assert (finding.kind, finding.open_time_ns) == ("not_exact", opening("1m", 1))
    assert set(finding.evidence) == {name, f"{name}_exact"}
    assert (verdict.counts["identical"], verdict.counts["differing"]) == (2, 1)


def test_scales_do_not_matter_numbers_do() -> None:
    check = Exactness()
    check.on_klines(table(series("0")))
    finer = [row | {name: 10 * row[name] for name in PRICED} for row in series("0")]
    check.on_exact(table(finer, {"ALFAUSDT": (3, 3)}))
    assert kinds(check.verdict()) == []


def test_missing_and_not_expected() -> None:
    verdict = compared(series("0 1"), series("0 2"))
    assert kinds(verdict) == [
        ("not_in_exact", "error", opening("1m", 1)),
        ("missing", "error", opening("1m", 2)),
    ]


def test_what_an_outage_touches_may_be_withheld_but_not_be_wrong() -> None:
    spared = Spared(outages=[Window(opening("1m", 1) + 5, opening("1m", 1) + 6)])
    verdict = compared(series("0"), series("0 1 2"), spared)
    assert kinds(verdict) == [
        ("withheld", "notice", opening("1m", 1)),
        ("missing", "error", opening("1m", 2)),
    ]
    wrong = series("0 1")
    wrong[1] |= {"count": 2}
    assert kinds(compared(wrong, series("0 1"), spared))[0][:2] == ("not_exact", "error")


def test_what_is_left_out() -> None:
    before_the_first = compared(series("0 1"), series("1"))
    assert (before_the_first.findings, before_the_first.counts["spared"]) == ((), 1)
    wrong = series("0 1")
    wrong[0] |= {"count": 2}
    continued = Spared(continued_ns={("ALFAUSDT", "1m"): opening("1m", 0)})
    assert compared(wrong, series("0 1"), continued).findings == ()
    removed = Spared(managed={"ALFAUSDT": [Window(0, opening("1m", 1))]})
    assert compared(series("0"), series("0 1 2"), removed).findings == ()
    assert compared([], series("0"), removed).counts["missing"] == 1


def test_trade_ids_withheld() -> None:
    ours = series("0 1q 2")
    for row in ours:
        row |= {"first_trade_id": -1, "last_trade_id": -1}
    (finding,) = compared(ours, series("0 1q 2")).findings
    assert finding.kind == "trade_ids_withheld"
    assert finding.evidence == {"klines": 2, "quiet": 1}


def test_trade_ids_that_are_not_stated_are_not_due() -> None:
    ours = series("0 1q 2")
    for row in ours:
        row |= {"first_trade_id": -1, "last_trade_id": -1}
    check = Exactness(states_ids=False)
    check.on_klines(table(ours))
    check.on_exact(table(series("0 1q 2")))
    verdict = check.verdict()
    assert verdict.findings == ()
    assert "first and last trade ids, which the finals do not state" in verdict.not_checked


@pytest.mark.parametrize("name", ["first_trade_id", "last_trade_id"])
@pytest.mark.parametrize("row", [0, 1])
def test_stated_trade_ids_are_compared(name: str, row: int) -> None:
    ours, exact = series("0 1q 2"), series("0 1q 2")
    ours[row] |= {name: ours[row][name] + 5}
    (finding,) = compared(ours, exact).findings
    assert (finding.kind, finding.open_time_ns) == ("other_trade_ids", opening("1m", row))
    assert finding.evidence == {name: ours[row][name], f"{name}_exact": exact[row][name]}


@pytest.mark.parametrize(
    ("after_ns", "found"),
    [(-1, ("too_soon", "error")), (0, None), (9, ("published_late", "notice"))],
)
def test_instants_where_they_are_held(after_ns: int, found: tuple[str, str] | None) -> None:
    ours = series("0 1 2")
    ours[1] |= {"at_ns": ours[1]["at_ns"] + after_ns}
    check = Exactness(holds_instants=True)
    check.on_ticks(int(row["at_ns"]) for row in series("0 1 2"))
    check.on_klines(table(ours))
    check.on_exact(table(series("0 1 2")))
    verdict = check.verdict()
    assert kinds(verdict) == ([] if found is None else [(*found, opening("1m", 1))])
    assert verdict.counts["late"] == (after_ns > 0)
    assert compared(ours, series("0 1 2")).findings == ()
