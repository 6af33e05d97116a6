"""The map of symbols by intervals: a row for each symbol, the worst first; a cell is a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kline_harness.report.differences import DifferenceRow
from kline_harness.report.evidence import script_json
from kline_harness.report.klines import interval_order
from kline_harness.report.summary import CLASSES
from kline_harness.run_rows import ComparedRow

STATES = ("invalid", "unknown", "valid", "uncompared")
_WRONG = ("unexplained", "missing", "extra")


def class_counts(row: ComparedRow) -> dict[str, int]:
    """Return how many klines of a series are of each class; an older record may lack some."""
    values: Mapping[str, Any] = {**row}
    return {name: int(values.get(name) or 0) for name in CLASSES}


def series_state(row: ComparedRow) -> str:
    """Return what a series comes to: invalid, unknown, valid, or uncompared."""
    counts = class_counts(row)
    if any(counts[name] for name in _WRONG):
        return "invalid"
    if counts["consistent"]:
        return "unknown"
    return "valid" if counts["identical"] or counts["proved"] else "uncompared"


def encode_series(
    series: Sequence[ComparedRow], differences: Sequence[DifferenceRow]
) -> tuple[Mapping[str, Any], list[str]]:
    """Return what the codes stand for, and each symbol with its series as JSON text.

    A row is [symbol, state, cells]; a cell is 0 where there is no such series, the number of
    klines where all are identical, or [state, the count of each class, number of the first
    difference or 0].
    """
    firsts: dict[tuple[str, str], int] = {}
    for place, one in enumerate(differences, start=1):
        firsts.setdefault((one.symbol, one.interval), place)
    intervals = sorted({row["interval"] for row in series}, key=interval_order)
    by_symbol: dict[str, dict[str, ComparedRow]] = {}
    for row in series:
        by_symbol.setdefault(row["symbol"], {})[row["interval"]] = row
    rows = []
    for symbol, own in by_symbol.items():
        state = min((STATES.index(series_state(row)) for row in own.values()), default=0)
        cells = [
            _cell(own[name], firsts.get((symbol, name), 0)) if name in own else 0
            for name in intervals
        ]
        wrong = sum(class_counts(row)[name] for row in own.values() for name in _WRONG)
        rows.append((state, -wrong, symbol, script_json([symbol, state, cells])))
    head = {"intervals": intervals, "states": STATES, "classes": CLASSES}
    return head, [text for *_, text in sorted(rows)]


def _cell(row: ComparedRow, first: int) -> int | list[int]:
    counts = list(class_counts(row).values())
    if counts[0] and not any(counts[1:]) and not first:
        return counts[0]
    return [STATES.index(series_state(row)), *counts, first]
