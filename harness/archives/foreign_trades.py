"""Trades in another exchange's or a data seller's columns to tapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.archives.compressed import BLOCK_BYTES, TextFile, in_background
from harness.archives.dialects import Dialect, is_iso, iso_to_ns, symbol_of_name
from harness.archives.layout import Layout, name_symbol, unit_name, unit_range
from harness.archives.table import Column, ExactTable, bodies
from harness.columns import Instrument
from harness.errors import InputError
from harness.tape import Tape, TradeKind
from harness.units import BoolArray, Int64Array, TimeUnit

_KINDS: dict[str, Literal["integer", "exact", "text"]] = {
    "id": "integer",
    "receive": "integer",
    "price": "exact",
    "quantity": "exact",
    "quote": "exact",
    "side": "text",
    "symbol": "text",
}
_TIME_KINDS: dict[str, Literal["integer", "exact", "text"]] = {
    "epoch": "integer",
    "seconds": "exact",
    "iso": "text",
}
_NANOSECOND_DIGITS = 9


class ForeignTrades:
    """Reads the trades of one symbol of a file in a dialect; `symbol` once a row has told it.

    A file without ids numbers its trades from 1 in their order, which must be that of time; one
    without sides counts every buyer as the taker. `not_stated` names what is missing.
    """

    def __init__(self, file: TextFile, layout: Layout, symbol: str | None) -> None:
        assert layout.dialect is not None
        self._file = file
        self._layout = layout
        self._dialect: Dialect = layout.dialect
        self._given = symbol
        self.symbol = symbol
        self._unit = layout.unit or TimeUnit.SECOND
        self._next_id = 1
        self._last_time_ns = 0
        self._table = ExactTable(file.path, tuple(map(self._column, layout.columns)))
        if "symbol" not in layout.columns and self.symbol is None:
            self.symbol = name_symbol(file.path, file.member) or symbol_of_name(file.path)
            if self.symbol is None:
                raise InputError(file.path, "a symbol, in the file's name or given", "none")

    @property
    def not_stated(self) -> tuple[str, ...]:
        """What the file does not say and the reader fills in."""
        missing = [] if "id" in self._layout.columns else ["trade ids"]
        return (*missing, *([] if "side" in self._layout.columns else ["sides"]))

    def tapes(self, block_bytes: int = BLOCK_BYTES, *, background: bool = True) -> Iterator[Tape]:
        """Yield a tape for each block of lines.

        Raises InputError for the first bad row.
        """
        line = self._layout.first_line
        blocks = self._file.blocks(block_bytes)
        for block in bodies(in_background(blocks) if background else blocks, self._layout):
            columns = self._table.read(block, line)
            tape = self._tape(columns, block, line)
            line += len(columns["price"])
            if len(tape):
                yield tape

    def _column(self, name: str) -> Column:
        if name == "time":
            return Column(name, _TIME_KINDS[self._dialect.time], "time")
        if name in _KINDS:
            return Column(name, _KINDS[name], name)
        return Column(name, "ignored")

    def _tape(self, columns: dict[str, Any], block: bytes, line: int) -> Tape:
        rows = self._of_symbol(columns, block, line)
        times = self._times(columns, block, line)
        ids = columns["id"] if "id" in columns else self._numbered(times, block, line)
        makers = self._makers(columns, block, line)
        kind = self._kinds(columns, ids, block, line)
        scales = self._table.scales
        instrument = Instrument.of(self.symbol or "", scales["price"], scales["quantity"])
        if "quote" in columns:
            instrument = Instrument(
                self.symbol or "", scales["price"], scales["quantity"], scales["quote"]
            )
        arrival = columns.get("receive")
        tape = Tape.of(
            instrument,
            trade_id=ids,
            price=columns["price"],
            quantity=columns["quantity"],
            quote=columns.get("quote"),
            event_time_ns=times,
            arrival_ns=None if arrival is None else self._epoch(arrival, "receive", block, line),
            buyer_is_maker=makers,
            kind=kind,
        )
        return tape if rows.all() else tape.take(rows)

    def _of_symbol(self, columns: dict[str, Any], block: bytes, line: int) -> BoolArray:
        """Find the rows of the symbol given; without one there must be one symbol in the file."""
        every = np.ones(len(columns["price"]), dtype=np.bool_)
        if "symbol" not in columns:
            return every
        names: NDArray[Any] = columns["symbol"]
        if self.symbol is None:
            self.symbol = str(names[0])
        rows: BoolArray = np.asarray(names == self.symbol, dtype=np.bool_)
        if self._given is None and not rows.all():
            expected = f"one symbol in a file, {self.symbol} (or a symbol given)"
            raise self._table.bad_row(block, line, int(np.argmin(rows)), expected, "symbol")
        return rows

    def _times(self, columns: dict[str, Any], block: bytes, line: int) -> Int64Array:
        column = columns["time"]
        if self._dialect.time == "epoch":
            return self._epoch(column, "time", block, line)
        if self._dialect.time == "iso":
            return self._iso(column, block, line)
        digits = _NANOSECOND_DIGITS - self._table.scales["time"]
        low, high = unit_range(TimeUnit.SECOND)
        if digits < 0:
            raise self._table.bad_row(block, line, 0, "a time no finer than nanoseconds", "time")
        limits = 10 ** self._table.scales["time"]
        bad = (column < low * limits) | (column > high * limits)
        if bad.any():
            row = int(np.argmax(bad))
            raise self._table.bad_row(block, line, row, "an epoch timestamp in seconds", "time")
        times: Int64Array = column * 10**digits
        return times

    def _epoch(self, column: Int64Array, name: str, block: bytes, line: int) -> Int64Array:
        low, high = unit_range(self._unit)
        bad = (column < low) | (column > high)
        if bad.any():
            expected = f"a timestamp in {unit_name(self._unit)} like the rows before"
            raise self._table.bad_row(block, line, int(np.argmax(bad)), expected, name)
        return column * self._unit.value

    def _iso(self, column: NDArray[Any], block: bytes, line: int) -> Int64Array:
        for row, text in enumerate(column):
            if not is_iso(text):
                expected = "a time such as 2024-05-15T12:00:00.123456Z"
                raise self._table.bad_row(block, line, row, expected, "time")
        return iso_to_ns(column)

    def _numbered(self, times: Int64Array, block: bytes, line: int) -> Int64Array:
        """Number trades that have no ids in the order of the file."""
        before = np.concatenate([[self._last_time_ns], times[:-1]])
        if (times < before).any():
            expected = "trades without ids in order of time, the oldest first"
            raise self._table.bad_row(block, line, int(np.argmax(times < before)), expected, "time")
        ids = np.arange(self._next_id, self._next_id + len(times), dtype=np.int64)
        self._next_id += len(times)
        self._last_time_ns = int(times[-1])
        return ids

    def _makers(self, columns: dict[str, Any], block: bytes, line: int) -> BoolArray:
        if "side" not in columns:
            return np.zeros(len(columns["price"]), dtype=np.bool_)
        sides = columns["side"]
        sells = np.isin(sides, self._dialect.sells)
        known = sells | np.isin(sides, self._dialect.buys)
        if not known.all():
            words = " or ".join((self._dialect.buys[0], self._dialect.sells[0]))
            row = int(np.argmin(known))
            raise self._table.bad_row(block, line, row, f"{words} for side", "side")
        # The buyer is the maker where the taker sells.
        return sells if self._dialect.side == "taker" else ~sells

    def _kinds(
        self, columns: dict[str, Any], ids: Int64Array, block: bytes, line: int
    ) -> NDArray[np.int8]:
        empty = np.asarray(columns["quantity"] == 0, dtype=np.bool_)
        bad = (np.asarray(columns["price"] == 0, dtype=np.bool_) & ~empty) | (ids < 0)
        if bad.any():
            expected = "ids from 0 on and a price above 0"
            raise self._table.bad_row(block, line, int(np.argmax(bad)), expected)
        kind = np.where(empty, TradeKind.ZERO_QUANTITY, TradeKind.MARKET)
        return kind.astype(np.int8)
