"""What a server leaves and what services store, made of the exchange's own kline files."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DAY = Path(__file__).resolve().parents[2] / "fixtures" / "um-day"
SYMBOLS = ("ALFAUSDT", "BRAVOUSDT")
MIDNIGHT = 1_715_731_200_000_000_000  # 2024-05-15T00:00:00Z
MINUTE = 60_000_000_000
COLUMNS = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time"),
    *("quote_asset_volume", "number_of_trades"),
    *("taker_buy_base_asset_volume", "taker_buy_quote_asset_volume", "ignore"),
)
Row = tuple[str, ...]
Tables = Mapping[tuple[str, str], Iterable[Row]]


def archive(symbol: str) -> Path:
    return DAY / f"{symbol}-aggTrades-2024-05-15.zip"


def klines(symbol: str, interval: str, before_ns: int | None = None) -> list[Row]:
    """The exchange's klines of the day, as its file writes them, that open before an instant."""
    path = DAY / f"{symbol}-{interval}-2024-05-15.zip"
    with zipfile.ZipFile(path) as file:
        text = file.read(file.namelist()[0]).decode()
    rows = [tuple(line.split(",")) for line in text.splitlines() if line[:1].isdigit()]
    end = before_ns or MIDNIGHT + 1440 * MINUTE
    return [row for row in rows if int(row[0]) * 1_000_000 < end]


@dataclass(frozen=True)
class Trade:
    """An aggregate trade as its archive writes it; `raw` counts the trades in it."""

    id: int
    price: str
    quantity: str
    raw: int
    time_ns: int
    buyer_is_maker: bool


def trades(symbol: str) -> list[Trade]:
    """The aggregate trades of the day."""
    with zipfile.ZipFile(archive(symbol)) as file:
        text = file.read(file.namelist()[0]).decode()
    found = []
    for line in text.splitlines():
        if line[:1].isdigit():
            agg, price, size, first, last, time, maker = line.split(",")[:7]
            raw, at = int(last) - int(first) + 1, int(time) * 1_000_000
            found.append(Trade(int(agg), price, size, raw, at, maker == "true"))
    return found


def trade_times(symbol: str) -> list[int]:
    """The times of the aggregate trades, in nanoseconds."""
    return [one.time_ns for one in trades(symbol)]


@dataclass
class Run:
    """A server's run, as its served.json says it."""

    symbols: tuple[str, ...] = SYMBOLS
    ended_ns: int = MIDNIGHT + 61 * MINUTE
    subscribed_ns: int = MIDNIGHT
    rebase_days: int = 0
    silent: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    lost: dict[str, int] = field(default_factory=dict)
    closed_ns: int | None = None
    closed_by: str | None = "end"
    complete: bool = True

    def write(self, folder: Path) -> Path:
        """Write served.json: `silent` streams sent nothing, others all trades but those `lost`."""
        streams = [*(f"{symbol.lower()}@aggTrade" for symbol in self.symbols), *self.others]
        content: dict[str, Any] = {
            "schema": "kline-harness/served/1",
            "market": "um",
            "slow_clients": 0,
            "faults": [],
            "requests": [],
            "without_source": [],
            "frames": {},
            "archives": [
                {
                    "path": str(archive(symbol)),
                    "sha256": hashlib.sha256(archive(symbol).read_bytes()).hexdigest(),
                    "role": "trades",
                    "rows": len(trades(symbol)),
                }
                for symbol in self.symbols
            ],
            "speed": "60",
            "routes": "both",
            "scenario": {},
            "rebase_days": self.rebase_days,
            "started_ns": MIDNIGHT + self._moved,
            "ended_ns": self.ended_ns + self._moved,
            "complete": self.complete,
            "symbols": list(self.symbols),
            "connections": [self._connection()],
            "subscriptions": [self._stream(name) for name in streams],
        }
        path = folder / "served.json"
        path.write_text(json.dumps(content))
        return path

    def _stream(self, name: str) -> dict[str, Any]:
        symbol = name.partition("@")[0].upper()
        known = trade_times(symbol) if symbol in SYMBOLS else []
        times = [t for t in known if self.subscribed_ns < t < self.ended_ns]
        return {
            "stream": name,
            "connection": 1,
            "acknowledged_ns": self.subscribed_ns + self._moved,
            "messages": 0 if name in self.silent else len(times) - self.lost.get(name, 0),
        }

    def _connection(self) -> dict[str, Any]:
        closed = None if self.closed_ns is None else self.closed_ns + self._moved
        return {
            "id": 1,
            "client": "loopback",
            "path": "/stream",
            "opened_ns": self.subscribed_ns + self._moved,
            "closed_ns": closed,
            "closed_by": self.closed_by,
        }

    @property
    def _moved(self) -> int:
        return self.rebase_days * 86_400_000_000_000


def stored(intervals: Iterable[str], until_ns: int) -> dict[tuple[str, str], list[Row]]:
    """The tables of a service that does everything right, with the klines that still form."""
    return {(s, i): klines(s, i, until_ns) for s in SYMBOLS for i in intervals}


def write_klagg(path: Path, tables: Tables, kind: str = "TEXT") -> Path:
    """An SQLite database in klagg's layout: a table per symbol and interval, text columns."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        for (symbol, interval), rows in tables.items():
            name = f"k_{symbol.lower().replace('usdt', '')}_{interval}"
            numbers = ", ".join(f"{c} {kind}" for c in COLUMNS[1:6])
            database.execute(
                f"CREATE TABLE {name} (open_time INTEGER PRIMARY KEY, {numbers}, "
                f"close_time INTEGER, quote_asset_volume {kind}, number_of_trades INTEGER, "
                f"taker_buy_base_asset_volume {kind}, taker_buy_quote_asset_volume {kind}, "
                "ignore TEXT)"
            )
            marks = ",".join("?" * len(COLUMNS))
            database.executemany(f"INSERT INTO {name} VALUES ({marks})", list(rows))
    return path
