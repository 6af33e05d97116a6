"""Real market data, beside the checkout and never inside it, and plain readers of its formats.

The readers share nothing with the package: they feed the oracle.
"""

from __future__ import annotations

import csv
import gzip
import json
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.oracle import OracleKline, OracleTrade

DATA: Path = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"real market data is not at {DATA}")

MS = 1_000_000


def text_lines(path: Path) -> list[str]:
    """The lines of a plain, gzipped or (one member) zipped text file."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            (member,) = archive.namelist()
            data = archive.read(member)
    return data.decode().splitlines()


def archive_trades(path: Path) -> Iterator[OracleTrade]:
    """A USD-M `trades` file."""
    for row in csv.DictReader(text_lines(path)):
        yield OracleTrade(
            id=int(row["id"]),
            price=Decimal(row["price"]),
            quantity=Decimal(row["qty"]),
            first_id=int(row["id"]),
            last_id=int(row["id"]),
            time_ns=int(row["time"]) * MS,
            buyer_is_maker={"true": True, "false": False}[row["is_buyer_maker"]],
            quote_quantity=Decimal(row["quote_qty"]),
        )


def archive_aggregates(path: Path) -> Iterator[OracleTrade]:
    """A USD-M `aggTrades` file, or a spot one (no header, one column more)."""
    names = ["id", "price", "quantity", "first", "last", "time", "sell", "best"]
    for row in csv.DictReader(text_lines(path), fieldnames=names):
        if not row["id"].isdigit():
            continue
        yield OracleTrade(
            id=int(row["id"]),
            price=Decimal(row["price"]),
            quantity=Decimal(row["quantity"]),
            first_id=int(row["first"]),
            last_id=int(row["last"]),
            time_ns=int(row["time"]) * MS,
            buyer_is_maker={"true": True, "false": False}[row["sell"].lower()],
        )


def recorded_trades(path: Path) -> Iterator[OracleTrade]:
    """A USD-M trade stream recording, in arrival order; quote quantities are price x quantity."""
    for line in text_lines(path):
        arrival, message = line.split(" ", 1)
        data = json.loads(message)["data"]
        yield OracleTrade(
            id=data["t"],
            price=Decimal(data["p"]),
            quantity=Decimal(data["q"]),
            first_id=data["t"],
            last_id=data["t"],
            time_ns=data["T"] * MS,
            buyer_is_maker=data["m"],
            arrival_ns=int(arrival),
            kind=data["X"],
        )


NINE_FIELDS = (
    *("open", "high", "low", "close", "volume", "quote_volume"),
    *("count", "taker_buy_volume", "taker_buy_quote_volume"),
)


def kline_file(path: Path) -> dict[int, tuple[Decimal, ...]]:
    """The nine fields of each row of a kline file with a header, by open time in nanoseconds."""
    return {
        int(row["open_time"]) * MS: tuple(Decimal(row[name]) for name in NINE_FIELDS)
        for row in csv.DictReader(text_lines(path))
    }


def nine_fields(kline: OracleKline) -> tuple[Decimal, ...]:
    """The same fields of an oracle's kline, to compare as numbers."""
    return tuple(Decimal(getattr(kline, name)) for name in NINE_FIELDS)
