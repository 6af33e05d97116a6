"""How each exchange makes its klines, stated once, with what the statement rests on."""

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

    exchange: str
    open: OpenRule
    quiet: QuietRule
    open_basis: Basis
    quiet_basis: Basis
    source: str
    vwap_floored: bool | None = None


# * Binance: open is the first trade's price, equal to the previous close in about half of busy
#   minutes only; a quiet interval is a flat row in each of 498,103 quiet minutes of its files.
# * Kraken: support article "Downloadable historical OHLCVT data": open is the first traded price,
#   and only intervals with trades have a row. That vwap is floored is reported, not documented.
# * Coinbase: REST document "Get product candles": open is the first trade in the bucket; "No data
#   is published for intervals where there are no ticks".
# * Bybit, OKX, Bitstamp: no document at hand states where the open comes from or what a quiet
#   interval looks like.
# * Bitget: nothing at hand, not even users' reports.
KLINE_RULES: dict[str, KlineRule] = {
    rule.exchange: rule
    for rule in (
        KlineRule(
            "binance",
            OpenRule.FIRST_TRADE,
            QuietRule.FLAT,
            Basis.PROVED,
            Basis.PROVED,
            "kline files and recordings",
        ),
        KlineRule(
            "kraken",
            OpenRule.FIRST_TRADE,
            QuietRule.ABSENT,
            Basis.DOCUMENTED,
            Basis.DOCUMENTED,
            "support article Downloadable historical OHLCVT data",
            vwap_floored=True,
        ),
        KlineRule(
            "coinbase",
            OpenRule.FIRST_TRADE,
            QuietRule.ABSENT,
            Basis.DOCUMENTED,
            Basis.DOCUMENTED,
            "REST document Get product candles",
        ),
        KlineRule(
            "bybit",
            OpenRule.PREVIOUS_CLOSE,
            QuietRule.FLAT,
            Basis.REPORTED,
            Basis.REPORTED,
            "users' comparisons of trades with klines",
        ),
        KlineRule(
            "okx",
            OpenRule.FIRST_TRADE,
            QuietRule.UNKNOWN,
            Basis.REPORTED,
            Basis.REPORTED,
            "users' comparisons of trades with klines",
        ),
        KlineRule(
            "bitstamp",
            OpenRule.FIRST_TRADE,
            QuietRule.UNKNOWN,
            Basis.REPORTED,
            Basis.REPORTED,
            "users' comparisons of trades with klines",
        ),
        KlineRule(
            "bitget", OpenRule.UNKNOWN, QuietRule.UNKNOWN, Basis.NONE, Basis.NONE, "no source"
        ),
    )
}
