"""The verb ``export``: a run's klines in the exchange's layout, its findings and differences."""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kline_harness.archives.exchanges.binance import KLINE_COLUMNS
from kline_harness.errors import InputError, UsageError, writing
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
    with writing(given.out):
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


def export_klines(
    run: Path, out: Path | None, symbol: str | None = None, interval: str | None = None
) -> Iterator[Path]:
    """Write a file SYMBOL-INTERVAL.csv for each series, rows by open time, and yield its path.

    Times are ms, numbers the exact text of what is stored, without trailing zeros, and empty where
    nothing is stated. A row group of the stored klines is held at a time.

    Raises InputError for a folder without klines, UsageError where no series is the one asked for.
    """
    if out is None:
        raise UsageError("export klines: expected a folder after --out, found none")
    dataset = KlineDataset(run / "klines")
    if not dataset.parts():
        raise InputError(run / "klines", "the stored klines, part-*.parquet", "none")
    files: dict[tuple[str, str], _SeriesFile] = {}
    try:
        for read in dataset.readers():
            for key, times, lines in _series_of(read(_STORED), symbol, interval):
                if key not in files:
                    out.mkdir(parents=True, exist_ok=True)
                    files[key] = _SeriesFile(out / f"{key[0]}-{key[1]}.csv")
                files[key].append(times, lines)
        if not files:
            raise UsageError(f"{run}: expected klines of {symbol or 'any symbol'}, found none")
        for _, file in sorted(files.items()):
            yield file.finish()
    finally:
        for file in files.values():
            file.partial.unlink(missing_ok=True)


class _SeriesFile:
    """The file of a series while it is written: under a name of its own until it is whole.

    Open for one row group at a time: a run can have more series than files may be open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path.with_name(f".{path.name}.partial")
        self._last: int | None = None
        self._in_order = True
        self.partial.write_text(",".join(KLINE_COLUMNS) + "\n", encoding="utf-8", newline="")

    def append(self, times: Sequence[int], lines: Sequence[str]) -> None:
        """Add rows, which are in order among themselves."""
        self._in_order &= self._last is None or self._last <= times[0]
        self._last = times[-1]
        with self.partial.open("a", encoding="utf-8", newline="") as file:
            file.write("\n".join(lines) + "\n")

    def finish(self) -> Path:
        """Give the file its name; rows that were stored out of order are sorted first."""
        if not self._in_order:
            head, *lines = self.partial.read_text("utf-8").splitlines()
            lines.sort(key=lambda line: int(line.partition(",")[0]))
            self.partial.write_text("\n".join([head, *lines, ""]), encoding="utf-8", newline="")
        self.partial.replace(self.path)
        return self.path


def _series_of(
    table: pa.Table, symbol: str | None, interval: str | None
) -> Iterator[tuple[tuple[str, str], Sequence[int], Sequence[str]]]:
    """Yield each series of a table with its open times and its lines, by open time."""
    for place, (name, wish) in enumerate((("symbol", symbol), ("interval", interval))):
        table = table.set_column(place, name, table[name].cast(pa.string()))
        if wish is not None:
            table = table.filter(pc.equal(table[name], wish))
    table = table.sort_by([(name, "ascending") for name in ("symbol", "interval", "open_time")])
    keys = list(zip(*(table[name].to_pylist() for name in ("symbol", "interval")), strict=True))
    times = table["open_time"].cast(pa.int64()).to_pylist()
    lines = _lines(table).to_pylist()
    start = 0
    for key, group in itertools.groupby(keys):
        stop = start + sum(1 for _ in group)
        yield key, times[start:stop], lines[start:stop]
        start = stop


def _lines(table: pa.Table) -> pa.Array:
    """Return the rows of stored klines as lines of the exchange's columns."""
    columns = [
        _texts(name, table[name].combine_chunks()) if name in _STORED else pa.scalar("0")
        for name in KLINE_COLUMNS
    ]
    return pc.binary_join_element_wise(*columns, ",")


def _texts(name: str, values: pa.Array) -> pa.Array:
    """Return a column as text, empty where it is null."""
    if pa.types.is_timestamp(values.type):
        # The exchange states the last millisecond of a kline, not the first one after it.
        less = int(name == "close_time")
        ms = pc.divide(values.cast(pa.int64()), _US_PER_MS)
        return pc.subtract(ms, less).cast(pa.string())
    texts = values.cast(pa.string())
    if pa.types.is_decimal(values.type):
        trimmed = pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), ".")
        # Small numbers have an exponent, such as every zero: 0E-18.
        small = pc.fill_null(pc.match_substring(texts, "E"), False)
        found = texts.filter(small).dictionary_encode()
        plain = pa.array(map(plain_decimal, found.dictionary.to_pylist()), pa.string())
        texts = pc.replace_with_mask(trimmed, small, plain.take(found.indices))
    return pc.fill_null(texts, "")


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
