"""Trades in another exchange's or a data seller's columns to tapes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kline_harness.archives.coin_margined import coin_margined
from kline_harness.archives.compressed import BLOCK_BYTES, LinesRead, TextFile
from kline_harness.archives.exchange import Dialect
from kline_harness.archives.fields import unit_name, unit_range
from kline_harness.archives.file_names import name_symbol, symbol_of_name
from kline_harness.archives.grammar import Column
from kline_harness.archives.iso_times import is_iso, iso_to_ns
from kline_harness.archives.mapped_text import MappedText
from kline_harness.archives.registry import exchange_of
from kline_harness.archives.table import ExactTable, Layout, RowBlock, bodies
from kline_harness.archives.text_columns import cut_columns, lines_of, one_of
from kline_harness.background import in_background
from kline_harness.columns import Instrument
from kline_harness.errors import InputError
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import BoolArray, Int64Array, TimeUnit, utc_text

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
    """Reads the trades of one symbol of a file in a dialect; `symbol` comes with the first row.

    A file without ids numbers its trades from 1 in their order, which must be that of time; one
    without sides counts every buyer as the taker. With `contract_size`, quantities are contracts
    worth so many USD each, and the quote is what they are in the base asset. `not_stated` names
    what is missing.
    """

    def __init__(
        self,
        file: TextFile,
        layout: Layout,
        symbol: str | None,
        contract_size: Decimal | None = None,
    ) -> None:
        assert layout.dialect is not None
        self._contract_size = contract_size
        self._file = file
        self._layout = layout
        self._dialect: Dialect = layout.dialect
        self._given = symbol
        self.symbol = symbol
        self._unit = layout.unit or TimeUnit.SECOND
        self._next_id = 1
        self._last_time_ns = 0
        self.lines = LinesRead()
        self._table = ExactTable(file.path, tuple(map(self._column, layout.columns)))
        plain = (self._column(name) for name in layout.columns if name not in ("", "symbol"))
        self._plain = ExactTable(
            file.path,
            tuple(Column("side", "boolean") if c.name == "side" else c for c in plain),
        )
        if "symbol" not in layout.columns and self.symbol is None:
            pattern = exchange_of(layout.source).symbol_in_name
            self.symbol = name_symbol(file.path, file.member) or symbol_of_name(file.path, pattern)
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
        for rows in self._blocks(block_bytes, background=background):
            tape = self._tape(rows)
            self.lines.foreign += len(rows) - len(tape)
            if len(tape):
                yield tape

    def _blocks(self, block_bytes: int, *, background: bool) -> Iterator[RowBlock]:
        if isinstance(self._file, MappedText) and self._file.is_table:
            rows = self._file.rows()
            yield from in_background(rows) if background else rows
            return
        line = self._layout.row_line
        blocks = self._file.blocks(block_bytes)
        texts = in_background(blocks) if background else blocks
        for block in bodies(self._file.path, texts, self._layout, self.lines):
            read = self._read(block, line)
            yield read
            line += len(read)

    def _read(self, block: bytes, line: int) -> RowBlock:
        """Read a block's numbers alone where its text is plain; else all of it line by line.

        Free text keeps the strict table from trusting the fast parser, so sides become true and
        false, and what is one and the same or not read is left out.
        """
        plain = self._without_text(block) if self._dialect.time != "iso" else None
        if plain is None:
            return self._table.rows(block, line)
        return self._plain.rows(plain, line)

    def _without_text(self, block: bytes) -> bytes | None:
        columns = self._layout.columns
        texts = [name for name in ("symbol", "side") if name in columns]
        if not texts and "" not in columns:
            return block
        table = cut_columns(block, columns, (*texts, *(c.name for c in self._plain.columns)))
        if table is None:
            return None
        if "symbol" in columns:
            names = table.column("symbol").unique().to_pylist()
            self.symbol = self.symbol or names[0]
            if names != [self.symbol]:
                return None
        if "side" in columns:
            sells = one_of(table.column("side"), self._dialect.sells, self._dialect.buys)
            if sells is None:
                return None
            table = table.set_column(table.column_names.index("side"), "side", sells)
        return lines_of(table, tuple(column.name for column in self._plain.columns))

    def _column(self, name: str) -> Column:
        if name == "time":
            return Column(name, _TIME_KINDS[self._dialect.time], "time")
        if name in _KINDS:
            return Column(name, _KINDS[name], name)
        return Column(name, "ignored")

    def _tape(self, rows: RowBlock) -> Tape:
        columns = rows.columns
        chosen = self._of_symbol(rows)
        times = self._times(rows)
        ids = columns["id"] if "id" in columns else self._numbered(times, rows, chosen)
        makers = self._makers(rows)
        kind = _kinds(rows, ids)
        scales = rows.scales
        instrument = Instrument.of(self.symbol or "", scales["price"], scales["quantity"])
        if "quote" in columns:
            instrument = Instrument(
                self.symbol or "", scales["price"], scales["quantity"], scales["quote"]
            )
        quote = columns.get("quote")
        if quote is None and self._contract_size is not None:
            traded = (columns["price"], columns["quantity"])
            instrument, quote = coin_margined(instrument, *traded, self._contract_size)
        arrival = columns.get("receive")
        tape = Tape.of(
            instrument,
            trade_id=ids,
            price=columns["price"],
            quantity=columns["quantity"],
            quote=quote,
            event_time_ns=times,
            arrival_ns=None if arrival is None else self._epoch(rows, "receive"),
            buyer_is_maker=makers,
            kind=kind,
        )
        return tape if chosen.all() else tape.take(chosen)

    def _of_symbol(self, rows: RowBlock) -> BoolArray:
        """Find the rows of the symbol given; without one there must be one symbol in the file."""
        if "symbol" not in rows.columns:
            return np.ones(len(rows), dtype=np.bool_)
        names: NDArray[Any] = rows.columns["symbol"]
        if self.symbol is None:
            self.symbol = str(names[0])
        chosen: BoolArray = np.asarray(names == self.symbol, dtype=np.bool_)
        if self._given is None and not chosen.all():
            expected = f"one symbol in a file, {self.symbol} (or a symbol given)"
            raise rows.bad(int(np.argmin(chosen)), expected, "symbol")
        return chosen

    def _times(self, rows: RowBlock) -> Int64Array:
        if self._dialect.time == "epoch":
            return self._epoch(rows, "time")
        column = rows.columns["time"]
        if self._dialect.time == "iso":
            bad = [row for row, text in enumerate(column) if not is_iso(text)]
            if bad:
                raise rows.bad(bad[0], "a time such as 2024-05-15T12:00:00.123456Z", "time")
            return iso_to_ns(column)
        scale = rows.scales["time"]
        if scale > _NANOSECOND_DIGITS:
            raise rows.bad(0, "a time no finer than nanoseconds", "time")
        low, high = (limit * 10**scale for limit in unit_range(TimeUnit.SECOND))
        outside = (column < low) | (column > high)
        if outside.any():
            raise rows.bad(int(np.argmax(outside)), "an epoch timestamp in seconds", "time")
        times: Int64Array = column * 10 ** (_NANOSECOND_DIGITS - scale)
        return times

    def _epoch(self, rows: RowBlock, name: str) -> Int64Array:
        column: Int64Array = rows.columns[name]
        low, high = unit_range(self._unit)
        outside = (column < low) | (column > high)
        if outside.any():
            expected = f"a timestamp in {unit_name(self._unit)} like the rows before"
            raise rows.bad(int(np.argmax(outside)), expected, name)
        return column * self._unit.value

    def _numbered(self, times: Int64Array, rows: RowBlock, chosen: BoolArray) -> Int64Array:
        """Return numbers for trades without ids, by their order; other symbols' count too."""
        own = np.flatnonzero(chosen)
        before = np.concatenate([[self._last_time_ns], times[own][:-1]])[: len(own)]
        backwards = times[own] < before
        if backwards.any():
            expected = "trades without ids in order of time, the oldest first"
            error = rows.bad(int(own[np.argmax(backwards)]), expected, "time")
            if self._layout.source == "table":
                # By a column map times have become nanoseconds that stand in no file.
                found = utc_text(int(times[own[np.argmax(backwards)]]))
                raise InputError(error.path, expected, found, line=error.line)
            raise error
        ids = np.arange(self._next_id, self._next_id + len(times), dtype=np.int64)
        self._next_id += len(times)
        if len(own):
            self._last_time_ns = int(times[own[-1]])
        return ids

    def _makers(self, rows: RowBlock) -> BoolArray:
        if "side" not in rows.columns:
            return np.zeros(len(rows), dtype=np.bool_)
        sells: BoolArray = rows.columns["side"]
        if sells.dtype != np.bool_:
            known = np.isin(sells, (*self._dialect.sells, *self._dialect.buys))
            if not known.all():
                words = f"{self._dialect.buys[0]} or {self._dialect.sells[0]}"
                raise rows.bad(int(np.argmin(known)), f"{words} for side", "side")
            sells = np.isin(sells, self._dialect.sells)
        # The buyer is the maker where the taker sells.
        return sells if self._dialect.side == "taker" else ~sells


def _kinds(rows: RowBlock, ids: Int64Array) -> NDArray[np.int8]:
    empty = np.asarray(rows.columns["quantity"] == 0, dtype=np.bool_)
    bad = (np.asarray(rows.columns["price"] == 0, dtype=np.bool_) & ~empty) | (ids < 0)
    if bad.any():
        raise rows.bad(int(np.argmax(bad)), "ids from 0 on and a price above 0")
    kind = np.where(empty, TradeKind.ZERO_QUANTITY, TradeKind.MARKET)
    return kind.astype(np.int8)
