"""Files of trades and klines inspected one by one and against each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

from kline_harness import __version__
from kline_harness.archives import ColumnMap, is_mapped
from kline_harness.errors import InputError
from kline_harness.inspection.aggregate_trades import check_aggregates
from kline_harness.inspection.apart import check_apart, check_trades_apart
from kline_harness.inspection.kline_series import KlineSeries
from kline_harness.inspection.kline_versions import check_versions
from kline_harness.inspection.levels import check_levels
from kline_harness.inspection.one_file import (
    BROKEN,
    NO_ROWS,
    inspect_broken,
    inspect_empty,
    inspect_klines,
    inspect_trades,
    kind_of,
    not_looked_at,
)
from kline_harness.inspection.reach import check_reach
from kline_harness.inspection.subject import FileReport
from kline_harness.inspection.tally import Tally
from kline_harness.inspection.trade_versions import check_times, check_together, check_trades
from kline_harness.inspection.traded_klines import check_traded
from kline_harness.verdict import Validity, Verdict, worst

SCHEMA = "kline-harness/inspect/1"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found: a report on each file, in the order given, and verdicts across them."""

    files: tuple[FileReport, ...]
    across: tuple[Verdict, ...]

    @property
    def validity(self) -> Validity:
        """The worst of all verdicts; unknown where no file was looked at."""
        if not any(file.looked_at for file in self.files):
            return worst([Validity.UNKNOWN, *(file.verdict.validity for file in self.files)])
        return worst(v.validity for v in (*(f.verdict for f in self.files), *self.across))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON: schema `kline-harness/inspect/1`."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "verdict": self.validity.value,
            "exit_code": self.validity.exit_code,
            "files": [report.to_dict() for report in self.files],
            "across": [
                {**verdict.to_dict(), "findings": [f.to_dict() for f in verdict.findings]}
                for verdict in self.across
            ],
        }


def inspect_files(
    paths: Sequence[Path],
    *,
    symbol: str | None = None,
    market: str | None = None,
    columns: ColumnMap | None = None,
    contract_size: Decimal | None = None,
    progress: Callable[[str], None] | None = None,
) -> Inspection:
    """Inspect files of trades and klines in any mixture.

    `columns` says what the columns of tables and CSV files are that have all of its names;
    `contract_size` what a contract is worth, where klines and trades are of such. Klines
    are read first and whole; each file of trades is then read once, in blocks, and a second time
    only if another file states the same trades.

    Of directories every file is taken, those in folders within as well. What is wrong with a file
    is a finding; files of other kinds, and what is not known, are not looked at.

    Raises InputError for a name that nothing has, an empty directory, and a file given alone that
    is nothing known and not named like an archive file.
    """
    if len(paths) == 1 and not paths[0].is_dir() and columns is None:
        kind_of(paths[0])
    paths = _files(paths)
    mapped = [columns is not None and _is_mapped(path, columns) for path in paths]
    kinds = ["trades" if by_map else _kind(p) for p, by_map in zip(paths, mapped, strict=True)]
    reports: dict[int, list[FileReport]] = {}
    for row in sorted(range(len(paths)), key=lambda row: kinds[row] == "trades"):
        path, kind = paths[row], kinds[row]
        if progress is not None:
            progress(path.name)
        if kind == BROKEN:
            reports[row] = [inspect_broken(path)]
        elif kind == NO_ROWS:
            reports[row] = [inspect_empty(path)]
        elif kind == "klines":
            reports[row] = inspect_klines(path, symbol, contract_size)
        elif kind == "trades":
            finest = _finest([report for some in reports.values() for report in some])
            column_map = columns if mapped[row] else None
            words = (symbol, market, finest, column_map, contract_size)
            reports[row] = [inspect_trades(path, *words)]
        else:
            reports[row] = [not_looked_at(path, kind)]
    files = tuple(report for row in range(len(paths)) for report in reports[row])
    return Inspection(files, _across(files))


def _files(paths: Sequence[Path]) -> list[Path]:
    """Return the files given and those of the directories given, in order of their names.

    A directory without files stands for itself.

    Raises InputError for a name that nothing has, and where no directory given has a file.
    """
    files: list[Path] = []
    for path in paths:
        if not os.path.lexists(path):
            raise InputError(path, "a file", "none of that name")
        if not path.is_dir():
            files.append(path)
            continue
        within = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
        # An empty one among others is a row of its own, as a pattern such as * names it.
        files += sorted(within) or [path]
    if all(path.is_dir() for path in files):
        raise InputError(paths[0], "a directory with files", "none")
    return files


def _is_mapped(path: Path, columns: ColumnMap) -> bool:
    try:
        return not path.is_dir() and is_mapped(path, columns)
    except InputError:
        return False


def _kind(path: Path) -> str:
    """Tell what a file holds, in words of what was found where that is nothing known."""
    if path.is_dir():
        return "a directory without files"
    try:
        return kind_of(path)
    except InputError as error:
        place = "" if error.line is None else f"line {error.line}, "
        return f"not known: {place}expected {error.expected}, found {error.found}"


def _finest(reports: Sequence[FileReport]) -> dict[str, Any]:
    """Return the shortest interval of klines at hand for each symbol."""
    klines = [report.klines for report in reports if report.klines is not None]
    klines.sort(key=lambda k: -(k.interval.length_ns or 0))
    return {k.symbol: k.interval for k in klines if k.interval.length_ns is not None}


def _across(files: Sequence[FileReport]) -> tuple[Verdict, ...]:
    symbols: dict[str, list[KlineSeries]] = {}
    for file in files:
        if file.klines is not None:
            one = KlineSeries(file.klines, file.name)
            symbols.setdefault(file.klines.symbol, []).append(one)
    verdicts = []
    for symbol, series in symbols.items():
        verdicts += _of_klines(symbol, series)
        verdicts += _of_both(symbol, series, files)
        verdicts += _apart(symbol, series, files)
    if symbols:
        verdicts += _without_klines({*symbols}, files)
    return (*verdicts, *_of_trades(files), *_of_aggregates(files))


def _apart(symbol: str, series: list[KlineSeries], files: Sequence[FileReport]) -> list[Verdict]:
    tally = Tally("common_time", symbol)
    check_apart(series, tally)
    check_trades_apart(series, [file for file in files if symbol in file.ids], tally)
    check_reach(symbol, series, files, tally)
    return [Verdict.of("common_time", {}, tally.findings())] if tally.findings() else []


def _without_klines(symbols: set[str], files: Sequence[FileReport]) -> list[Verdict]:
    """Name the symbols of trades that no file of klines is about: nothing was held against them."""
    verdicts = []
    traded: dict[str, list[str]] = {}
    for file in files:
        if file.klines is None and file.info is not None and file.info.rows:
            for symbol in file.info.symbols:
                traded.setdefault(symbol, []).append(file.name)
    for symbol, names in sorted(traded.items()):
        if symbol in symbols:
            continue
        tally = Tally("common_time", symbol)
        evidence = {"files": names[:4], "klines_of": sorted(symbols)[:4]}
        tally.add("symbol_without_klines", len(names), evidence)
        verdicts.append(Verdict.of("common_time", {}, tally.findings()))
    return verdicts


def _of_aggregates(files: Sequence[FileReport]) -> list[Verdict]:
    """Hold every file of aggregates against every one of raw trades of the same market."""
    verdicts = []
    for aggregates, trades in product(files, files):
        infos = aggregates.info, trades.info
        if infos[0] is None or infos[1] is None or infos[0].market != infos[1].market:
            continue
        if (infos[0].layout, infos[1].layout) != ("aggTrades", "trades"):
            continue
        for symbol in sorted(aggregates.ids.keys() & trades.ids.keys()):
            tally = Tally("aggregates_and_trades", symbol)
            compared, left_out = check_aggregates(aggregates, trades, symbol, tally)
            if compared or left_out or tally.findings():
                found = (tally.findings(), tuple(left_out))
                verdicts.append(Verdict.of("aggregates_and_trades", {"compared": compared}, *found))
    return verdicts


def _of_klines(symbol: str, series: list[KlineSeries]) -> list[Verdict]:
    verdicts = []
    for check, compare in (("same_klines", check_versions), ("levels", check_levels)):
        tally = Tally(check, symbol)
        compared = compare(series, tally)
        if compared or tally.findings():
            verdicts.append(Verdict.of(check, {"compared": compared}, tally.findings()))
    return verdicts


def _of_both(symbol: str, series: list[KlineSeries], files: Sequence[FileReport]) -> list[Verdict]:
    tally = Tally("klines_and_trades", symbol)
    compared = 0
    is_alone = sum(symbol in file.buckets for file in files) == 1
    for file in files:
        bucket = file.buckets.get(symbol)
        for one in series:
            if bucket is not None and one.interval == bucket.interval:
                compared += check_traded(one, file, tally, is_alone=is_alone)
    if not compared and not tally.findings():
        return []
    counts = {"compared": compared}
    not_checked = ("prices, counts and amounts of klines: replay compares them",)
    return [Verdict.of("klines_and_trades", counts, tally.findings(), not_checked)]


def _of_trades(files: Sequence[FileReport]) -> list[Verdict]:
    groups: dict[tuple[str, str, str | None, bool], list[FileReport]] = {}
    for file in files:
        if file.info is not None:
            for symbol in file.ids:
                key = (symbol, file.info.layout, file.info.market, file.info.ids_stated)
                groups.setdefault(key, []).append(file)
    verdicts = []
    for (symbol, *_, stated), reports in groups.items():
        if len(reports) > 1:
            tally = Tally("same_trades", symbol)
            compared, left_out = (check_trades if stated else check_times)(reports, symbol, tally)
            check_together(reports, symbol, tally)
            counts = {"files": len(reports), "compared": compared}
            verdict = Verdict.of("same_trades", counts, tally.findings(), tuple(left_out))
            verdicts.append(verdict)
    return verdicts
