"""What a file of lines is: layout, header, columns, time unit, and what its name says."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePath

from kline_harness.archives.compressed import TextFile
from kline_harness.archives.dialects import (
    BITMEX,
    GATE,
    KRAKEN_CSV,
    KRAKEN_REST,
    Dialect,
    find_dialect,
    instant_ns,
    is_iso,
)
from kline_harness.archives.other_kinds import other_kind
from kline_harness.errors import InputError, OtherKind
from kline_harness.units import INT64_MAX, NS_PER_SECOND, TimeUnit, parse_exact

_HEAD_BYTES = 64 << 10
_EXPECTED = "trades or klines"
_BOM = b"\xef\xbb\xbf"
TRUE_WORDS = ("true", "True", "TRUE")
FALSE_WORDS = ("false", "False", "FALSE")

_TRADE_NAMES = {
    "agg_id": "aggtradeid aggregatetradeid aggid aggregateid",
    "id": "id tradeid",
    "price": "price",
    "quantity": "quantity qty amount size",
    "quote": "quoteqty quotequantity quoteamount",
    "base": "baseqty basequantity",
    "first_id": "firsttradeid firstid",
    "last_id": "lasttradeid lastid",
    "time": "time timestamp transacttime tradetime",
    "maker": "isbuyermaker buyermaker buyerismaker isbuyerthemaker",
    "best": "isbestmatch bestmatch isbestpricematch wasthebestpricematch",
}
_KLINE_NAMES = {
    "open_time": "opentime date time timestamp unix indexlevel0",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "close_time": "closetime",
    "quote_volume": "quotevolume quoteassetvolume",
    "count": "count trades numberoftrades tradecount numtrades",
    "taker_buy_volume": "takerbuyvolume takerbuybaseassetvolume takerbuybasevolume",
    "taker_buy_quote_volume": "takerbuyquotevolume takerbuyquoteassetvolume",
    "symbol": "symbol pair",
    "timeframe": "timeframe interval",
    "ignore": "ignore ignored unused",
}
# The archive's own order of the columns, where there is no header.
_AGG_FUTURES = ("id", "price", "quantity", "first_id", "last_id", "time", "maker")
_TRADES_FUTURES = ("id", "price", "quantity", "quote", "time", "maker")
_TRADE_LAYOUTS = {
    "aggTrades": (_AGG_FUTURES, (*_AGG_FUTURES, "best")),
    "trades": (_TRADES_FUTURES, (*_TRADES_FUTURES, "best")),
}
KLINE_COLUMNS = (*tuple(_KLINE_NAMES)[:11], "ignore")
# The third is Kraken's OHLCVT.
_KLINE_LAYOUTS = (
    KLINE_COLUMNS,
    KLINE_COLUMNS[:11],
    (*KLINE_COLUMNS[:6], "count"),
    KLINE_COLUMNS[:6],
)

# A receive time, or nothing, before a message.
_RECORDING = re.compile(rb"(?:[0-9][0-9.:+TZ \t-]*[ \t,;|])?[ \t]*[\[{]")
# The first line of CryptoDataDownload's files says where they are from.
_ADDRESS = re.compile(rb"https?://[^\s,]+\r?\n")
_COIN_VOLUME = re.compile(r"volume[ _(]*([A-Z0-9]{2,})\)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file.

    `kind` aggTrades, trades, klines or stream; `header` whether the first line names the columns;
    `columns` the meaning of each column in order ("" where it has none here; empty for a
    stream); `unit` of its times (None for a stream, whose events tell); `dialect` for trades that
    are not in Binance's columns; `iso` for klines whose open times are dates and times in UTC;
    `unread` the header's names that mean nothing known; `preamble` lines before the header, such
    as an address.
    """

    kind: str
    header: bool
    columns: tuple[str, ...]
    unit: TimeUnit | None
    dialect: Dialect | None = None
    iso: bool = False
    unread: tuple[str, ...] = ()
    preamble: int = 0

    def strip(self, first_block: bytes) -> bytes:
        """Return the first block without byte order mark and the lines before the first row."""
        text = first_block.removeprefix(_BOM)
        for _ in range(self.first_line - 1):
            text = text[text.find(b"\n") + 1 or len(text) :]
        return text

    @property
    def first_line(self) -> int:
        """The line number of the first data row."""
        return 1 + self.preamble + self.header


def sniff(file: TextFile) -> Layout:
    """Tell the layout of a file from its first lines.

    Raises OtherKind for a file known to be neither trades nor klines, InputError for any other.
    """
    head = next(file.blocks(_HEAD_BYTES), b"").removeprefix(_BOM)
    address = _ADDRESS.match(head)
    if address is None:
        return _sniffed(file, head)
    try:
        return replace(_sniffed(file, head[address.end() :]), preamble=1)
    except InputError as error:
        line = None if error.line is None else error.line + 1
        raise type(error)(error.path, error.expected, error.found, line) from None


def _sniffed(file: TextFile, head: bytes) -> Layout:
    lines = [line.rstrip(b"\r") for line in head.split(b"\n", 2)[:2]]
    if not head:
        raise OtherKind(file.path, _EXPECTED, "an empty file")
    if not lines[0].strip():
        raise InputError(file.path, "trades or klines", "an empty line", line=1)
    if _RECORDING.match(lines[0]):
        return Layout("stream", False, (), None)
    first, second = ([_text(file, f) for f in line.split(b",")] for line in (lines * 2)[:2])
    if kind := other_kind(file.path, file.member, ",".join(first), [_plain(f) for f in first]):
        raise OtherKind(file.path, _EXPECTED, f"{kind}, which is neither", line=1)
    if any(_is_number(field) for field in first):
        return _by_shape(file, first)
    if len(lines) < 2 or not lines[1]:
        raise InputError(file.path, "rows after the first line", "none", line=1)
    return _by_names(file, first, second)


def _text(file: TextFile, field: bytes) -> str:
    try:
        # What follows a slash is a translation, in whatever encoding.
        text = (field if field.isascii() else field.partition(b"/")[0]).decode()
    except UnicodeDecodeError:
        raise InputError(file.path, "a CSV file or a recording", "no text", line=1) from None
    if not text.isprintable():
        raise InputError(file.path, "a CSV file or a recording", "no text", line=1)
    return text


def _is_number(field: str) -> bool:
    try:
        parse_exact(field)
    except ValueError:
        return False
    return True


def _by_shape(file: TextFile, row: list[str]) -> Layout:
    for kind, layouts in _TRADE_LAYOUTS.items():
        for columns in layouts:
            if len(row) != len(columns):
                continue
            fields = dict(zip(columns, row, strict=True))
            words = (*TRUE_WORDS, *FALSE_WORDS, "1", "0")
            if _unit(fields["time"]) and fields["maker"] in words:
                return Layout(kind, False, columns, _unit(fields["time"]))
    if len(row) == len(KRAKEN_CSV.columns) and all(map(_is_number, row)) and _seconds(row[0]):
        return Layout("trades", False, KRAKEN_CSV.columns, TimeUnit.SECOND, KRAKEN_CSV)
    is_gates = len(row) == len(GATE.columns) and row[1].isdigit() and row[4] in ("1", "2")
    if is_gates and _seconds(row[0]) and _is_number(row[2]) and _is_number(row[3]):
        return Layout("trades", False, GATE.columns, TimeUnit.SECOND, GATE)
    # After the trades: a trade id can look like a timestamp, and a taker side like a number.
    for columns in _KLINE_LAYOUTS:
        if len(row) == len(columns) and _is_number(row[-1]) and _unit(row[0]):
            return Layout("klines", False, columns, _unit(row[0]))
    expected = "the columns of aggTrades (7 or 8), trades (6 or 7) or klines (12)"
    raise InputError(file.path, expected, repr(_short(",".join(row))), line=1)


def _by_names(file: TextFile, names: list[str], row: list[str]) -> Layout:
    # OKX writes each name twice, in English and after a slash in Chinese.
    names = [name.partition("/")[0] for name in names]
    if dialect := find_dialect(names):
        return _foreign(file, dialect, row)
    if [_plain(name) for name in names] == [_plain(name) for name in KRAKEN_REST.header[:-1]]:
        return _foreign(file, KRAKEN_REST, row)
    found = {_plain(name) for name in names}
    if {"high", "low"} <= found:
        return _klines_by_names(file, names, row)
    columns = _meanings(_TRADE_NAMES, names)
    kind = "aggTrades" if {"agg_id", "first_id", "last_id"} & set(columns) else "trades"
    columns = tuple("id" if name == "agg_id" else name for name in columns)
    _require(file, kind, columns, names)
    if len(row) != len(names):
        raise InputError(file.path, f"{len(names)} columns", f"{len(row)}", line=2)
    return Layout(
        kind, True, columns, _unit_of(file, row, columns, "time"), unread=_unread(names, columns)
    )


def _klines_by_names(file: TextFile, names: list[str], row: list[str]) -> Layout:
    columns = _meanings(_KLINE_NAMES, names)
    if "open_time" not in columns and not names[0]:
        # pandas writes its index first and without a name.
        columns = ("open_time", *columns[1:])
    if len(row) == len(names):
        columns = _coin_volumes(file, names, row, _one_time(row, columns))
    _require(file, "klines", columns, names)
    if len(row) != len(names):
        raise InputError(file.path, f"{len(names)} columns", f"{len(row)}", line=2)
    if is_iso(row[columns.index("open_time")]):
        if "close_time" in columns and instant_ns(row[columns.index("close_time")]) is None:
            columns = tuple("" if name == "close_time" else name for name in columns)
        unread = _unread(names, columns)
        return Layout("klines", True, columns, TimeUnit.SECOND, iso=True, unread=unread)
    unit = _unit_of(file, row, columns, "open_time")
    return Layout("klines", True, columns, unit, unread=_unread(names, columns))


def _unit_of(file: TextFile, row: list[str], columns: tuple[str, ...], name: str) -> TimeUnit:
    time = row[columns.index(name)]
    unit = _unit(time)
    if unit is None:
        raise InputError(file.path, "an epoch timestamp in s, ms, us or ns", repr(time), line=2)
    return unit


def _one_time(row: list[str], columns: tuple[str, ...]) -> tuple[str, ...]:
    """Of several columns with the open time keep the first that is a number, else the first."""
    places = [place for place, name in enumerate(columns) if name == "open_time"]
    kept = next((place for place in places if _unit(row[place])), places[0] if places else -1)
    return tuple(
        "" if name == "open_time" and place != kept else name for place, name in enumerate(columns)
    )


def _coin_volumes(
    file: TextFile, names: list[str], row: list[str], columns: tuple[str, ...]
) -> tuple[str, ...]:
    """Tell volumes that are named by coin: of the base coin, with which the symbol begins, or of
    the quote coin, with which it ends. Where the symbol does not say which, they are not read."""
    stated = row[columns.index("symbol")] if "symbol" in columns else ""
    texts = [stated or PurePath(file.path).name, file.member or ""]
    symbols = [re.sub(r"[^A-Z0-9]", "", text.upper()) for text in texts]
    matches = [_COIN_VOLUME.fullmatch(name.strip().strip('"')) for name in names]
    coins = {match[1].upper() for match in matches if match}
    meanings: dict[str, str] = {}
    for base in coins:
        for quote in coins - {base} if len(coins) > 1 else ():
            if any(base + quote in symbol for symbol in symbols):
                meanings |= {base: "volume", quote: "quote_volume"}
    if len(coins) == 1 and stated:
        (coin,) = coins
        meanings = {coin: "volume"} if symbols[0].startswith(coin) else {}
        meanings |= {coin: "quote_volume"} if symbols[0].endswith(coin) else {}
    return tuple(
        meanings.get(match[1].upper(), name) if match and not name else name
        for match, name in zip(matches, columns, strict=True)
    )


def _unread(names: list[str], columns: tuple[str, ...]) -> tuple[str, ...]:
    # A second column with the open time, as text beside a number, says nothing more.
    times = _KLINE_NAMES["open_time"].split() if "open_time" in columns else ()
    pairs = zip(names, columns, strict=True)
    unread = (name for name, column in pairs if name and not column and _plain(name) not in times)
    return tuple(name.strip().strip('"') for name in unread)


def _foreign(file: TextFile, dialect: Dialect, row: list[str]) -> Layout:
    if dialect.source == "bybit" and len(row) == len(BITMEX.columns) and is_iso(row[0]):
        dialect = BITMEX
    columns = dialect.columns[: len(row)]
    if len(row) not in (len(dialect.columns), len(dialect.columns) - (dialect is KRAKEN_REST)):
        raise InputError(file.path, f"{len(dialect.columns)} columns", f"{len(row)}", line=2)
    fields = dict(zip(columns, row, strict=True))
    if "id" in fields and not fields["id"].isdigit():
        # Not every exchange numbers its trades: the reader will.
        columns = tuple("" if name == "id" else name for name in columns)
    time = fields["time"]
    unit = _unit(time)
    known = {"epoch": unit is not None, "seconds": _seconds(time), "iso": is_iso(time)}
    if not known[dialect.time]:
        expected = {"epoch": "an epoch timestamp", "seconds": "epoch seconds", "iso": "a UTC time"}
        raise InputError(file.path, expected[dialect.time], repr(time), line=2)
    return Layout("trades", True, columns, unit or TimeUnit.SECOND, dialect)


def _seconds(text: str) -> bool:
    return _unit(text.partition(".")[0]) is TimeUnit.SECOND and _is_number(text)


def _require(file: TextFile, kind: str, columns: tuple[str, ...], names: list[str]) -> None:
    needed = {
        "aggTrades": _AGG_FUTURES,
        "trades": ("id", "price", "quantity", "time", "maker"),
        "klines": KLINE_COLUMNS[:5],
    }[kind]
    header = _short(",".join(names))
    for name in needed:
        if name not in columns:
            expected = f"a column for the {kind} field {name!r}"
            raise InputError(file.path, expected, f"the header {header!r}", line=1)
    doubled = {name for name in columns if name and columns.count(name) > 1}
    if doubled:
        expected = f"one column for the {kind} field {min(doubled)!r}"
        raise InputError(file.path, expected, f"the header {header!r}", line=1)


def _meanings(aliases: dict[str, str], names: list[str]) -> tuple[str, ...]:
    meaning = {alias: name for name, text in aliases.items() for alias in text.split()}
    return tuple(meaning.get(_plain(name), "") for name in names)


def names_column(text: str) -> bool:
    """Tell whether a text is a name that headers give to a column, and so no value of one."""
    aliases = (*_TRADE_NAMES.values(), *_KLINE_NAMES.values())
    return any(_plain(text) in names.split() for names in aliases)


def _plain(name: str) -> str:
    return name.strip().strip('"').replace("_", "").replace(" ", "").lower()


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."


def _unit(text: str) -> TimeUnit | None:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    try:
        return TimeUnit.detect(int(text))
    except ValueError:
        return None


def unit_name(unit: TimeUnit) -> str:
    """Return the short name of a time unit."""
    return {"SECOND": "s", "MILLISECOND": "ms", "MICROSECOND": "us", "NANOSECOND": "ns"}[unit.name]


def unit_range(unit: TimeUnit) -> tuple[int, int]:
    """Return the smallest and largest timestamp taken to be in a unit."""
    ticks = NS_PER_SECOND // unit.value
    return 100_000_000 * ticks, min(10_000_000_000 * ticks - 1, INT64_MAX // unit.value)
