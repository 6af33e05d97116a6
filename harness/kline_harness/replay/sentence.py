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
    against = "no klines of the exchange were given to compare with"
    if comparison is not None:
        against = summary(comparison)
    failed = [check.check for check in checks if check.validity is not Validity.VALID]
    end = f"see {', '.join(failed)}" if failed else "every check is valid"
    return f"{validity.value.capitalize()}: {what}; {against}; {end}."
