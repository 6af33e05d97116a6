"""How an exchange makes its klines, with what the statement rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class OpenRule(Enum):
    """Where a kline's open price comes from."""

    FIRST_TRADE = "first trade"
    PREVIOUS_CLOSE = "previous close"
    UNKNOWN = "not known"


class QuietRule(Enum):
    """What an exchange publishes for an interval without a trade."""

    FLAT = "flat row at the previous close"
    ABSENT = "no row"
    UNKNOWN = "not known"


class Basis(Enum):
    """What a rule rests on, the strongest first."""

    PROVED = "proved on real data"
    DOCUMENTED = "the exchange's own document"
    REPORTED = "reported by users; no document and no data at hand"
    NONE = "nothing at hand"


@dataclass(frozen=True, slots=True)
class KlineRule:
    """One exchange's rule: the open, quiet intervals, and the volume-weighted price if it has one.

    With `OpenRule.PREVIOUS_CLOSE` high and low include the open. `vwap_floored` is whether the
    volume-weighted price is cut off, not rounded, to the price's digits; None without one.

    The exact aggregator makes klines by Binance's rule. The rule of another exchange is for
    telling apart what differs by rule from what is wrong.
    """

    open: OpenRule
    quiet: QuietRule
    open_basis: Basis
    quiet_basis: Basis
    source: str
    vwap_floored: bool | None = None


def reported(opens: OpenRule, quiet: QuietRule) -> KlineRule:
    """Return a rule that users found, and for which there is no document and no data at hand."""
    source = "users' comparisons of trades with klines"
    return KlineRule(opens, quiet, Basis.REPORTED, Basis.REPORTED, source)


# Of an exchange whose klines nothing is known of, or of files that do not say whose they are.
NO_RULE = KlineRule(OpenRule.UNKNOWN, QuietRule.UNKNOWN, Basis.NONE, Basis.NONE, "no source")
