"""The rows of a store by symbol and interval, each row read, or named with what is wrong in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal

from kline_harness.archives import ExchangeKlines
from kline_harness.archives.fields import unit_of
from kline_harness.archives.iso_times import is_iso
from kline_harness.archives.klines import klines_of
from kline_harness.archives.made_text import RowsText
from kline_harness.archives.recognition import kline_meanings, sniff
from kline_harness.decimals import DECIMAL_DIGITS, DECIMAL_SCALE
from kline_harness.errors import InputError
from kline_harness.interval import Interval
from kline_harness.kline import FIELDS
from kline_harness.units import TimeUnit

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?|\.[0-9]+", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,18}", re.ASCII)
_WHOLE_DIGITS = DECIMAL_DIGITS - DECIMAL_SCALE
_EXACT = Context(prec=1_100)
# The fields without which a row is no kline.
_NEEDED = ("open_time", "open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no kline: where it stands (rows count from 1), and what was found there."""

    place: str
    row: int
    column: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class RowTable:
    """Rows of a store as text, column by column; "" stands for no value.

    `floats` are the columns that hold binary floating point, whose shortest text is taken.
    """

    place: str
    names: tuple[str, ...]
    columns: tuple[Sequence[str], ...]
    floats: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """The rows of one symbol and interval, in the order of the store.

    `floats` are the fields that the store keeps as floats; `unread` the columns whose names are
    not known, which nothing was read from.
    """

    klines: ExchangeKlines
    place: str
    floats: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """The symbol and the interval as text."""
        return self.klines.symbol, self.klines.interval.text


@dataclass(slots=True)
class StoreContent:
    """Everything a store holds: rows = those of `series` + `bad` + `foreign` + `forming`.

    `foreign` counts the rows of symbols that were not served, by the name that the store gives
    them; `not_read` are tables that were left alone, each with the reason; `forming` counts what
    the store itself says is not final, such as open klines in a captured stream.
    """

    name: str
    rows: int = 0
    series: list[StoredSeries] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)
    not_read: list[tuple[str, str]] = field(default_factory=list)
    forming: int = 0

    def add(self, table: RowTable, selection: TableNames) -> None:
        """Take the rows of a table, split by symbol and interval.

        Raises InputError where the table has no columns of klines.
        """
        self.rows += len(table)
        _Split(self, table, selection).take()


@dataclass(frozen=True, slots=True)
class TableNames:
    """How the rows of a table are named: the served symbol behind a text, and what is given.

    `symbol` and `interval` are those of a table without such columns; `columns` maps fields to
    the table's names where they are not the usual ones.
    """

    symbol_of: Callable[[str], str | None]
    symbol: str | None = None
    interval: Interval | None = None
    columns: tuple[tuple[str, str], ...] = ()

    def meanings(self, table: RowTable) -> tuple[str, ...]:
        """Return the field of each column, "" for one that is not read.

        Raises InputError where a column named by the map is not there.
        """
        if not self.columns:
            return kline_meanings(list(table.names))
        for meaning, name in self.columns:
            if name not in table.names:
                expected = f"a column {name!r} for {meaning}"
                raise InputError(table.place, expected, ", ".join(table.names))
        fields = {name: meaning for meaning, name in self.columns}
        return tuple(fields.get(name, "") for name in table.names)


class _Split:
    """Splits one table by symbol and interval, and reads each part."""

    def __init__(self, content: StoreContent, table: RowTable, selection: TableNames) -> None:
        self._content, self._table, self._selection = content, table, selection
        meanings = selection.meanings(table)
        doubled = [name for name, n in Counter(m for m in meanings if m).items() if n > 1]
        if doubled:
            found = ", ".join(table.names)
            raise InputError(table.place, f"one column for {doubled[0]}", found)
        filled = [bool(len(table) == 0 or any(column)) for column in table.columns]
        # A column without any value states nothing.
        self._places = {m: k for k, m in enumerate(meanings) if m and filled[k]}
        for name in _NEEDED:
            if name not in self._places:
                raise InputError(table.place, f"a column for {name}", ", ".join(table.names))
        names = zip(table.names, meanings, strict=True)
        self._unread = tuple(name for name, meaning in names if not meaning)

    def take(self) -> None:
        unit = self._unit()
        groups: dict[tuple[str, str], list[int]] = {}
        for row in range(len(self._table)):
            bad = self._bad(row, unit)
            if bad is not None:
                self._content.bad.append(bad)
                continue
            stated = self._text("symbol", row)
            symbol = self._selection.symbol_of(stated) if stated else self._selection.symbol
            if symbol is None:
                if not stated:
                    raise InputError(self._table.place, "a symbol, in a column or given", "none")
                self._content.foreign[stated] += 1
                continue
            groups.setdefault((symbol, self._text("timeframe", row)), []).append(row)
        for (symbol, interval), rows in groups.items():
            self._read(symbol, interval, rows)

    def _read(self, symbol: str, interval: str, rows: list[int]) -> None:
        kept = [n for n in self._places if n != "symbol" and (n != "timeframe" or interval)]
        # A close time that some rows lack is none of the series.
        kept = [n for n in kept if all(self._text(n, row) for row in rows)]
        lines = [",".join(kept)]
        lines += [",".join(self._text(name, row) for name in kept) for row in rows]
        floats = tuple(
            name for name in kept if self._table.names[self._places[name]] in self._table.floats
        )
        text = RowsText(
            self._table.place, "\n".join([*lines, ""]).encode(), has_floats=bool(floats)
        )
        # The column says it, else what was given, else the times.
        frame = None if interval else self._selection.interval
        klines = klines_of(text, sniff(text), symbol, frame)
        if interval and klines.interval.text != interval and self._selection.interval:
            raise InputError(self._table.place, str(self._selection.interval), interval)
        self._content.series.append(StoredSeries(klines, self._table.place, floats, self._unread))

    def _text(self, name: str, row: int) -> str:
        place = self._places.get(name)
        return "" if place is None else self._table.columns[place][row]

    def _unit(self) -> TimeUnit | None:
        """Return the unit of most open times, None where they are dates."""
        units: Counter[TimeUnit] = Counter()
        for text in self._table.columns[self._places["open_time"]]:
            unit = unit_of(text)
            if unit is not None:
                units[unit] += 1
        return units.most_common(1)[0][0] if units else None

    def _bad(self, row: int, unit: TimeUnit | None) -> BadRow | None:
        opened = self._text("open_time", row)
        if unit is None and not is_iso(opened):
            return self._wrong(row, "open_time", "a time", opened)
        if unit is not None and unit_of(opened) is not unit:
            expected = f"an epoch timestamp in {unit.name.lower()}s"
            return self._wrong(row, "open_time", expected, opened)
        closed = self._text("close_time", row)
        if closed and not (is_iso(closed) or unit_of(closed) is unit):
            return self._wrong(row, "close_time", "a time like the open time", closed)
        for name in FIELDS:
            if name not in self._places:
                continue
            text = self._text(name, row)
            pattern, expected = (_WHOLE, "a count") if name == "count" else (_NUMBER, "a number")
            if pattern.fullmatch(text) is None:
                return self._wrong(row, name, f"{expected} that is not negative", text)
            if (len(text) > DECIMAL_SCALE or "e" in text.lower()) and not _fits(text):
                expected = f"at most {DECIMAL_SCALE} decimals and {_WHOLE_DIGITS} digits before"
                return self._wrong(row, name, expected, text)
        return None

    def _wrong(self, row: int, name: str, expected: str, found: str) -> BadRow:
        column = self._table.names[self._places[name]]
        return BadRow(self._table.place, row + 1, column, expected, found or "no value")


def _fits(text: str) -> bool:
    """Tell whether a number fits the table of a run's klines."""
    number = Decimal(text).normalize(_EXACT)
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and -exponent <= DECIMAL_SCALE and number < 10**_WHOLE_DIGITS


def symbols_by_text(served: Iterable[str]) -> Callable[[str], str | None]:
    """Return what finds the served symbol that a text means; None where none or several fit.

    Texts such as BTCUSDT, btc-usdt, BTC/USDT:USDT and BTCUSDT-PERP.BINANCE mean one symbol.
    """
    known = {_plain(name): name for name in served}

    def find(text: str) -> str | None:
        if text in known.values():
            return text
        plain = _plain(text.partition(":")[0])
        if plain in known:
            return known[plain]
        fits = [name for stem, name in known.items() if plain.startswith(stem + "PERP")]
        return fits[0] if len(fits) == 1 else None

    return find


def _plain(text: str) -> str:
    return re.sub(r"[^0-9A-Z\u0080-\U0010ffff]", "", text.upper())
