"""The verb ``export``: a run's klines in the exchange's layout, its findings and differences."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from kline_harness.archives.exchanges.binance import KLINE_COLUMNS
from kline_harness.errors import InputError, OutputError, UsageError
from kline_harness.nouns import counted
from kline_harness.report.data import read_run
from kline_harness.report.differences import plain_decimal
from kline_harness.storage.dataset import KlineDataset
from kline_harness.units import utc_text

KLINES, FINDINGS = "klines", "findings"
_STORED = ("symbol", "interval", *(name for name in KLINE_COLUMNS if name != "ignore"))
_US_PER_MS = 1_000
# The paths of more files are a count.
_PATHS_SHOWN = 24


def export(given: argparse.Namespace) -> None:
    """Write what the arguments of the verb ask for.

    Raises OutputError where it cannot be written, and as `export_klines` and `read_run`.
    """
    try:
        if given.what == KLINES:
            paths = list(export_klines(given.run, given.out, given.symbol, given.interval))
            for path in paths[:_PATHS_SHOWN]:
                print(path)
            if (more := len(paths) - _PATHS_SHOWN) > 0:
                print(f"and {more:,} more; {counted(len(paths), 'file')} in all")
            return
        found = list(_rows(given.run, given.what))
        rows = [row for row in found if _is_asked(row, given)]
        if found and not rows:
            kinds = ", ".join(dict.fromkeys(map(_kind, found)))
            none = f"notice: none of {counted(len(found), given.what[:-1])} is the one asked for"
            print(f"{none}; kinds: {kinds}", file=sys.stderr)
        text = _json(rows) if given.format == "json" else _csv(rows)
        if given.out is None:
            sys.stdout.write(text)
        else:
            given.out.write_text(text, encoding="utf-8", newline="")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{given.out}: cannot be written: {error.strerror}") from error


def export_klines(
    run: Path, out: Path | None, symbol: str | None = None, interval: str | None = None
) -> Iterator[Path]:
    """Write a file SYMBOL-INTERVAL.csv for each series, rows by open time, and yield its path.

    Times are ms, numbers the exact text of what is stored, without trailing zeros, and empty where
    nothing is stated.

    Raises InputError for a folder without klines, UsageError where no series is the one asked for.
    """
    if out is None:
        raise UsageError("export klines: expected a folder after --out, found none")
    dataset = KlineDataset(run / "klines")
    if not dataset.parts():
        raise InputError(run / "klines", "the stored klines, part-*.parquet", "none")
    series: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for table in dataset.pieces(list(_STORED)):
        for row in _texts(table):
            if symbol in (None, row["symbol"]) and interval in (None, row["interval"]):
                line = ",".join(row.get(name, "0") for name in KLINE_COLUMNS)
                key = row["symbol"], row["interval"]
                series.setdefault(key, []).append((int(row["open_time"]), line))
    if not series:
        raise UsageError(f"{run}: expected klines of {symbol or 'any symbol'}, found none")
    out.mkdir(parents=True, exist_ok=True)
    for (name, length), rows in sorted(series.items()):
        path = out / f"{name}-{length}.csv"
        lines = [",".join(KLINE_COLUMNS), *(line for _, line in sorted(rows))]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        yield path


def _texts(table: Any) -> Iterator[dict[str, str]]:
    """Yield the rows of stored klines as the texts of the exchange's columns."""
    columns: dict[str, list[str]] = {}
    for name in _STORED:
        if name in ("open_time", "close_time"):
            # The exchange states the last millisecond of a kline, not the first one after it.
            less = int(name == "close_time")
            values = table[name].cast(pa.int64()).to_pylist()
            columns[name] = [str(value // _US_PER_MS - less) for value in values]
        else:
            texts = table[name].cast(pa.string()).to_pylist()
            columns[name] = [plain_decimal(text) or "" for text in texts]
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _rows(run: Path, what: str) -> Iterator[dict[str, Any]]:
    data = read_run(run)
    if what == FINDINGS:
        for finding in data.findings:
            times = {"open_time": _time(finding.get("open_time_ns"))}
            times["at"] = _time(finding.get("at_ns"))
            names = ("severity", "check", "kind", "symbol", "interval")
            kept = {name: finding.get(name) for name in names}
            yield kept | times | {"evidence": finding.get("evidence") or {}}
        return
    for one in data.differences:
        values = one.to_dict()
        sides = {
            f"{side}_{name}": value
            for side in ("ours", "theirs")
            for name, value in values[side].items()
        }
        row = {name: values[name] for name in ("symbol", "interval", "class")}
        row |= {"open_time": _time(one.open_time_ns), "fields": " ".join(one.differing)}
        yield row | sides | {"cause": one.cause, "proof": one.proof}


def _is_asked(row: Mapping[str, Any], given: argparse.Namespace) -> bool:
    own = row["symbol"], row["interval"], _kind(row)
    asked = given.symbol, given.interval, given.kind
    return all(wish in (None, value) for wish, value in zip(asked, own, strict=True))


def _kind(row: Mapping[str, Any]) -> str:
    """Return the kind of a finding, the class of a difference."""
    return str(row.get("kind", row.get("class")))


def _time(time_ns: int | None) -> str | None:
    return None if time_ns is None else utc_text(time_ns)


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV, nothing of none; evidence and proofs are JSON in one cell."""
    out = io.StringIO(newline="")
    if not rows:
        return ""
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue()


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
