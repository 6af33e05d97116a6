"""Trades of sources without ids: what stands for an id in evidence is the number of a row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from kline_harness.comparison.compare import Comparison, Difference
from kline_harness.verdict import Finding

# The rows of a symbol are counted from 1, through all of its files in order of time.
ROWS = {
    "id": "row",
    "trade_id": "trade_row",
    "first_id": "first_row",
    "last_id": "last_row",
    "previous_id": "previous_row",
    "first_ids": "first_rows",
    "late_ids": "late_rows",
    "refused_ids": "refused_rows",
    "saved_after_id": "saved_after_row",
}
# Of klines, which the aggregator was to make without ids.
_NOT_STATED = ("first_trade_id", "last_trade_id", "previous_last_trade_id")


def as_rows(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return evidence in which numbers that a reader gave to trades are called rows."""
    return {
        ROWS.get(name, name): _value(value)
        for name, value in evidence.items()
        if name not in _NOT_STATED
    }


def of_rows(finding: Finding) -> Finding:
    """Return a finding about trades without ids."""
    return replace(finding, evidence=as_rows(finding.evidence))


def with_rows(found: Comparison, symbols: Collection[str]) -> Comparison:
    """Return a comparison in which the trades of some symbols have no ids."""
    series = [
        replace(one, differences=tuple(map(_difference, one.differences)))
        if one.symbol in symbols
        else one
        for one in found.series
    ]
    return replace(found, series=tuple(series))


def _difference(kline: Difference) -> Difference:
    proof, trades = kline.proof, kline.trades
    return replace(
        kline,
        proof=None if proof is None else replace(proof, evidence=as_rows(proof.evidence)),
        trades=None if trades is None else as_rows(trades),
    )


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return as_rows(value)
    if isinstance(value, list | tuple):
        return type(value)(map(_value, value))
    return value
