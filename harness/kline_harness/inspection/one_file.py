"""One file read through and judged on its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.archives import (
    EMPTY,
    ColumnMap,
    ExchangeKlines,
    FileInfo,
    TradeFile,
    detect,
    id_rule_of,
    open_trades,
    read_all_klines,
)
from kline_harness.archives.file_names import name_coverage
from kline_harness.archives.name_claims import kind_of_name
from kline_harness.archives.recognition import names_column
from kline_harness.checks.files import FileWatch
from kline_harness.checks.named_ends import ends_not_checked
from kline_harness.columns import by_symbol
from kline_harness.errors import Damaged, InputError, NoRows, NoTrades
from kline_harness.inspection.checksum import Checksum, check_checksum
from kline_harness.inspection.kline_audit import KlineAudit
from kline_harness.inspection.kline_series import KlineSeries
from kline_harness.inspection.subject import FileReport
from kline_harness.inspection.tally import Tally
from kline_harness.inspection.trade_audit import TradeAudit
from kline_harness.inspection.trade_buckets import TradeBuckets
from kline_harness.interval import Interval
from kline_harness.kline import FIELDS
from kline_harness.ledger import Equation
from kline_harness.tape import Tape
from kline_harness.verdict import Verdict

CHECK = "file"
BROKEN = "broken"
NO_ROWS = "no rows"
_STORED = "klines stored by a run: compare and export read its folder"
_TRADES_NOT_CHECKED = ("ids before the first and after the last row", "prices against a market")
_KLINES_NOT_CHECKED = (
    "whether rows are right: that takes their trades (replay)",
    "whether the last row was final, unless a higher or lower interval is given",
)


def kind_of(path: Path) -> str:
    """Tell what a file holds, as a word.

    "trades", "klines", "broken" for a file of which nothing can be read, "no rows", or the name of
    another kind, which is not looked at.

    Raises InputError for what is no file, or nothing that is known.
    """
    # A file whose name claims a day is meant to be an archive's: what is wrong with it is for
    # the inspection to say.
    claims = name_coverage(path.name) is not None
    try:
        kind = detect(path)
    except NoRows:
        return BROKEN if claims else NO_ROWS
    except InputError as error:
        if path.is_file() and (claims or isinstance(error, Damaged)):
            return BROKEN
        raise
    if kind == "klines" and _is_stored(path):
        return _STORED
    if kind == EMPTY and kind_of_name(path.name) is not None:
        return BROKEN if claims else NO_ROWS
    return kind


def _is_stored(path: Path) -> bool:
    """Tell a part of a run's stored klines, which are of all its symbols and intervals."""
    try:
        return {"finalized_at", "trigger"} <= set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return False


def inspect_broken(path: Path) -> FileReport:
    """Report a file of which nothing can be read."""
    try:
        found = detect(path)
    except InputError as error:
        return _broken(path, error)
    return _broken(path, InputError(path, "trades or klines", found))


def not_looked_at(path: Path, kind: str) -> FileReport:
    """Report a file that holds neither trades nor klines as far as is known, and is not judged."""
    tally = Tally(CHECK)
    checksum = Checksum.ABSENT
    if path.is_file():
        checksum = check_checksum(str(path), _sha256(path), tally)
    reason = (f"everything: {kind}",)
    verdict = Verdict.of(CHECK, {}, tally.findings(), reason)
    return FileReport(str(path), None, checksum, verdict, other_kind=kind)


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def inspect_empty(path: Path) -> FileReport:
    """Report a file that has no row, and no day in its name that it would have to hold."""
    tally = Tally(CHECK)
    tally.add("no_rows", 1, {"bytes": path.stat().st_size})
    checksum = check_checksum(str(path), _sha256(path), tally)
    return FileReport(str(path), None, checksum, Verdict.of(CHECK, {}, tally.findings()))


def _broken(path: Path, error: InputError) -> FileReport:
    tally = Tally(CHECK)
    _unreadable(tally, error)
    checksum = check_checksum(str(path), None, tally)
    return FileReport(str(path), None, checksum, Verdict.of(CHECK, {}, tally.findings()))


def _without_trades(path: Path, error: InputError) -> FileReport:
    if isinstance(error, NoTrades):
        return not_looked_at(path, f"no trades: {error.found}")
    return _broken(path, error)


def inspect_klines(
    path: Path, symbol: str | None, contract_size: Decimal | None = None
) -> list[FileReport]:
    """Read and judge a file of klines, each symbol and interval of a recording for itself.

    Without a symbol anywhere it goes by the file's name.
    """
    try:
        series = read_all_klines(path, symbol=symbol)
    except InputError as error:
        try:
            series = read_all_klines(path, symbol=symbol or _stem(path))
        except InputError:
            return [_broken(path, error)]
    return [_inspected(path, klines, contract_size) for klines in series]


def _inspected(path: Path, klines: ExchangeKlines, size: Decimal | None) -> FileReport:
    tally = Tally(CHECK, klines.symbol, klines.interval.text)
    series = KlineSeries(klines, path.name)
    audit = KlineAudit(series, tally, size)
    audit.run()
    _lines_and_names(tally, klines.equations, klines.info)
    before = max(0, klines.first_line - 1 - klines.info.header)
    tally.add("lines_before_header", before, {"line": 1})
    if klines.newest_first:
        tally.add("newest_first", len(klines), {"line": klines.first_line})
    checksum = check_checksum(str(path), klines.info.sha256, tally)
    if klines.info.unread_columns:
        names = {"columns": list(klines.info.unread_columns)}
        lacking = [name for name in FIELDS if name not in klines.fields]
        kind = "columns_not_read" if lacking else "columns_unknown"
        tally.add(kind, len(names["columns"]), {**names, "fields_lacking": lacking})
    counts = {"rows": len(klines), "quiet": int(np.count_nonzero(series.quiet))}
    not_checked = (*_KLINES_NOT_CHECKED, *audit.not_checked())
    verdict = Verdict.of(CHECK, counts, tally.findings(), not_checked)
    return FileReport(str(path), klines.info, checksum, verdict, klines=klines)


def inspect_trades(
    path: Path,
    symbol: str | None,
    market: str | None,
    intervals: dict[str, Interval],
    columns: ColumnMap | None = None,
    contract_size: Decimal | None = None,
) -> FileReport:
    """Read and judge a file of trades; `intervals` are those to sum up each symbol's trades by."""
    options: dict[str, Any] = {"market": market, "lenient": True, "columns": columns}
    options["contract_size"] = contract_size
    try:
        file = open_trades(path, symbol=symbol, **options)
    except InputError as error:
        try:
            file = open_trades(path, symbol=symbol or _stem(path), **options)
        except InputError:
            return _broken(path, error)
    try:
        reader = _TradesOfFile(file, intervals, contract_size)
    except InputError as error:
        is_sound = isinstance(error, NoTrades)
        return (
            not_looked_at(path, f"no trades: {error.found}") if is_sound else _broken(path, error)
        )
    unreadable, info = reader.run(), file.info
    own = Tally(CHECK)
    if unreadable is not None:
        _unreadable(own, unreadable)
    for audit in reader.audits.values():
        audit.finish()
    _lines_and_names(own, file.equations, info)
    own.add("klines_not_compared", file.closed_klines, {"klines": file.closed_klines})
    own.add("columns_unknown", len(info.unread_columns), {"columns": list(info.unread_columns)})
    checksum = check_checksum(str(path), info.sha256, own)
    findings = [f for tally in (own, *reader.tallies.values()) for f in tally.findings()]
    counts = {"rows": reader.rows, "symbols": len(reader.audits)}
    return FileReport(
        str(path),
        info,
        checksum,
        Verdict.of(CHECK, counts, findings, reader.not_checked()),
        trades=file,
        ids={name: audit.ids.ranges for name, audit in reader.audits.items()},
        raw_ids={name: audit.raw_ids for name, audit in reader.audits.items()},
        in_order=unreadable is None and all(a.in_order for a in reader.audits.values()),
        buckets=reader.buckets,
        watches={name: audit.watch for name, audit in reader.audits.items()},
    )


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _unreadable(tally: Tally, error: InputError) -> None:
    place = {} if error.line is None else {"line": error.line}
    again = (error.line or 0) > 1 and names_column(error.found.strip("'"))
    tally.add(
        "header_again" if again else "unreadable",
        1,
        {**place, "expected": error.expected, "found": error.found},
    )


def _lines_and_names(tally: Tally, equations: Sequence[Equation], info: FileInfo) -> None:
    """Find lines of a file that became nothing the reader knows of, and names that contradict."""
    for law in equations:
        if not law.balanced:
            lost = abs(law.total - sum(law.parts.values()))
            tally.add("lines_not_read", lost, {"law": law.law, "total": law.total, **law.parts})
    for words in info.contradictions:
        tally.add("names_contradict", 1, {"sentence": f"{words}; one of them is wrong"})


class _TradesOfFile:
    """Reads a file of trades once, and hands each symbol's to its audit and its buckets."""

    def __init__(
        self, file: TradeFile, intervals: dict[str, Interval], contract_size: Decimal | None
    ) -> None:
        self._file = file
        self._contract_size = contract_size
        self._info: FileInfo = file.peek()
        self._intervals = intervals
        self.rows = 0
        self.tallies: dict[str, Tally] = {}
        self.audits: dict[str, TradeAudit] = {}
        self.buckets: dict[str, TradeBuckets] = {}

    def not_checked(self) -> tuple[str, ...]:
        """Return what the file does not let anyone check."""
        ends = ends_not_checked(audit.watch for audit in self.audits.values())
        return (*_TRADES_NOT_CHECKED, *ends)

    def run(self) -> InputError | None:
        """Read the file to its end, or to what cannot be read, which is returned."""
        try:
            for tape in self._file.chunks():
                self.rows += len(tape)
                for code, one in by_symbol(tape):
                    self._add(one, code)
        except InputError as error:
            return error
        return None

    def _add(self, tape: Tape, code: int) -> None:
        instrument = tape.instruments[code]
        symbol = instrument.symbol
        if symbol not in self.audits:
            self._begin(symbol)
        self.audits[symbol].add(tape, instrument)
        if symbol in self.buckets:
            self.buckets[symbol].add(tape, instrument.quantity_scale)

    def _begin(self, symbol: str) -> None:
        info = self._info
        lines = info.layout in ("aggTrades", "trades")
        self.tallies[symbol] = Tally(CHECK, symbol)
        watch = FileWatch(
            Path(info.path).name,
            symbol,
            info.coverage,
            sides_stated="sides" not in info.not_stated,
            ids_stated=info.ids_stated,
        )
        self.audits[symbol] = TradeAudit(
            self.tallies[symbol],
            watch,
            layout=info.layout,
            market=info.market,
            first_line=(2 if info.header else 1) if lines else None,
            contract_size=self._contract_size,
            id_rule=id_rule_of(info),
        )
        if symbol in self._intervals:
            self.buckets[symbol] = TradeBuckets(self._intervals[symbol])
