"""The suite run over one table: the only file that knows Great Expectations.

Great Expectations and pandas are imported late, by the functions that use them: two seconds that
only the worker spends.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from kline_harness.expectations.lazy_import import imported_lazily
from kline_harness.expectations.rules import IDENTITY, RULES, UNIQUE, Rule
from kline_harness.expectations.stored import StoredKlines
from kline_harness.expectations.table import StoredTable
from kline_harness.quote_rule import no_quote_rule
from kline_harness.units import format_exact

SHOWN_ROWS = 5
# One expectation of Great Expectations' many compares distributions and draws them; its libraries
# are half of the time of the import, and no rule here needs it.
UNUSED = ("scipy.stats", "altair")


def load() -> Any:
    """Import Great Expectations, quiet and without telemetry."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings(), imported_lazily(*UNUSED):
        warnings.simplefilter("ignore")
        import great_expectations

    return great_expectations


def run(directory: Path, contract_size: Decimal | None = None) -> dict[str, Any]:
    """Hold the stored klines of a directory to the suite, a piece at a time.

    `contract_size` is what a contract is worth, if the klines are of such and it was given.
    Returns a JSON object: `rows`, `success`, `not_checked`, and per expectation its name, columns,
    rule in words, success, number of unexpected rows and a few of them. The same klines give the
    same object: no times, no ids, everything sorted. Without klines nothing is evaluated.
    """
    parts = _parts(directory)
    table = StoredTable(parts) if parts else None
    if table is None or table.rows == 0:
        return {"rows": 0, "success": True, "expectations": [], "not_checked": []}
    stored = StoredKlines(table, contract_size)
    found = _validated(stored)
    return {
        "rows": table.rows,
        "success": all(entry["success"] for entry in found),
        "expectations": found,
        "not_checked": [no_quote_rule(symbol) for symbol in stored.quotes.unknown()],
    }


def _parts(directory: Path) -> list[Path]:
    return sorted(directory.glob("part-*.parquet"))


def _validated(stored: StoredKlines) -> list[dict[str, Any]]:
    """Return what the suite says of all rows, put together from what it says of each piece."""
    suite = _Suite(stored.table)
    entries: dict[str, dict[str, Any]] = {}
    for columns in stored.pieces():
        for entry in suite.evaluate([rule for rule in RULES if rule is not UNIQUE], columns):
            _join(entries.setdefault(entry["name"], entry), entry)
    # Rows of one kline can stand in any two pieces: those are looked at together.
    repeated = stored.repeated
    rows = repeated if len(repeated) else np.arange(1, dtype=np.int32)
    for entry in suite.evaluate([UNIQUE], stored.identity(rows)):
        entries[entry["name"]] = entry
    return [entries[name] for name in sorted(entries)]


def _join(found: dict[str, Any], more: dict[str, Any]) -> None:
    """Add what the suite says of a later piece."""
    if found is more:
        return
    found["success"] &= more["success"]
    found["unexpected_count"] += more["unexpected_count"]
    room = SHOWN_ROWS - len(found["unexpected_rows"])
    found["unexpected_rows"] += more["unexpected_rows"][:room]


class _Suite:
    """The expectations of some rules, evaluated over one frame after the other."""

    def __init__(self, table: StoredTable) -> None:
        self._table = table
        self._gx = load()
        context = self._gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        source = context.data_sources.add_pandas("stored")
        asset = source.add_dataframe_asset("klines")
        self._definition = asset.add_batch_definition_whole_dataframe("all")

    def evaluate(self, rules: Sequence[Rule], columns: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what some rules say of a frame, sorted by their names."""
        import pandas

        suite = self._gx.ExpectationSuite(name="stored klines")
        for rule in rules:
            kind = getattr(self._gx.expectations, rule.expectation)
            meta = {"name": rule.name, "rule": rule.words}
            suite.add_expectation(kind(**rule.arguments, meta=meta))
        frame = pandas.DataFrame(columns, copy=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = self._definition.get_batch({"dataframe": frame}).validate(
                suite,
                result_format={
                    "result_format": "SUMMARY",
                    "unexpected_index_column_names": IDENTITY,
                    "partial_unexpected_count": SHOWN_ROWS,
                },
            )
        by_name = {result.expectation_config.meta["name"]: result for result in outcome.results}
        return [self._entry(rule, by_name[rule.name]) for rule in rules]

    def _entry(self, rule: Rule, outcome: Any) -> dict[str, Any]:
        raised = outcome.exception_info.get("exception_message")
        if raised:
            raise RuntimeError(f"expectation {rule.name}: {raised}")
        rows = outcome.result.get("partial_unexpected_index_list") or []
        return {
            "name": rule.name,
            "columns": rule.columns,
            "rule": rule.words,
            "success": bool(outcome.success),
            "unexpected_count": int(outcome.result["unexpected_count"]),
            "unexpected_rows": [
                {name: self._shown(name, row[name]) for name in sorted(row)} for row in rows
            ],
        }

    def _shown(self, name: str, value: Any) -> str | int | bool:
        """Return a value as JSON knows it, a decimal as its text."""
        plain = _plain(value)
        if isinstance(plain, int) and name in self._table.decimals:
            return format_exact(plain, self._table.scale(name))
        return plain


def _plain(value: Any) -> str | int | bool:
    """Return a numpy scalar as what JSON knows."""
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, (bool, int)) else str(plain)
