"""The one sentence that a run comes to: what it rests on, and where to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from kline_harness.comparison.compare import Comparison
from kline_harness.comparison.summary import summary
from kline_harness.nouns import counted
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
    what = f"{counted(trades, 'trade')} of {counted(symbols, 'symbol')} "
    what += f"made {counted(klines, 'final kline')}"
    checks = list(checks)
    against = "no klines of the exchange were given to compare with" + _missing_ids(checks)
    if comparison is not None:
        against = summary(comparison)
    failed = [check.check for check in checks if check.validity is not Validity.VALID]
    end = f"see {', '.join(failed)}" if failed else "every check is valid"
    return f"{validity.value.capitalize()}: {what}; {against}; {end}."


def _missing_ids(checks: Iterable[Verdict]) -> str:
    """Say how many trade ids no trade has, and what is known of them."""
    counts: Counter[str] = Counter()
    for finding in (one for check in checks for one in check.findings):
        if finding.kind == "missing_trade_ids":
            counts[finding.evidence["reason"]] += finding.evidence["missing_ids"]
    return "".join(
        f"; {count:,} trade {'id is' if count == 1 else 'ids are'} missing: {reason}"
        for reason, count in counts.items()
    )
