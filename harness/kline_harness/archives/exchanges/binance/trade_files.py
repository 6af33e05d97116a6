"""Binance's CSV files of trades or aggregate trades, and files in their columns, to tapes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from kline_harness.archives.coin_margined import coin_margined
from kline_harness.archives.compressed import BLOCK_BYTES, LinesRead, TextFile
from kline_harness.archives.fields import unit_name, unit_range
from kline_harness.archives.grammar import Column
from kline_harness.archives.table import ExactTable, Layout, bodies
from kline_harness.background import in_background
from kline_harness.columns import Instrument
from kline_harness.compiled.rows import plain_trades
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import ExactArray

_COLUMNS = {
    "id": Column("id", "integer"),
    "price": Column("price", "exact", "price"),
    "quantity": Column("quantity", "exact", "quantity"),
    "quote": Column("quote", "exact", "quote"),
    "base": Column("quote", "exact", "quote"),
    "first_id": Column("first_id", "integer"),
    "last_id": Column("last_id", "integer"),
    "time": Column("time", "integer"),
    "maker": Column("maker", "boolean"),
    "best": Column("best", "boolean"),
    "": Column("", "ignored"),
}


def read_trades(
    file: TextFile,
    layout: Layout,
    symbol: str,
    market: str,
    block_bytes: int = BLOCK_BYTES,
    *,
    background: bool = True,
    lenient: bool = False,
    lines: LinesRead | None = None,
    contract_size: Decimal | None = None,
) -> Iterator[Tape]:
    """Yield the trades of a CSV file, a tape for each block of lines.

    Scales are the smallest that hold every value so far, so a later tape's may be larger. The
    quote quantity is the file's own where it has one (of COIN-M: the base quantity, else made of
    `contract_size`, the USD that a contract is worth). `lenient` lets
    rows through that no trade can be (ids below 0 or the wrong way round, price 0). `lines` is
    told what became of lines that are no trades.

    Raises InputError for the first bad row.
    """
    blocks = file.blocks(block_bytes)
    reader = _Reader(file.path, layout, symbol, market, lenient, contract_size)
    line = layout.row_line
    texts = in_background(blocks) if background else blocks
    for block in bodies(file.path, texts, layout, lines or LinesRead()):
        tape, block = [reader.tape(block, line)], b""
        line += len(tape[0])
        # Nothing is held of what is handed on: many files may be read side by side.
        yield tape.pop()


class _Reader:
    def __init__(
        self,
        path: str,
        layout: Layout,
        symbol: str,
        market: str,
        lenient: bool,
        contract_size: Decimal | None,
    ) -> None:
        assert layout.unit is not None
        self._path = path
        self._symbol = symbol
        self._market = market
        self._lenient = lenient
        self._contract_size = contract_size
        self._unit = layout.unit
        self._table = ExactTable(path, tuple(_COLUMNS[name] for name in layout.columns))

    def tape(self, block: bytes, line: int) -> Tape:
        columns = self._table.read(block, line)
        limits, kind = unit_range(self._unit), None
        priced = "quote" not in columns and self._market != "cm"
        made = plain_trades(columns, limits, self._unit.value, priced=priced)
        if made is None:
            self._check_times(columns["time"], limits, block, line)
            kind = self._kinds(columns, block, line)
            made = {"time": columns["time"] * self._unit.value}
        instrument, quote = self._quote(columns)
        return Tape.of(
            instrument,
            trade_id=columns["id"],
            price=columns["price"],
            quantity=columns["quantity"],
            quote=made.get("quote", quote),
            first_id=columns.get("first_id"),
            last_id=columns.get("last_id"),
            event_time_ns=made["time"],
            buyer_is_maker=columns["maker"],
            kind=kind,
        )

    def _check_times(self, times: Any, limits: tuple[int, int], block: bytes, line: int) -> None:
        low, high = limits
        if times.min() < low or times.max() > high:
            row = int(np.argmax((times < low) | (times > high)))
            expected = f"a timestamp in {unit_name(self._unit)} like the rows before"
            raise self._table.bad_row(block, line, row, expected, "time")

    def _kinds(self, columns: dict[str, Any], block: bytes, line: int) -> np.ndarray[Any, Any]:
        ids = columns["id"]
        first, last = columns.get("first_id", ids), columns.get("last_id", ids)
        empty = columns["quantity"] == 0
        kind = np.where(empty, TradeKind.ZERO_QUANTITY, TradeKind.MARKET).astype(np.int8)
        kind[empty & (columns["price"] == 0) & (first == -1) & (last == -1)] = TradeKind.SENTINEL
        bad = ((first < 0) | (last < first) | (columns["price"] == 0)) & ~empty | (ids < 0)
        if bad.any() and not self._lenient:
            expected = "ids from 0 on, first <= last, and a price above 0"
            raise self._table.bad_row(block, line, int(np.argmax(bad)), expected)
        return kind

    def _quote(self, columns: dict[str, Any]) -> tuple[Instrument, ExactArray | None]:
        scales = self._table.scales
        instrument = Instrument.of(self._symbol, scales["price"], scales["quantity"])
        if "quote" in columns:
            stated = Instrument(self._symbol, scales["price"], scales["quantity"], scales["quote"])
            return stated, columns["quote"]
        if self._market != "cm":
            return instrument, None
        traded = (columns["price"], columns["quantity"])
        return coin_margined(instrument, *traded, self._contract_size)
