"""The one sentence that a run comes to: what it rests on, and where to look."""

from __future__ import annotations

from collections.abc import Iterable

from kline_harness.comparison import Comparison
from kline_harness.comparison.summary import summary
from kline_harness.verdict import Validity, Verdict


def sentence(
    validity: Validity,
    trades: int,
    symbols: int,
    klines: int,
    checks: Iterable[Verdict],
    comparison: Comparison | None,
) -> str:
    """Return the sentence of a run that fed so many trades and published so many klines."""
    many = "symbol" if symbols == 1 else "symbols"
    what = f"{trades:,} trades of {symbols} {many} made {klines:,} final klines"
    checks = list(checks)
    against = "no klines of the exchange were given to compare with" + _missing_ids(checks)
    if comparison is not None:
        against = summary(comparison)
    failed = [check.check for check in checks if check.validity is not Validity.VALID]
    end = f"see {', '.join(failed)}" if failed else "every check is valid"
    return f"{validity.value.capitalize()}: {what}; {against}; {end}."


def _missing_ids(checks: Iterable[Verdict]) -> str:
    """Say how many trade ids no trade has: without a comparison nothing shows what they were."""
    findings = (finding for check in checks for finding in check.findings)
    ids = [one.evidence["missing_ids"] for one in findings if one.kind == "missing_trade_ids"]
    if not ids:
        return ""
    count = sum(ids)
    many = "trade id is missing and nothing shows whether it was a trade"
    if count > 1:
        many = "trade ids are missing and nothing shows whether they were trades"
    return f"; {count:,} {many}"
