"""The completeness rules over the stored klines, as expectations in data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kline_harness.interval import INTERVALS

IDENTITY = ["symbol", "interval", "open_time_us"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation: its stable name, Great Expectations' class, arguments, the rule in words."""

    name: str
    expectation: str
    arguments: dict[str, Any]
    words: str

    @property
    def columns(self) -> list[str]:
        """Return the columns it looks at."""
        given = [self.arguments.get(name) for name in ("column", "column_A", "column_B")]
        return [name for name in given if name] or list(self.arguments["column_list"])


def _holds(column: str, words: str) -> Rule:
    arguments = {"column": column, "value_set": [True]}
    return Rule(column, "ExpectColumnValuesToBeInSet", arguments, words)


def _equal(name: str, left: str, right: str, words: str) -> Rule:
    arguments = {"column_A": left, "column_B": right}
    return Rule(name, "ExpectColumnPairValuesToBeEqual", arguments, words)


def _at_least(large: str, small: str, words: str) -> Rule:
    arguments = {"column_A": large, "column_B": small, "or_equal": True}
    kind = "ExpectColumnPairValuesAToBeGreaterThanB"
    return Rule(f"{large}_not_below_{small}", kind, arguments, words)


UNIQUE = Rule(
    "stored_once",
    "ExpectCompoundColumnsToBeUnique",
    {"column_list": IDENTITY},
    "every kline of a symbol and interval is stored once",
)
RULES: tuple[Rule, ...] = (
    _holds("complete", "no value of a stored kline is missing"),
    Rule(
        "interval_known",
        "ExpectColumnValuesToBeInSet",
        {"column": "interval", "value_set": [interval.text for interval in INTERVALS]},
        "the interval is one of the exchange's",
    ),
    UNIQUE,
    Rule(
        "no_gap",
        "ExpectColumnValuesToBeInSet",
        {"column": "klines_missing_before", "value_set": [0]},
        "open times of a series go in steps of exactly one interval",
    ),
    Rule(
        "not_backwards",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": "open_time_us", "column_B": "latest_open_time_before_us", "or_equal": True},
        "klines of a series are stored in the order of their open times",
    ),
    _equal("aligned", "open_time_us", "aligned_open_time_us", "open times are the interval's"),
    _equal("closes_in_time", "close_time_us", "expected_close_time_us", "close is the next open"),
    _at_least("high", "open", "the high is the highest price"),
    _at_least("high", "close", "the high is the highest price"),
    _at_least("open", "low", "the low is the lowest price"),
    _at_least("close", "low", "the low is the lowest price"),
    _at_least("volume", "taker_buy_volume", "takers buy no more than is traded"),
    _at_least("quote_volume", "taker_buy_quote_volume", "takers buy no more than is traded"),
    _equal("volume_with_trades", "has_trades", "has_volume", "volume is 0 only without trades"),
    _equal(
        "quote_with_trades",
        "has_trades",
        "has_quote",
        "quote volume is 0 only without trades, or rounded to it",
    ),
    _holds(
        "quote_within_prices",
        "quote volumes are volume x [low, high]; of contracts volume x size / [high, low]",
    ),
    _holds("prices_positive", "all four prices are above zero"),
    _holds("no_amount_negative", "no volume and no count is below zero"),
    _holds("flat_if_quiet", "without trades the four prices are the close before"),
    _holds("trade_ids_rise", "trade ids of a series rise from kline to kline"),
    _holds("equals_lower_klines", "a kline is the sum of the lower klines inside it"),
    _holds("series_goes_on", "a series goes on as long as its symbol's other intervals"),
)
