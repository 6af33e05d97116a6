"""The trade files of other exchanges and of data sellers: how to know them and what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Literal

import numpy as np

from kline_harness.units import NS_PER_SECOND, Int64Array

_SYMBOL = re.compile(
    r"([A-Z0-9]{2,}?(?:-[A-Z][A-Z0-9]*)*)"
    r"(?=[-_.](?:agg)?trades|[-_]?\d{4}-\d{2}|[-_]ohlc|[_.])"
)
# Gate's FOX_USDT-202602.csv.
_PAIR = re.compile(r"([A-Z0-9]+_[A-Z]{3,5})-\d{6,}")
# Years of which any instant is an int64 of nanoseconds.
_DAY = r"(?:19[7-9]|20\d|21\d)\d-\d{2}-\d{2}"
_ISO = re.compile(
    rf"{_DAY}(?:[TD ]\d{{2}}:\d{{2}}:\d{{2}}(?:\.\d{{1,9}})?(?:Z|\+00:?00)?)?", re.ASCII
)
# BitMEX writes a D between date and time.
_INSTANT = re.compile(
    rf"({_DAY})[TD ](\d{{2}}:\d{{2}}:\d{{2}})(?:\.(\d{{1,9}})0*)?([Zz]|[+-]\d{{2}}:?\d{{2}})?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One layout of trades that is not Binance's.

    `header` are its column names, none where the file has no header; `columns` what each means:
    id, time, receive, symbol, price, quantity, quote, side, or "" for what is not read. `time` is
    an epoch timestamp whose unit is told from the file, decimal seconds, or ISO 8601 in UTC.
    `side` tells whose side the file states, "" if nobody's.
    """

    source: str
    header: tuple[str, ...]
    columns: tuple[str, ...]
    time: Literal["epoch", "seconds", "iso"]
    side: Literal["taker", "maker", ""]
    buys: tuple[str, ...] = ("buy", "Buy")
    sells: tuple[str, ...] = ("sell", "Sell")
    market: str = "spot"


def _dialect(source: str, header: str, columns: str, time: str, side: str, **more: str) -> Dialect:
    names = tuple("" if name == "-" else name for name in columns.split())
    return Dialect(source, tuple(header.split(",")), names, time, side, **more)  # type: ignore[arg-type]


KRAKEN_CSV = Dialect("kraken", (), ("time", "price", "quantity"), "seconds", "")
KRAKEN_REST = Dialect(
    "kraken",
    ("symbol", "kraken_time", "price", "volume", "side", "trade_id"),
    ("symbol", "time", "price", "quantity", "side", "id"),
    "seconds",
    "taker",
    ("b",),
    ("s",),
)
BITMEX = Dialect(
    "bitmex",
    (),
    ("time", "symbol", "side", "quantity", "price", "", "", "", "", ""),
    "iso",
    "taker",
    market="um",
)
GATE = Dialect(
    "gate", (), ("time", "id", "price", "quantity", "side"), "seconds", "taker", ("2",), ("1",)
)
# The columns of a table read by a column map; those it lacks are left out.
TABLE_COLUMNS = ("id", "symbol", "price", "quantity", "quote", "time", "receive", "side")

# Sources:
# * Bybit: the header of its public trading and spot history files; side is the taker's (V5 docs,
#   public trade: "Side of taker"). trdMatchID is a UUID, so derivatives have no number to sort by.
# * OKX: the header of its historical trades files (names with a translation after a slash, before
#   instrument_name was added); sizes of swaps and futures are contracts.
# * Coinbase: the fields of the REST document "Get product trades": side is the maker's.
# * Bitstamp: the fields of the REST document "Transactions": type 0 buy, 1 sell.
# * BitMEX: the header of its public daily files, which Bybit's derivatives have too, and its times
#   such as 2026-02-03D10:00:00.948313000; side is the taker's (API documents, Trade); sizes are
#   contracts.
# * Gate: the columns of its public deals files, without a header: side 1 sells and 2 buys.
# * Bitget: the header of its public trade files; volume(quote) is stated.
# * tardis.dev: "Downloadable CSV files", data type trades: side is the liquidity taker's,
#   timestamps in microseconds, local_timestamp is the arrival of the message.
DIALECTS: tuple[Dialect, ...] = (
    _dialect(
        "bybit",
        "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
        "foreignNotional",
        "time symbol side quantity price - - - - -",
        "seconds",
        "taker",
        market="um",
    ),
    _dialect(
        "bybit",
        "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
        "foreignNotional,RPI",
        "time symbol side quantity price - - - - - -",
        "seconds",
        "taker",
        market="um",
    ),
    _dialect(
        "bybit", "id,timestamp,price,volume,side", "id time price quantity side", "epoch", "taker"
    ),
    _dialect(
        "bybit",
        "id,timestamp,price,volume,side,rpi",
        "id time price quantity side -",
        "epoch",
        "taker",
    ),
    _dialect(
        "okx",
        "trade_id,side,size,price,created_time",
        "id side quantity price time",
        "epoch",
        "taker",
    ),
    _dialect(
        "okx",
        "instrument_name,trade_id,side,price,size,created_time",
        "symbol id side price quantity time",
        "epoch",
        "taker",
    ),
    _dialect(
        "coinbase", "time,trade_id,price,size,side", "time id price quantity side", "iso", "maker"
    ),
    _dialect(
        "coinbase", "trade_id,side,size,price,time", "id side quantity price time", "iso", "maker"
    ),
    Dialect(
        "bitstamp",
        ("date", "tid", "price", "amount", "type"),
        ("time", "id", "price", "quantity", "side"),
        "seconds",
        "taker",
        ("0",),
        ("1",),
    ),
    _dialect(
        "bitget",
        "trade_id,timestamp,price,side,volume(quote),size(base)",
        "id time price side quote quantity",
        "epoch",
        "taker",
    ),
    _dialect(
        "tardis",
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
        "- symbol time receive id side price quantity",
        "epoch",
        "taker",
        market="um",
    ),
    KRAKEN_REST,
)
_BY_HEADER = {tuple(name.lower() for name in d.header): d for d in DIALECTS}


def find_dialect(names: list[str]) -> Dialect | None:
    """Return the dialect whose header this is."""
    return _BY_HEADER.get(tuple(name.strip().strip('"').lower() for name in names))


def is_iso(text: str) -> bool:
    """Tell whether a text is a date, or date and time in UTC, as ISO 8601 writes it."""
    if _ISO.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


def iso_to_ns(texts: Iterable[str]) -> Int64Array:
    """Return the nanoseconds of texts that `is_iso` takes."""
    # BitMEX's D is no separator for numpy.
    plain = [text[:19].replace("D", "T") + text[19:].split("+")[0].rstrip("Z") for text in texts]
    return np.array(plain, dtype="datetime64[ns]").astype(np.int64)


def instant_ns(text: str) -> int | None:
    """Return the nanoseconds of a date and time as ISO 8601 writes it, with its offset from UTC.

    Without an offset it is UTC. None for any other text, dates without a time included.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC)
    except ValueError:
        return None
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    if match[4] not in (None, "Z", "z"):
        hours, minutes = int(match[4][1:3]), int(match[4][-2:])
        ahead = hours * 3600 + minutes * 60
        seconds += ahead if match[4].startswith("-") else -ahead
    return seconds * NS_PER_SECOND + int((match[3] or "").ljust(9, "0"))


def symbol_of_name(path: str) -> str | None:
    """Take the symbol from a file name such as BTC-USDT-trades-2024-05-15.zip or XBTUSD.csv."""
    match = _PAIR.match(PurePath(path).name) or _SYMBOL.match(PurePath(path).name)
    return match[1] if match else None
