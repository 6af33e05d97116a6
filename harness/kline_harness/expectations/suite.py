"""The suite run over one table: the only file that knows Great Expectations.

Great Expectations and pandas are imported late, by the functions that use them: two seconds that
only the worker spends.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.expectations.lazy_import import imported_lazily
from kline_harness.expectations.rules import IDENTITY, RULES, Rule
from kline_harness.expectations.stored import StoredKlines

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


def run(directory: Path) -> dict[str, Any]:
    """Hold the stored klines of a directory to the suite.

    Returns a JSON object: `rows`, `success`, and per expectation its name, columns, rule in
    words, success, number of unexpected rows and a few of them. The same klines give the same
    object: no times, no ids, everything sorted. Without klines no expectation is evaluated.
    """
    tables = [pq.read_table(path, partitioning=None) for path in _parts(directory)]
    rows = sum(table.num_rows for table in tables)
    if rows == 0:
        return {"rows": 0, "success": True, "expectations": []}
    table = pa.concat_tables(tables)
    found = _validate(_frame(StoredKlines(table)))
    return {
        "rows": rows,
        "success": all(entry["success"] for entry in found),
        "expectations": found,
    }


def _parts(directory: Path) -> list[Path]:
    return sorted(directory.glob("part-*.parquet"))


def _frame(stored: StoredKlines) -> Any:
    import pandas

    texts = {
        "symbol": (stored.symbol, stored.symbols),
        "interval": (stored.interval_codes, stored.intervals),
    }
    columns = {
        name: pandas.Categorical.from_codes(codes, categories=pandas.Index(names))
        for name, (codes, names) in texts.items()
    }
    return pandas.DataFrame(columns | stored.columns(), copy=False)


def _validate(frame: Any) -> list[dict[str, Any]]:
    gx = load()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = gx.ExpectationSuite(name="stored klines")
    for rule in RULES:
        kind = getattr(gx.expectations, rule.expectation)
        meta = {"name": rule.name, "rule": rule.words}
        suite.add_expectation(kind(**rule.arguments, meta=meta))
    source = context.data_sources.add_pandas("stored")
    definition = source.add_dataframe_asset("klines").add_batch_definition_whole_dataframe("all")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = definition.get_batch({"dataframe": frame}).validate(
            suite,
            result_format={
                "result_format": "SUMMARY",
                "unexpected_index_column_names": IDENTITY,
                "partial_unexpected_count": SHOWN_ROWS,
            },
        )
    by_name = {result.expectation_config.meta["name"]: result for result in outcome.results}
    return [_entry(rule, by_name[rule.name]) for rule in sorted(RULES, key=lambda r: r.name)]


def _entry(rule: Rule, outcome: Any) -> dict[str, Any]:
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
        "unexpected_rows": [{name: _plain(row[name]) for name in sorted(row)} for row in rows],
    }


def _plain(value: Any) -> str | int | bool:
    """Return a numpy scalar as what JSON knows."""
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, (bool, int)) else str(plain)
