"""What a page says before its tables: what failed, and differences alike as one."""

from __future__ import annotations

from typing import Any

from kline_harness.kline import FIELDS
from kline_harness.ledger import Equation
from kline_harness.report.differences import DifferenceRow
from kline_harness.report.overview import failures, patterns
from kline_harness.run_rows import CheckRow, FindingRow

NONE9 = (None,) * 9


def row(interval: str = "1m", **amounts: tuple[str, str]) -> DifferenceRow:
    """Return an unexplained difference with ours and theirs of some fields."""
    ours = tuple(amounts.get(name, ("5", "5"))[0] for name in FIELDS)
    theirs = tuple(amounts.get(name, ("5", "5"))[1] for name in FIELDS)
    differing = tuple(name for name in FIELDS if name in amounts)
    return DifferenceRow(
        "ALFAUSDT", interval, 0, "unexplained", differing, ours, theirs, None, None, None
    )


def test_the_same_amount_is_one_pattern_and_says_it() -> None:
    rows = [row(volume=("7.1", "7.099")) for _ in range(25)] + [row(volume=("3", "2"))]
    assert [(one.count, one.what, one.first) for one in patterns(rows)] == [
        (25, "volume +0.001", 1),
        (1, "volume +1", 26),
    ]


def test_sums_of_binary_floats_are_told_from_losses() -> None:
    dust = ("14495.495820000002", "14495.49582")
    lost = ("3", "8")
    # One in ten thousand millions is an amount; below, a sum in another order can give it.
    edge = ("10000000001", "10000000000")
    rows = [row(quote_volume=dust), row(volume=dust, count=lost), row(volume=edge)]
    assert [one.what for one in patterns(rows)] == [
        "rounding of binary floats",
        "count -5, rounding of binary floats",
        "volume +1",
    ]


def test_many_amounts_are_one_pattern_with_its_reach() -> None:
    rows = [row(volume=(str(10 + at), "10")) for at in range(1, 30)]
    assert [(one.count, one.what) for one in patterns(rows)] == [(29, "volume +1 to +29")]


def test_what_differs_in_the_interval_alone_is_one_pattern() -> None:
    rows = [row("1h", volume=("3", "2")), row("1m", volume=("3", "2")), row("1m", count=("3", "2"))]
    rows += [row("1m", volume=("3", "2"))]
    assert [(one.count, one.interval, one.what, one.first) for one in patterns(rows)] == [
        (3, "1m (2), 1h (1)", "volume +1", 1),
        (1, "1m", "count +1", 3),
    ]


def test_a_kline_of_one_side_says_which() -> None:
    missing = DifferenceRow("A", "1m", 0, "missing", (), NONE9, ("5",) * 9, None, None, None)
    extra = DifferenceRow("A", "1m", 0, "extra", (), ("5",) * 9, NONE9, None, None, None)
    told = ["no kline of ours", "no kline of the exchange's"]
    assert [one.what for one in patterns([missing, extra])] == told


def finding(kind: str, severity: str = "error", **evidence: Any) -> FindingRow:
    return {"check": "writer", "kind": kind, "severity": severity, "evidence": evidence}


def test_what_failed_is_said_with_its_evidence_errors_first() -> None:
    findings = [
        finding("slow", "notice"),
        finding("klines_lost_in_crash", dropped=2786, on_disk=0),
        finding("gap"),
        finding("gap"),
    ]
    kinds = {"gap": 2, "klines_lost_in_crash": 1, "slow": 1}
    checks: list[CheckRow] = [
        {"check": "ledger", "verdict": "valid", "counts": {}, "findings": {}, "not_checked": ()},
        {
            "check": "writer",
            "verdict": "invalid",
            "counts": {},
            "findings": kinds,
            "not_checked": (),
        },
    ]
    [failed] = failures(checks, findings)
    assert failed.what == (
        ("2 × gap", "gap"),
        ("klines lost in crash: dropped 2786, on disk 0", "klines_lost_in_crash"),
        ("slow", "slow"),
    )


def test_an_equation_says_amounts_in_their_unit() -> None:
    parts = {"klines": 12293791 * 10**15 + 85767, "late": 0}
    law = "traded quote_volume in 1e-18"
    told = Equation(law, "ALFAUSDT 1m", 12293791 * 10**15, parts).sentence
    assert told == (
        "traded quote volume of ALFAUSDT 1m: 12,293.791 against klines 12,293.791000000000085767; "
        "0.000000000000085767 too many"
    )
    counted = Equation("trades read", "a.zip", 12_345, {"received": 12_000}).sentence
    assert counted == "trades read of a.zip: 12,345 against received 12,000; 345 unaccounted for"
