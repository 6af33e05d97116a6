"""Rows of klines to columns, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.archives.compressed import LinesRead, TextFile
from kline_harness.archives.fields import unit_name, unit_of, unit_range
from kline_harness.archives.file_names import (
    name_interval,
    name_symbol,
    pair_of_klines,
    symbol_of_name,
)
from kline_harness.archives.grammar import Column
from kline_harness.archives.iso_times import is_iso, iso_to_ns
from kline_harness.archives.kline_rows import KlineRows, RowSpool
from kline_harness.archives.kline_table import KlineTableText
from kline_harness.archives.mapped_values import instant_of
from kline_harness.archives.name_claims import another_pair, is_another_pair
from kline_harness.archives.registry import exchange_of
from kline_harness.archives.table import ExactTable, Layout, RowBlock, bodies
from kline_harness.columns import Instrument
from kline_harness.errors import InputError, UsageError
from kline_harness.interval import CODE, INTERVALS, Interval, parse_interval
from kline_harness.kline import FIELDS, PRICE_FIELDS, QUANTITY_FIELDS, KlineBatch, Trigger
from kline_harness.units import NS_PER_DAY, NS_PER_MINUTE, Int64Array, TimeUnit

_GROUPS = (
    dict.fromkeys(PRICE_FIELDS, "price")
    | dict.fromkeys(QUANTITY_FIELDS, "quantity")
    | {"quote_volume": "quote", "taker_buy_quote_volume": "quote", "count": "count"}
    | {"ignore": "ignore"}
)
_A_TIME = "a time such as 2024-05-15 12:00:00"
_LENGTHS = [interval.length_ns for interval in INTERVALS if interval.length_ns is not None]


class KlineReader:
    """Reads a file's klines; `lines` counts the lines that are no rows."""

    def __init__(
        self,
        file: TextFile,
        layout: Layout,
        symbol: str | None,
        interval: Interval | None,
        *,
        selects: bool = False,
    ) -> None:
        assert layout.unit is not None
        self._file = file
        self._layout = layout
        self._unit: TimeUnit = layout.unit
        self._columns = tuple(_column(name, layout.iso) for name in layout.columns)
        self._symbol = symbol
        # Whether the symbol selects files of many, and does not name one.
        self._selects = selects
        self._interval = interval
        self._stated: dict[str, str] = {}
        # What the first rows show of close times: their unit, and whether they are the next open.
        self._close_unit: TimeUnit | None = None
        self._is_next_open: bool | None = None
        self.lines = LinesRead()

    def read(self, block_bytes: int, spool: RowSpool) -> KlineRows:
        """Return the klines and their close times, exclusive, in nanoseconds.

        Raises InputError for the first bad row, and OutputError where the disk has no room.
        """
        names = self._layout.columns
        fields = tuple(name for name in FIELDS if name in names)
        kept = KlineRows(fields, closes_stated="close_time" in names, spool=spool)
        for rows in self._rows(block_bytes):
            self._check_times(rows)
            self._check_counts(rows)
            self._check_signs(rows)
            self._take_names(rows)
            batch = self._batch(rows)
            assert self._interval is not None
            kept.add(batch, self._closes(rows.columns, batch), self._interval)
        kept.end()
        if not len(kept):
            raise InputError(self._file.path, "klines", "no rows")
        return kept

    @property
    def symbol(self) -> str:
        """The symbol of the rows read."""
        return self._symbol or ""

    def stated(self) -> dict[str, Sequence[str]]:
        """Return the symbol and the interval, those that the rows read have in columns."""
        found = {"symbol": self._symbol or ""}
        found["interval"] = self._interval.text if self._interval else ""
        names = {"symbol": "symbol", "interval": "timeframe"}
        return {name: (text,) for name, text in found.items() if names[name] in self._stated}

    def _rows(self, block_bytes: int) -> Iterator[RowBlock]:
        line = self._layout.row_line
        if isinstance(self._file, KlineTableText):
            self.lines.header = line - 1
            yield from self._file.rows(self._columns, line)
            return
        table = ExactTable(self._file.path, self._columns)
        blocks = self._file.blocks(block_bytes)
        for block in bodies(self._file.path, blocks, self._layout, self.lines):
            rows = table.rows(block, line)
            yield rows
            line += len(rows)

    def _check_times(self, rows: RowBlock) -> None:
        # Only open times: old files are known to hold close times that are off by anything.
        columns = rows.columns
        times = columns["open_time"]
        if self._layout.iso:
            times = self._dates(times, rows)
        low, high = unit_range(self._unit)
        if times.min() < low or times.max() > high:
            row = int(np.argmax((times < low) | (times > high)))
            expected = f"an open time in {unit_name(self._unit)} like the rows before"
            raise rows.bad(row, expected, "open_time")
        columns["open_time"] = times * self._unit.value
        if self._layout.iso and "close_time" in columns:
            found = [instant_of(text) for text in columns["close_time"]]
            if None in found:
                expected = "a time such as 2024-05-15 12:00:59.999"
                row = found.index(None)
                raise rows.bad(row, expected, "close_time")
            columns["close_time"] = np.array(found, dtype=np.int64)
        elif "close_time" in columns and self._close_unit is None:
            first = int(columns["close_time"][0])
            self._close_unit = unit_of(str(first)) or self._unit

    def _dates(self, texts: NDArray[Any], rows: RowBlock) -> Int64Array:
        plain = [is_iso(text) for text in texts]
        if all(plain):
            times = iso_to_ns(texts)
        else:
            found = [instant_of(text) for text in texts]
            if None in found:
                raise rows.bad(found.index(None), _A_TIME, "open_time")
            times = np.array(found, dtype=np.int64)
        seconds, rest = np.divmod(times, self._unit.value)
        if rest.any():
            raise rows.bad(int(np.argmax(rest != 0)), _A_TIME, "open_time")
        return seconds

    def _take_names(self, rows: RowBlock) -> None:
        """Take symbol and interval from their columns, and see that there is one of each."""
        columns = rows.columns
        for name in ("symbol", "timeframe"):
            if name in columns:
                stated = self._stated.setdefault(name, columns[name][0])
                other = columns[name] != stated
                if other.any():
                    row = int(np.argmax(other))
                    raise rows.bad(row, f"one {name} in a file, {stated}", name)
        path, member = self._file.path, self._file.member
        if self._symbol and self._selects and (own := self._own_symbol(self._symbol)):
            self._symbol = own
        self._symbol = self._symbol or self._stated.get("symbol") or name_symbol(path, member)
        if not self._symbol and (pattern := exchange_of(self._layout.source).symbol_in_name):
            self._symbol = symbol_of_name(path, pattern)
        self._symbol = self._symbol or pair_of_klines(path, member)
        if not self._symbol:
            raise InputError(path, "a symbol, in the file's name, in a column or given", "none")
        if self._interval is None and "timeframe" in columns:
            try:
                self._interval = parse_interval(columns["timeframe"][0])
            except UsageError:
                raise rows.bad(0, "a known timeframe", "timeframe") from None
        if self._interval is None:
            named = name_interval(path) or name_interval(member or "")
            self._interval = named or self._named_by_minutes() or self._measured(columns)

    def _own_symbol(self, given: str) -> str | None:
        """Return the pair that rows or names claim, if it is another than the given one."""
        if stated := self._stated.get("symbol"):
            return stated if is_another_pair(given, stated) else None
        return another_pair(given, self._file.path, self._file.member)

    def _named_by_minutes(self) -> Interval | None:
        """Take the interval from a name such as XBTUSD_60.csv, as this exchange's files have."""
        pattern = exchange_of(self._layout.source).minutes_in_name
        names = (PurePath(name).name for name in (self._file.path, self._file.member or ""))
        found = [match[1] for name in names if pattern and (match := pattern.match(name))]
        length_ns = int(found[0][:9]) * NS_PER_MINUTE if found else 0
        return next((one for one in INTERVALS if one.length_ns == length_ns), None)

    def _check_counts(self, rows: RowBlock) -> None:
        columns = rows.columns
        if scale := rows.scales.get("count"):
            row = int(np.argmax(columns["count"] % 10**scale != 0))
            raise rows.bad(row, "a whole number for count", "count")

    def _check_signs(self, rows: RowBlock) -> None:
        """See that a price is below 0 only where nothing is ever traded, as of a premium index."""
        columns = rows.columns
        traded = np.asarray(columns.get("volume", 1) != 0)
        for name in PRICE_FIELDS:
            wrong = np.asarray(columns[name] < 0, dtype=np.bool_) & traded
            if wrong.any():
                expected = f"a number that is not negative for {name}"
                raise rows.bad(int(np.argmax(wrong)), expected, name)

    def _measured(self, columns: dict[str, Any]) -> Interval:
        """Tell the interval from open to close, else from the smallest step of open times."""
        opens = columns["open_time"]
        if "close_time" in columns:
            unit, last = self._last_instants(columns["close_time"])
            lengths = last - opens
            lengths = np.where(np.isin(lengths, _LENGTHS), lengths, lengths + unit)
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

    def _batch(self, rows: RowBlock) -> KlineBatch:
        assert self._interval is not None
        columns, scales = rows.columns, rows.scales
        instrument = Instrument(
            self._symbol or "",
            scales["price"],
            scales.get("quantity", 0),
            scales.get("quote", 0),
        )
        count = len(columns["open_time"])
        nothing = np.zeros(count, dtype=np.int64)
        unknown = np.full(count, -1, dtype=np.int64)
        known = {name: columns.get(name, nothing) for name in FIELDS}
        return KlineBatch.build(
            (instrument,),
            known
            | {
                "symbol": nothing.astype(np.int16),
                "interval": np.full(count, CODE[self._interval], dtype=np.int8),
                "open_time_ns": columns["open_time"],
                "first_trade_id": unknown,
                "last_trade_id": unknown,
                "at_ns": self._interval.close_times_ns(columns["open_time"]),
                "trigger": np.full(count, Trigger.TICK, dtype=np.int8),
            },
        )

    def _closes(self, columns: dict[str, Any], batch: KlineBatch) -> Int64Array:
        if "close_time" not in columns:
            return batch.at_ns
        unit, last = self._last_instants(columns["close_time"])
        if self._is_next_open is None:
            self._is_next_open = 2 * int(np.count_nonzero(last == batch.at_ns)) > len(last)
        return last if self._is_next_open else last + unit

    def _last_instants(self, times: Int64Array) -> tuple[int, Int64Array]:
        """Return the last instants that belong to klines, and the unit that the file writes."""
        if self._layout.iso:
            return next(unit.value for unit in TimeUnit if not (times % unit.value).any()), times
        unit = self._close_unit or self._unit
        return unit.value, times * unit.value


def _column(name: str, iso: bool) -> Column:
    if name in ("open_time", "close_time") and iso:
        return Column(name, "text")
    if name in _GROUPS:
        # A premium index may be below 0.
        return Column(name, "exact", _GROUPS[name], signed=name in PRICE_FIELDS)
    if name in ("open_time", "close_time"):
        return Column(name, "integer")
    return Column(name, "text" if name in ("symbol", "timeframe") else "ignored")
