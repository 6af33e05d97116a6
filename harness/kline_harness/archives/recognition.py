"""A file of any form as lines of text, and what it is by its first lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from kline_harness.archives.arrow_file import holds_klines
from kline_harness.archives.compressed import EMPTY, TextFile, is_table
from kline_harness.archives.exchange import Dialect, Exchange, KlineForm
from kline_harness.archives.exchanges.binance import (
    AGGREGATE_COLUMNS,
    BINANCE,
    KLINE_COLUMNS,
    TRADE_LAYOUTS,
)
from kline_harness.archives.exchanges.binance.other_kinds import other_kind
from kline_harness.archives.exchanges.cryptodatadownload import volumes_by_coin
from kline_harness.archives.fields import (
    FALSE_WORDS,
    TRUE_WORDS,
    is_number,
    plain_name,
    unit_of,
)
from kline_harness.archives.file_names import name_symbol
from kline_harness.archives.iso_times import is_iso
from kline_harness.archives.kline_table import KlineTableText
from kline_harness.archives.mapped_values import instant_of
from kline_harness.archives.quoted_text import QuotedText, is_quoted
from kline_harness.archives.registry import (
    EXCHANGES,
    KLINE_NAMES,
    NOT_STATED,
    TRADE_NAMES,
    kline_forms,
    trades_with_header,
    trades_without_header,
)
from kline_harness.archives.replies import Reply, is_reply
from kline_harness.archives.table import BOM, Layout
from kline_harness.errors import InputError, NoRows, OtherKind
from kline_harness.units import TimeUnit

_HEAD_BYTES = 64 << 10
_EXPECTED = "trades or klines"

# Plain names of columns that trades do not have; two of them make klines.
_KLINES_ALONE = {"opentime", "open", "high", "low", "close"}
# Without a header and with no more columns than these, klines may be anybody's.
_KLINE_SHAPE = KLINE_COLUMNS[:6]
_WITH_CLOSES = KLINE_COLUMNS[:7]
# A receive time, or nothing, before a message.
_RECORDING = re.compile(rb"(?:[0-9][0-9.,:+TZ \t-]*[ \t,;|])?[ \t]*[\[{]")
# A first line that says where a file is from.
_ADDRESS = re.compile(rb"https?://([^\s,]+)\r?\n")


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of lines, and what its first ones tell: its layout, and "trades" or "klines"."""

    file: TextFile
    layout: Layout
    holds: str


def open_text(path: Path | str) -> TextFile:
    """Open a file of lines, a saved reply or a table of klines as one.

    Raises InputError as `TextFile` does, and for a table of anything else: its columns must be
    named by a column map.
    """
    if is_table(path):
        if holds_klines(path):
            return KlineTableText(path)
        raise InputError(path, "a column map (--columns) for a table that is no klines", "none")
    file = TextFile(path)
    head = file.head().removeprefix(BOM).lstrip()
    if head.startswith((b"{", b"[")):
        return Reply(path) if is_reply(head) else file
    return QuotedText(path) if b'","' in head and is_quoted(head) else file


def sniff(file: TextFile) -> Layout:
    """Tell the layout of a file from its first lines.

    Raises OtherKind for a file known to be neither trades nor klines, InputError for any other.
    """
    head = file.beginning(_HEAD_BYTES).removeprefix(BOM)
    if isinstance(file, Reply):
        return replace(_sniffed(file, head), header_in_file=False)
    address = _ADDRESS.match(head)
    if address is None:
        return _sniffed(file, head)
    try:
        layout = replace(_sniffed(file, head[address.end() :]), preamble=1)
    except InputError as error:
        line = None if error.line is None else error.line + 1
        raise type(error)(error.path, error.expected, error.found, line) from None
    named = address[1].decode(errors="replace")
    owner = next((one for one in EXCHANGES if one.address and one.address in named), None)
    return replace(layout, source=owner.name) if owner else layout


def _sniffed(file: TextFile, head: bytes) -> Layout:
    lines = [line.rstrip(b"\r") for line in head.split(b"\n", 2)[:2]]
    if not head:
        raise OtherKind(file.path, _EXPECTED, EMPTY)
    if not lines[0].strip():
        raise InputError(file.path, "trades or klines", "an empty line", line=1)
    if _RECORDING.match(lines[0]):
        return Layout("stream", False, (), None, source=BINANCE)
    if b'{"' in lines[0]:
        shown = repr(_short(lines[0].decode(errors="replace")))
        raise InputError(file.path, "<receive time> <json>, or json alone", shown, line=1)
    first, second = ([_text(file, f) for f in line.split(b",")] for line in (lines * 2)[:2])
    if kind := other_kind(file.path, file.member, ",".join(first), [plain_name(f) for f in first]):
        raise OtherKind(file.path, _EXPECTED, f"{kind}, which is neither", line=1)
    if any(is_number(field) for field in first):
        return _by_shape(file, first)
    if len(lines) < 2 or not lines[1].strip():
        if head.split(b"\n", 1)[-1].strip():
            raise InputError(file.path, "a row after the first line", "an empty line", line=2)
        is_header = sum(map(names_column, first)) > 1
        error = NoRows if is_header else InputError
        raise error(file.path, "rows after the first line", "none", line=1)
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


def _by_shape(file: TextFile, row: list[str]) -> Layout:
    for kind, layouts in TRADE_LAYOUTS.items():
        for columns in layouts:
            if len(row) != len(columns):
                continue
            fields = dict(zip(columns, row, strict=True))
            words = (*TRUE_WORDS, *FALSE_WORDS, "1", "0")
            if unit_of(fields["time"]) and fields["maker"] in words:
                return Layout(kind, False, columns, unit_of(fields["time"]), source=BINANCE)
    if found := trades_without_header(row):
        return _foreign(file, *found, row, header=False)
    # After the trades: a trade id can look like a timestamp, and a taker side like a number.
    if is_number(row[-1]) and (unit := unit_of(row[0])):
        if len(row) == len(_WITH_CLOSES) and unit_of(row[-1]) is unit:
            # So many trades as there are ticks since 1970 no kline has.
            return Layout("klines", False, _WITH_CLOSES, unit, source=NOT_STATED)
        for exchange, form in kline_forms():
            if len(row) == len(form.columns):
                return Layout("klines", False, form.columns, unit, source=exchange.name)
        if len(row) == len(_KLINE_SHAPE):
            return Layout("klines", False, _KLINE_SHAPE, unit, source=NOT_STATED)
    expected = "the columns of aggTrades (7 or 8), trades (6 or 7) or klines (12)"
    raise InputError(file.path, expected, repr(_short(",".join(row))), line=1)


def _by_names(file: TextFile, names: list[str], row: list[str]) -> Layout:
    # OKX writes each name twice, in English and after a slash in Chinese.
    names = [name.partition("/")[0] for name in names]
    if found := trades_with_header(names, row):
        return _foreign(file, *found, row, header=True)
    plain = {plain_name(name) for name in names}
    if len(plain & _KLINES_ALONE) > 1:
        return _klines_by_names(file, names, row)
    columns = _meanings(TRADE_NAMES, names)
    kind = "aggTrades" if {"agg_id", "first_id", "last_id"} & set(columns) else "trades"
    columns = tuple("id" if name == "agg_id" else name for name in columns)
    _require(file, kind, columns, names)
    _check_width(file, names, row)
    unit = _unit_of(file, row, columns, "time")
    return Layout(kind, True, columns, unit, unread=_unread(names, columns), source=BINANCE)


def _check_width(file: TextFile, names: list[str], row: list[str]) -> None:
    if len(row) != len(names):
        raise InputError(file.path, f"{len(names)} columns", f"{len(row)}", line=2)


def _klines_by_names(file: TextFile, names: list[str], row: list[str]) -> Layout:
    columns = _meanings(KLINE_NAMES, names)
    if "open_time" not in columns and not names[0]:
        # pandas writes its index first and without a name.
        columns = ("open_time", *columns[1:])
    if len(row) == len(names):
        columns = _one_time(row, columns)
        stated = row[columns.index("symbol")] if "symbol" in columns else ""
        stated = stated or name_symbol(file.path, file.member) or ""
        files = (PurePath(file.path).name, file.member or "")
        columns = volumes_by_coin(names, columns, stated, files)
    _require(file, "klines", columns, names)
    _check_width(file, names, row)
    opened = row[columns.index("open_time")]
    unit, iso = TimeUnit.SECOND, is_iso(opened) or instant_of(opened) is not None
    closed = row[columns.index("close_time")] if "close_time" in columns else ""
    # Whole numbers are read as such, whatever the text of the other times is.
    iso = iso and unit_of(opened) is None
    if iso and instant_of(closed) is None:
        columns = tuple("" if name == "close_time" else name for name in columns)
    if not iso:
        unit = _unit_of(file, row, columns, "open_time")
    plain = {*columns, *map(plain_name, names)}
    marked = ((e, form) for e, form in kline_forms() if form.marks and plain.issuperset(form.marks))
    exchange, form = next(marked, (None, KlineForm()))
    source = exchange.name if exchange else NOT_STATED
    unread = tuple(name for name in _unread(names, columns) if name not in form.documented)
    return Layout("klines", True, columns, unit, iso=iso, unread=unread, source=source)


def _unit_of(file: TextFile, row: list[str], columns: tuple[str, ...], name: str) -> TimeUnit:
    time = row[columns.index(name)]
    unit = unit_of(time)
    if unit is None:
        raise InputError(file.path, "an epoch timestamp in s, ms, us or ns", repr(time), line=2)
    return unit


def _one_time(row: list[str], columns: tuple[str, ...]) -> tuple[str, ...]:
    """Of several columns with the open time keep the first that is a number, else the first."""
    places = [place for place, name in enumerate(columns) if name == "open_time"]
    kept = next((place for place in places if unit_of(row[place])), places[0] if places else -1)
    return tuple(
        "" if name == "open_time" and place != kept else name for place, name in enumerate(columns)
    )


def _unread(names: list[str], columns: tuple[str, ...]) -> tuple[str, ...]:
    # A second column with the open time, as text beside a number, says nothing more.
    has_time = "open_time" in columns
    times = {text for text, name in KLINE_NAMES.items() if has_time and name == "open_time"}
    pairs = zip(names, columns, strict=True)
    unread = (
        name for name, column in pairs if name and not column and plain_name(name) not in times
    )
    return tuple(name.strip().strip('"') for name in unread)


def _foreign(
    file: TextFile, exchange: Exchange, dialect: Dialect, row: list[str], *, header: bool
) -> Layout:
    columns = dialect.columns
    if len(row) != len(columns):
        raise InputError(file.path, f"{len(columns)} columns", f"{len(row)}", line=2)
    fields = dict(zip(columns, row, strict=True))
    if "id" in fields and not fields["id"].isdigit():
        # Not every exchange numbers its trades: the reader will.
        columns = tuple("" if name == "id" else name for name in columns)
    time = fields["time"]
    if not dialect.takes_time(time):
        raise InputError(file.path, dialect.expected_time, repr(time), line=2)
    unit = unit_of(time) or TimeUnit.SECOND
    return Layout("trades", header, columns, unit, dialect, source=exchange.name)


def _require(file: TextFile, kind: str, columns: tuple[str, ...], names: list[str]) -> None:
    needed = {
        "aggTrades": AGGREGATE_COLUMNS,
        "trades": ("id", "price", "quantity", "time", "maker"),
        "klines": KLINE_COLUMNS[:5],
    }[kind]
    header = _short(",".join(names))
    lacking = [repr(name) for name in needed if name not in columns]
    if lacking:
        more = f" (and for {', '.join(lacking[1:])})" if lacking[1:] else ""
        expected = f"a column for the {kind} field {lacking[0]}{more}"
        raise InputError(file.path, expected, f"the header {header!r}", line=1)
    doubled = {name for name in columns if name and columns.count(name) > 1}
    if doubled:
        expected = f"one column for the {kind} field {min(doubled)!r}"
        raise InputError(file.path, expected, f"the header {header!r}", line=1)


def _meanings(meaning: Mapping[str, str], names: list[str]) -> tuple[str, ...]:
    return tuple(meaning.get(plain_name(name), "") for name in names)


def kline_meanings(names: list[str]) -> tuple[str, ...]:
    """Return which field of a kline each column is by its name, "" where the name is not known."""
    return _meanings(KLINE_NAMES, names)


def names_column(text: str) -> bool:
    """Tell whether a text is a name that headers give to a column, and so no value of one."""
    name = plain_name(text)
    return name in TRADE_NAMES or name in KLINE_NAMES


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."
