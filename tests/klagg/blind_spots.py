"""What klagg's own auditors do not see, and ours does: each case as both sides' findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.columns import Rows
from kline_harness.comparison.coverage import Coverage
from kline_harness.interval import parse_interval
from kline_harness.kline import KlineBatch
from kline_harness.units import NS_PER_MINUTE, NS_PER_SECOND
from kline_harness.verdict import Verdict

from tests.checks.tables import BASE_NS, Row, series, table
from tests.klagg.old_auditor import (
    OldAuditor,
    aligned_to_epoch,
    continuity_ok,
    external_audit_window,
)

WEEK = parse_interval("1w")
FIVE = parse_interval("5m")


@dataclass(frozen=True)
class BothSides:
    """What their auditor found and what ours does, in the same finals or times."""

    what: str
    theirs: tuple[str, ...]
    ours: tuple[str, ...]


def heard(klines: KlineBatch) -> tuple[Verdict, Verdict]:
    """Return what the old auditor and ours say of the same finals."""
    old, new = OldAuditor(), CompletenessAuditor()
    for auditor in (old, new):
        auditor.on_rows(0, Rows.all(klines))
        auditor.on_close(0)
    return old.verdict(), new.verdict()


def kinds(verdict: Verdict) -> tuple[str, ...]:
    return tuple(dict.fromkeys(finding.kind for finding in verdict.findings))


def of_finals(what: str, rows: list[Row]) -> BothSides:
    old, new = heard(table(rows))
    return BothSides(what, kinds(old), kinds(new))


def one_missing() -> BothSides:
    return of_finals("1m finals of minutes 1, 2, 4", series("1 2 4"))


def backwards() -> BothSides:
    return of_finals("1m finals of minutes 1, 2, 1, 2, 3", series("1 2 1 2 3"))


def epoch() -> BothSides:
    """Open time 0, then one that leaves 53 years out."""
    rows = series("0 1")
    rows[0] |= {"open_time_ns": 0}
    return of_finals("a final of open time 0, then one of 2024", rows)


def numbers() -> BothSides:
    """Takers that bought more than was traded, trades without volume, a quiet bar that moved."""
    rows = series("0 1 2q 3")
    rows[0] |= {"taker_buy_volume": 10 * rows[0]["volume"]}
    rows[1] |= {"volume": 0}
    rows[2] |= {"open": 1, "high": 1, "low": 1, "close": 1}
    return of_finals("impossible taker volumes, counts and quiet prices", rows)


def tautology() -> BothSides:
    """Bars 0 and 3 with two fillers said, and none published."""
    old, new = BASE_NS, BASE_NS + 15 * NS_PER_MINUTE
    theirs = () if continuity_ok(old, new, 2, FIVE) else ("time_continuity",)
    ours = kinds(heard(table(series("0 3", "5m")))[1])
    return BothSides("5m bars 0 and 3, their two fillers never published", theirs, ours)


def monday() -> BothSides:
    """A false alarm: 2024-01-01 is a Monday, as a weekly bar's open time must be."""
    theirs = () if aligned_to_epoch(BASE_NS, WEEK) else ("misaligned",)
    ours = kinds(heard(table(series("0 1", "1w")))[1])
    return BothSides("weekly finals that open on Mondays: nothing is wrong", theirs, ours)


def in_progress() -> BothSides:
    """A false alarm: at 12:03:40 the 5m bar of 12:00 is not over."""
    now_ns = BASE_NS + (12 * 60 + 3) * NS_PER_MINUTE + 40 * NS_PER_SECOND
    open_ns = BASE_NS + 12 * 60 * NS_PER_MINUTE
    from_ns, until_ns = external_audit_window(now_ns)
    theirs = ("FieldMismatch",) if from_ns <= open_ns < until_ns else ()
    covered = Coverage.of([(BASE_NS, now_ns)])
    edges = np.array([open_ns]), np.array([FIVE.close_time_ns(open_ns)])
    ours = ("unexplained",) if covered.whole(*edges).any() else ()
    return BothSides("the 5m bar of 12:00 at 12:03:40, not over yet", theirs, ours)


CASES: dict[str, Callable[[], BothSides]] = {
    case.__name__: case
    for case in (one_missing, backwards, epoch, numbers, tautology, monday, in_progress)
}
FALSE_ALARMS = ("monday", "in_progress")
