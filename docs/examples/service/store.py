"""The store: SQLite in klagg's layout, one table of text per symbol and interval."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from bars import LENGTHS, Bar

_COLUMNS = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time"),
    *("quote_asset_volume", "number_of_trades"),
    *("taker_buy_base_asset_volume", "taker_buy_quote_asset_volume", "ignore"),
)


class Store:
    """Upserts by open time: the last writer wins, whatever it writes."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._made: set[str] = set()
        self.rows = 0

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def latest_open_ms(self, symbol: str, interval: str) -> int | None:
        """Return the open time of the last row of a series."""
        name = self._table(symbol, interval)
        found = self._database.execute(f'SELECT max(open_time) FROM "{name}"').fetchone()
        return None if found[0] is None else int(found[0])

    def write(self, bars: Iterable[Bar]) -> None:
        """Write klines in one transaction.

        Raises sqlite3.Error, with nothing written.
        """
        self._write([(bar.symbol, bar.interval, _row(bar)) for bar in bars])

    def write_rows(self, symbol: str, interval: str, rows: Sequence[Sequence[Any]]) -> None:
        """Write klines as REST gives them.

        Raises sqlite3.Error, with nothing written.
        """
        self._write([(symbol, interval, tuple(row[:12])) for row in rows])

    def _write(self, rows: Sequence[tuple[str, str, Sequence[Any]]]) -> None:
        marks = ",".join("?" * len(_COLUMNS))
        for symbol, interval, _ in rows:
            self._table(symbol, interval)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for symbol, interval, row in rows:
                name = self._table(symbol, interval)
                self._database.execute(f'INSERT OR REPLACE INTO "{name}" VALUES ({marks})', row)
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self.rows += len(rows)

    def _table(self, symbol: str, interval: str) -> str:
        name = f"k_{symbol.lower().replace('usdt', '')}_{interval.lower()}"
        if name not in self._made:
            columns = ", ".join(
                f"{column} {'INTEGER PRIMARY KEY' if column == 'open_time' else _kind(column)}"
                for column in _COLUMNS
            )
            self._database.execute(f'CREATE TABLE IF NOT EXISTS "{name}" ({columns})')
            self._made.add(name)
        return name


def _kind(column: str) -> str:
    return "INTEGER" if column in ("close_time", "number_of_trades") else "TEXT"


def _row(bar: Bar) -> tuple[Any, ...]:
    last_ms = bar.open_ms + LENGTHS[bar.interval] - 1
    prices = (bar.open, bar.high, bar.low, bar.close)
    return (
        bar.open_ms,
        *map(_text, prices),
        _text(bar.volume),
        last_ms,
        _text(bar.quote),
        bar.count,
        _text(bar.taker),
        _text(bar.taker_quote),
        "0",
    )


def _text(value: Decimal) -> str:
    """Write an exact number without exponent and trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
