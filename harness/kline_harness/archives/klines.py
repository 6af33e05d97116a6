"""The exchange's kline files, and files like them, to klines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from kline_harness.archives.compressed import TextFile
from kline_harness.archives.exchanges.binance.recorded_klines import RecordedKlines
from kline_harness.archives.fields import unit_name
from kline_harness.archives.file_names import market_of, named_time
from kline_harness.archives.info import FileInfo
from kline_harness.archives.kline_reader import KlineReader
from kline_harness.archives.kline_rows import KlineRows, RowSpool
from kline_harness.archives.name_claims import contradictions
from kline_harness.archives.recognition import open_text, sniff
from kline_harness.archives.registry import exchange_of
from kline_harness.archives.table import Layout
from kline_harness.arrow import array_of
from kline_harness.errors import InputError
from kline_harness.interval import Interval, parse_interval
from kline_harness.kline import KlineBatch
from kline_harness.ledger import Equation
from kline_harness.tabular import Tabular
from kline_harness.units import Int64Array

# Rows are wide: a quarter of what trades are read by.
_BLOCK_BYTES = 2 << 20


class NoClosedKlines(InputError):
    """A recording in which no kline was closed."""


@dataclass(frozen=True, eq=False, repr=False)
class ExchangeKlines(Tabular):
    """The klines of one file: one symbol, one interval, in the order of the file.

    `fields` are those of the nine that the file has; the others are 0 in `batch`. Open times are
    as written, aligned or not. `close_time_ns` is the file's close time, exclusive (one unit
    added), or the interval's where the file has none, as `closes_stated` tells. Both are all of
    the file at once; `rows` gives them piece by piece. Row `r` stands in
    line `line_of(r)`; of a file that has the `newest_first` the rows were turned round.
    `equations` hold the lines of the file against the rows read. Those of a recording are
    `is_recorded`: what was not received is not in it.
    """

    rows: KlineRows
    fields: tuple[str, ...]
    interval: Interval
    symbol: str
    info: FileInfo
    first_line: int
    closes_stated: bool
    equations: tuple[Equation, ...] = ()
    newest_first: bool = False
    is_recorded: bool = False

    @cached_property
    def batch(self) -> KlineBatch:
        """All klines of the file."""
        return self.rows.whole()

    @cached_property
    def close_time_ns(self) -> Int64Array:
        """The close times of all klines of the file."""
        return self.rows.closes_ns()

    def line_of(self, row: int) -> int:
        """Return the line of a row of `batch`."""
        return self.first_line + (len(self.rows) - 1 - row if self.newest_first else row)

    def to_arrow(self) -> pa.Table:
        """Return the klines as a table: symbol, interval, times, and the fields the file has.

        Raises OutputError where a number does not fit decimal128(38, 18).
        """
        closes = array_of(self.close_time_ns, pa.timestamp("ns", tz="UTC"))
        table = self.batch.to_arrow().select(["symbol", "interval", "open_time", *self.fields])
        return table.add_column(3, "close_time", closes)

    def describe(self) -> str:
        """Return how many klines of what, and the file they stand in."""
        return f"{self.batch.describe()}, of {Path(self.info.path).name}"

    def __len__(self) -> int:
        return len(self.rows)


def read_klines(
    path: Path | str,
    *,
    symbol: str | None = None,
    interval: Interval | None = None,
    block_bytes: int = _BLOCK_BYTES,
) -> ExchangeKlines:
    """Read a kline file whole: CSV, a saved reply, a table, or a recording with closed klines.

    The symbol is the one given, else that of a column or of the file's name. So is the interval,
    and where neither says it, it is the time from open to close, or the smallest step between
    open times. Klines are published by the tick at their close time and have no trade ids (-1).
    A file that has the newest row first is turned round.

    Raises InputError for the first bad row, where symbol or interval is not known, and for a
    recording of several symbols or intervals.
    """
    file = open_text(path)
    layout = sniff(file)
    if layout.kind == "stream":
        found = [
            one for one in _recorded(file, symbol) if interval is None or one.interval == interval
        ]
        if len(found) == 1:
            return found[0]
        names = ", ".join(f"{one.symbol} {one.interval.text}" for one in found[:5])
        raise InputError(path, "closed klines of one symbol and interval", names or "none")
    if layout.kind != "klines":
        raise InputError(file.path, "klines", layout.kind)
    return klines_of(file, layout, symbol, interval, block_bytes)


def read_all_klines(
    path: Path | str, *, symbol: str | None = None, spool: RowSpool | None = None
) -> list[ExchangeKlines]:
    """Read the klines of every symbol and interval in a file, whole; a long file's into `spool`.

    Those of another pair than the given symbol, by name or column, keep their own.

    Raises InputError as `read_klines` does, and for a recording without closed klines.
    """
    file = open_text(path)
    layout = sniff(file)
    if layout.kind == "klines":
        return [klines_of(file, layout, symbol, None, spool=spool, selects=True)]
    if layout.kind != "stream":
        raise InputError(file.path, "klines", layout.kind)
    found = _recorded(file, symbol)
    if not found:
        raise NoClosedKlines(file.path, "closed klines (x true) in a recording", "none")
    return found


def _recorded(file: TextFile, symbol: str | None) -> list[ExchangeKlines]:
    """Read the closed klines of a recording."""
    recording = RecordedKlines(file, symbol)
    found: list[ExchangeKlines] = []
    for name, text in recording.texts().items():
        one = klines_of(text, sniff(text), name[0], parse_interval(name[1]))
        # The laws of the recording's lines stand once.
        equations = one.equations if found else (*recording.equations(), *one.equations)
        info = replace(one.info, skipped=recording.skipped if not found else 0)
        found.append(replace(one, equations=equations, info=info, is_recorded=True))
    return found


def klines_of(
    file: TextFile,
    layout: Layout,
    symbol: str | None,
    interval: Interval | None,
    block_bytes: int = _BLOCK_BYTES,
    spool: RowSpool | None = None,
    *,
    selects: bool = False,
) -> ExchangeKlines:
    """Read the klines of a text whose layout is known; long ones into `spool`, else one of its own.

    With `selects`, those of another pair than the given symbol keep their own.

    Raises InputError as `read_klines` does.
    """
    reader = KlineReader(file, layout, symbol, interval, selects=selects)
    rows = reader.read(block_bytes, RowSpool() if spool is None else spool)
    # Not counted to the end: no number of lines that any reading could agree with.
    lines = -1 if file.lines is None else file.lines
    equation = reader.lines.equation(Path(file.path).name, lines, len(rows))
    opens = rows.opens_ns()
    newest_first = len(rows) > 1 and bool((opens[1:] < opens[:-1]).all())
    if newest_first:
        rows.turn_round()
    return ExchangeKlines(
        rows=rows,
        fields=rows.fields,
        interval=rows.interval,
        symbol=rows.instrument.symbol,
        info=replace(
            _describe(file, layout, rows, opens),
            contradictions=_contradictions(file, layout, reader, symbol),
        ),
        first_line=layout.row_line,
        closes_stated="close_time" in layout.columns,
        equations=(equation,),
        newest_first=newest_first,
    )


def _contradictions(
    file: TextFile, layout: Layout, reader: KlineReader, given: str | None
) -> tuple[str, ...]:
    pattern = exchange_of(layout.source).symbol_in_name
    names = (file.path, file.member)
    # Where the given symbol gave way to the file's own, that is what there is to hold.
    given = None if given is not None and reader.symbol != given else given
    stated = {**reader.stated(), "kind": ("klines",)}
    return contradictions(*names, pattern=pattern, stated=stated, given=given)


def _describe(file: TextFile, layout: Layout, rows: KlineRows, opens: Int64Array) -> FileInfo:
    assert layout.unit is not None
    symbol = rows.instrument.symbol
    market = market_of(symbol)
    return FileInfo(
        path=file.path,
        sha256=file.sha256,
        bytes=file.size,
        layout="klines",
        market=market if market == "cm" else None,
        symbols=(symbol,),
        unit=unit_name(layout.unit),
        header=layout.header,
        compression=file.compression,
        rows=len(rows),
        skipped=0,
        first_trade_id=None,
        last_trade_id=None,
        first_event_time_ns=int(opens.min()),
        last_event_time_ns=int(opens.max()),
        coverage=named_time(file.path, file.member),
        receive_unit=None,
        source=layout.source,
        not_stated=("exact numbers",) if file.has_floats else (),
        unread_columns=layout.unread,
    )
