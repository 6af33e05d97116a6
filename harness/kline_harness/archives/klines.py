"""The exchange's kline files, and files like them, to klines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.archives.compressed import BLOCK_BYTES, TextFile
from kline_harness.archives.dialects import is_iso, iso_to_ns, symbol_of_name
from kline_harness.archives.info import FileInfo
from kline_harness.archives.layout import (
    Layout,
    market_of,
    name_coverage,
    name_interval,
    name_symbol,
    sniff,
    unit_name,
    unit_range,
)
from kline_harness.archives.line_count import LinesRead
from kline_harness.archives.replies import open_text
from kline_harness.archives.table import Column, ExactTable, bodies
from kline_harness.arrow import array_of
from kline_harness.columns import Instrument, concat
from kline_harness.errors import InputError, UsageError
from kline_harness.interval import CODE, INTERVALS, Interval, parse_interval
from kline_harness.kline import FIELDS, PRICE_FIELDS, QUANTITY_FIELDS, KlineBatch, Trigger
from kline_harness.ledger import Equation
from kline_harness.tabular import Tabular
from kline_harness.units import NS_PER_DAY, Int64Array, TimeUnit

_GROUPS = (
    dict.fromkeys(PRICE_FIELDS, "price")
    | dict.fromkeys(QUANTITY_FIELDS, "quantity")
    | {"quote_volume": "quote", "taker_buy_quote_volume": "quote", "count": "count"}
    | {"ignore": "ignore"}
)


@dataclass(frozen=True, eq=False, repr=False)
class ExchangeKlines(Tabular):
    """The klines of one file: one symbol, one interval, in the order of the file.

    `fields` are those of the nine that the file has; the others are 0 in `batch`. Open times are
    as written, aligned or not. `close_time_ns` is the file's close time, exclusive (one unit
    added), or the interval's where the file has none, as `closes_stated` tells. Row `r` stands in
    line `first_line + r`. `equations` hold the lines of the file against the rows read.
    """

    batch: KlineBatch
    fields: tuple[str, ...]
    interval: Interval
    symbol: str
    info: FileInfo
    close_time_ns: Int64Array
    first_line: int
    closes_stated: bool
    equations: tuple[Equation, ...] = ()

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
        return len(self.batch)


def read_klines(
    path: Path | str,
    *,
    symbol: str | None = None,
    interval: Interval | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> ExchangeKlines:
    """Read a kline file whole.

    The symbol is the one given, else that of a column or of the file's name. So is the interval,
    and where neither says it, it is the time from open to close, or the smallest step between
    open times. Klines are published by the tick at their close time and have no trade ids (-1).

    Raises InputError for the first bad row, and where symbol or interval cannot be told.
    """
    file = open_text(path)
    layout = sniff(file)
    if layout.kind != "klines":
        raise InputError(file.path, "klines", layout.kind)
    reader = _Reader(file, layout, symbol, interval)
    batch, closes = reader.read(block_bytes)
    # Not counted to the end: no number of lines that any reading could agree with.
    lines = -1 if file.lines is None else file.lines
    return ExchangeKlines(
        batch=batch,
        fields=tuple(name for name in FIELDS if name in layout.columns),
        interval=INTERVALS[int(batch.interval[0])],
        symbol=batch.instruments[0].symbol,
        info=_describe(file, layout, batch),
        close_time_ns=closes,
        first_line=layout.first_line,
        closes_stated="close_time" in layout.columns,
        equations=(reader.lines.equation(Path(file.path).name, lines, len(batch)),),
    )


class _Reader:
    def __init__(
        self, file: TextFile, layout: Layout, symbol: str | None, interval: Interval | None
    ) -> None:
        assert layout.unit is not None
        self._file = file
        self._layout = layout
        self._unit: TimeUnit = layout.unit
        self._table = ExactTable(
            file.path, tuple(_column(name, layout.iso) for name in layout.columns)
        )
        self._symbol = symbol
        self._interval = interval
        self._stated: dict[str, str] = {}
        self.lines = LinesRead()

    def read(self, block_bytes: int) -> tuple[KlineBatch, Int64Array]:
        batches: list[KlineBatch] = []
        closes: list[Int64Array] = []
        line = self._layout.first_line
        blocks = self._file.blocks(block_bytes)
        for block in bodies(self._file.path, blocks, self._layout, self.lines):
            columns = self._table.read(block, line)
            self._check_times(columns, block, line)
            self._check_counts(columns, block, line)
            self._take_names(columns, block, line)
            batches.append(self._batch(columns))
            closes.append(self._closes(columns, batches[-1]))
            line += len(batches[-1])
        if not batches:
            raise InputError(self._file.path, "klines", "no rows")
        return concat(batches), np.concatenate(closes)

    def _check_times(self, columns: dict[str, Any], block: bytes, line: int) -> None:
        # Only open times: old files are known to hold close times that are off by anything.
        times = columns["open_time"]
        if self._layout.iso:
            times = self._dates(times, block, line)
        low, high = unit_range(self._unit)
        if times.min() < low or times.max() > high:
            row = int(np.argmax((times < low) | (times > high)))
            expected = f"an open time in {unit_name(self._unit)} like the rows before"
            raise self._table.bad_row(block, line, row, expected, "open_time")
        columns["open_time"] = times * self._unit.value

    def _dates(self, texts: NDArray[Any], block: bytes, line: int) -> Int64Array:
        bad = [row for row, text in enumerate(texts) if not is_iso(text)]
        seconds, rest = np.divmod(iso_to_ns([] if bad else texts), self._unit.value)
        if bad or rest.any():
            row = bad[0] if bad else int(np.argmax(rest != 0))
            expected = "a time such as 2024-05-15 12:00:00"
            raise self._table.bad_row(block, line, row, expected, "open_time")
        return seconds

    def _take_names(self, columns: dict[str, Any], block: bytes, line: int) -> None:
        """Take symbol and interval from their columns, and see that there is one of each."""
        for name in ("symbol", "timeframe"):
            if name in columns:
                stated = self._stated.setdefault(name, columns[name][0])
                other = columns[name] != stated
                if other.any():
                    row = int(np.argmax(other))
                    raise self._table.bad_row(
                        block, line, row, f"one {name} in a file, {stated}", name
                    )
        path, member = self._file.path, self._file.member
        self._symbol = self._symbol or self._stated.get("symbol") or name_symbol(path, member)
        if not self._symbol and _is_krakens(self._file, self._layout):
            # Kraken names its files by pair and minutes, XBTUSD_1440.csv.
            self._symbol = symbol_of_name(path)
        if not self._symbol:
            raise InputError(path, "a symbol, in the file's name, in a column or given", "none")
        if self._interval is None and "timeframe" in columns:
            try:
                self._interval = parse_interval(columns["timeframe"][0])
            except UsageError:
                raise self._table.bad_row(
                    block, line, 0, "a known timeframe", "timeframe"
                ) from None
        if self._interval is None:
            named = name_interval(path) or name_interval(member or "")
            self._interval = named or self._measured(columns)

    def _check_counts(self, columns: dict[str, Any], block: bytes, line: int) -> None:
        if scale := self._table.scales.get("count"):
            row = int(np.argmax(columns["count"] % 10**scale != 0))
            raise self._table.bad_row(block, line, row, "a whole number for count", "count")

    def _measured(self, columns: dict[str, Any]) -> Interval:
        """Tell the interval from open to close, else from the smallest step of open times."""
        opens = columns["open_time"]
        if "close_time" in columns:
            lengths = (columns["close_time"] + 1) * self._unit.value - opens
        else:
            lengths = np.diff(np.unique(opens))
            lengths = lengths[lengths == lengths.min()] if len(lengths) else lengths
        if len(lengths):
            values, counts = np.unique(lengths, return_counts=True)
            length = int(values[np.argmax(counts)])
            for interval in INTERVALS:
                if interval.length_ns == length:
                    return interval
            if 28 * NS_PER_DAY <= length <= 31 * NS_PER_DAY:
                return INTERVALS[-1]
        expected = "an interval, in the file's name, in a column, in its times or given"
        raise InputError(self._file.path, expected, "none")

    def _batch(self, columns: dict[str, Any]) -> KlineBatch:
        assert self._interval is not None
        scales = self._table.scales
        instrument = Instrument(
            self._symbol or "",
            scales["price"],
            scales.get("quantity", 0),
            scales.get("quote", 0),
        )
        rows = len(columns["open_time"])
        nothing = np.zeros(rows, dtype=np.int64)
        unknown = np.full(rows, -1, dtype=np.int64)
        known = {name: columns.get(name, nothing) for name in FIELDS}
        return KlineBatch.build(
            (instrument,),
            known
            | {
                "symbol": nothing.astype(np.int16),
                "interval": np.full(rows, CODE[self._interval], dtype=np.int8),
                "open_time_ns": columns["open_time"],
                "first_trade_id": unknown,
                "last_trade_id": unknown,
                "at_ns": self._interval.close_times_ns(columns["open_time"]),
                "trigger": np.full(rows, Trigger.TICK, dtype=np.int8),
            },
        )

    def _closes(self, columns: dict[str, Any], batch: KlineBatch) -> Int64Array:
        if "close_time" not in columns:
            return batch.at_ns
        closes: Int64Array = (columns["close_time"] + 1) * self._unit.value
        return closes


def _column(name: str, iso: bool) -> Column:
    if name == "open_time" and iso:
        return Column(name, "text")
    if name in _GROUPS:
        return Column(name, "exact", _GROUPS[name])
    if name in ("open_time", "close_time"):
        return Column(name, "integer")
    return Column(name, "text" if name in ("symbol", "timeframe") else "ignored")


def _is_krakens(file: TextFile, layout: Layout) -> bool:
    return file.source == "kraken" or (not layout.header and layout.columns[-1] == "count")


def _describe(file: TextFile, layout: Layout, batch: KlineBatch) -> FileInfo:
    assert layout.unit is not None
    symbol = batch.instruments[0].symbol
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
        rows=len(batch),
        skipped=0,
        first_trade_id=None,
        last_trade_id=None,
        first_event_time_ns=int(batch.open_time_ns.min()),
        last_event_time_ns=int(batch.open_time_ns.max()),
        coverage=name_coverage(file.path),
        receive_unit=None,
        source="kraken" if _is_krakens(file, layout) else "binance",
        unread_columns=layout.unread,
    )
