"""Readers: one file per source format, bytes to a tape or to the exchange's klines."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from kline_harness.archives.column_map import ColumnMap
from kline_harness.archives.compressed import EMPTY, is_table
from kline_harness.archives.exchanges.binance.recorded_klines import holds_only_klines
from kline_harness.archives.given_files import KlineFiles, files_given, files_of_symbol
from kline_harness.archives.info import FileInfo
from kline_harness.archives.kline_rows import RowSpool
from kline_harness.archives.klines import ExchangeKlines, read_all_klines, read_klines
from kline_harness.archives.mapped_text import is_mapped
from kline_harness.archives.recognition import Opened, open_text, sniff
from kline_harness.archives.registry import NOT_STATED, exchange_of, id_rule_of
from kline_harness.archives.trade_file import TradeFile
from kline_harness.errors import OtherKind

__all__ = [
    "EMPTY",
    "NOT_STATED",
    "ColumnMap",
    "ExchangeKlines",
    "FileInfo",
    "KlineFiles",
    "Opened",
    "RowSpool",
    "TradeFile",
    "detect",
    "exchange_of",
    "files_given",
    "files_of_symbol",
    "id_rule_of",
    "is_mapped",
    "is_table",
    "open_trades",
    "opened",
    "read_all_klines",
    "read_klines",
]


def detect(path: Path | str) -> str:
    """Tell what a file holds, from its first lines.

    "trades" (of any layout), "klines", or the name of another kind that is known and not looked
    at, such as "bookTicker".

    Raises InputError for anything else.
    """
    try:
        return opened(path).holds
    except OtherKind as other:
        return other.kind


def opened(path: Path | str) -> Opened:
    """Open a file of lines and tell from its first ones what it holds.

    Raises OtherKind for a file of another kind that is known, InputError for anything else.
    """
    file = open_text(path)
    layout = sniff(file)
    is_klines = layout.kind == "klines" or (layout.kind == "stream" and holds_only_klines(file))
    return Opened(file, layout, "klines" if is_klines else "trades")


def open_trades(
    path: Path | str,
    *,
    symbol: str | None = None,
    market: str | None = None,
    lenient: bool = False,
    columns: ColumnMap | None = None,
    contract_size: Decimal | None = None,
    known: Opened | None = None,
) -> TradeFile:
    """Open a file of trades: plain, gz or zip; with `columns`, a Parquet or Arrow table.

    Binance's CSV aggTrades or trades, a stream recording, another exchange's or data seller's
    trades (docs/sources.md).

    `symbol` names a CSV file's symbol where its name does not, and selects one of a recording's;
    `market` (spot, um, cm) is derived from the file where it is not given. `lenient` lets rows of a
    CSV file through that no trade can be, for who wants to judge them. `contract_size` makes the
    quantities contracts worth so many USD, settled in the base asset (market cm). `known` is the
    file where it was opened already.

    Raises InputError for anything else, and UsageError for an unknown market.
    """
    return TradeFile(
        path,
        symbol=symbol,
        market=market,
        lenient=lenient,
        columns=columns,
        contract_size=contract_size,
        known=known,
    )
