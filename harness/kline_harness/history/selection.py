"""What is asked for, such as um:BTCUSDT:2024-07-01..2024-07-31, and the files it stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from string import Formatter

from kline_harness.errors import UsageError
from kline_harness.history.layouts import ARCHIVES, DAILY, KLINES, TRADE_KINDS
from kline_harness.interval import parse_intervals

_FORM = re.compile(
    r"(?P<market>[a-z0-9-]+):(?P<symbol>[^:/]+):(?P<first>[^:/.]+)(?:\.\.(?P<last>[^:/]+))?"
)
# Such as BTCUSDT, BTCUSD_241227, BTC-USDT-SWAP; some symbols are not of the Latin alphabet.
_SYMBOL = re.compile(r"[^\W_a-z]{1,40}(?:[_-][^\W_a-z]{1,20}){0,3}")
_EXAMPLE = "such as um:BTCUSDT:2024-07-18 or um:BTCUSDT:2024-07-01..2024-07-31"


@dataclass(frozen=True, slots=True)
class Selection:
    """Days of one symbol of one market, both ends included."""

    market: str
    symbol: str
    first: date
    last: date

    def __post_init__(self) -> None:
        if self.market not in ARCHIVES:
            names = ", ".join(ARCHIVES)
            raise UsageError(f"market {self.market!r}: expected one of {names}")
        if not _SYMBOL.fullmatch(self.symbol):
            raise UsageError(f"symbol {self.symbol!r}: expected capitals and digits, as BTCUSDT")
        if self.last < self.first:
            raise UsageError(
                f"expected the first day before the last, found {self.first}..{self.last}"
            )

    def __str__(self) -> str:
        days = str(self.first) if self.first == self.last else f"{self.first}..{self.last}"
        return f"{self.market}:{self.symbol}:{days}"

    def days(self) -> list[date]:
        """Return every day."""
        count = (self.last - self.first).days + 1
        return [self.first + timedelta(days=n) for n in range(count)]


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """One file of an archive; `when` is 2024-07-18 or 2024-07, `interval` "" for trades."""

    market: str
    symbol: str
    data: str
    interval: str
    period: str
    when: str

    @property
    def path(self) -> str:
        """The path below the archive's host."""
        days = {"first": self.first_day, "last": self.last_day}
        return self._form.format(**self._names, date=self.when, **days)

    @property
    def series(self) -> re.Pattern[str]:
        """What the paths of the same series look like, whatever their dates."""
        form = ""
        for text, name, code, _ in Formatter().parse(self._form):
            date = "%Y-%m-%d" if self.period == DAILY else "%Y-%m"
            written = code if name in ("first", "last") else date if name == "date" else None
            form += re.escape(text)
            if written is not None:
                form += re.sub("%[a-zA-Z]", r"\\d+", re.escape(written).replace("\\%", "%"))
            elif name is not None:
                form += re.escape(self._names[name])
        return re.compile(form, re.ASCII)

    @property
    def _form(self) -> str:
        paths = ARCHIVES[self.market].paths
        if (self.data, self.period) not in paths:
            known = ", ".join(sorted(f"{period} {data}" for data, period in paths))
            raise UsageError(
                f"{self.market}: expected one of {known}, found {self.period} {self.data}"
            )
        return paths[self.data, self.period]

    @property
    def _names(self) -> dict[str, str]:
        intervals = ARCHIVES[self.market].intervals
        return {
            "symbol": self.symbol,
            "interval": intervals.get(self.interval, self.interval),
        }

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]

    @property
    def url(self) -> str:
        """The URL that the archive itself gives the file, wherever it is fetched from."""
        return f"{ARCHIVES[self.market].host}/{self.path}"

    @property
    def first_day(self) -> date:
        """The first day that the file covers."""
        return date.fromisoformat(self.when if self.period == DAILY else f"{self.when}-01")

    @property
    def last_day(self) -> date:
        """The last day that the file covers."""
        first = self.first_day
        return first if self.period == DAILY else month_end(first)

    def of(self, period: str, when: str) -> Item:
        """Return the file of the same series for another time."""
        return Item(self.market, self.symbol, self.data, self.interval, period, when)


def month_end(day: date) -> date:
    """Return the last day of a day's month."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def is_selection(text: str) -> bool:
    """Tell whether a word has the form of a selection, right or wrong."""
    match = _FORM.fullmatch(text)
    return match is not None and (match["market"] in ARCHIVES or text.count(":") == 2)


def parse_selection(text: str) -> Selection:
    """Read a selection.

    Raises UsageError for anything else.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r}: expected MARKET:SYMBOL:DAY, {_EXAMPLE}")
    first = parse_day(match["first"])
    return Selection(
        match["market"],
        match["symbol"],
        first,
        parse_day(match["last"]) if match["last"] else first,
    )


def parse_day(text: str) -> date:
    """Read a day such as 2024-07-18.

    Raises UsageError for anything else.
    """
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r}: expected a day such as 2024-07-18") from None


def items_of(
    selection: Selection, data: Sequence[str], intervals: str, periods: Sequence[str]
) -> list[Item]:
    """Return the files of a selection: each data kind, each interval of klines, each period.

    Raises UsageError for what the archive does not have.
    """
    kinds = [(name, "") for name in data]
    if intervals:
        kinds += [(KLINES, one.text) for one in parse_intervals(intervals)]
    for name, _ in kinds:
        if name not in (*TRADE_KINDS, KLINES):
            raise UsageError(f"data {name!r}: expected one of {', '.join(TRADE_KINDS)}")
    items = []
    for name, interval in kinds:
        for period in periods:
            dates = [str(day)[: 10 if period == DAILY else 7] for day in selection.days()]
            for when in dict.fromkeys(dates):
                item = Item(selection.market, selection.symbol, name, interval, period, when)
                assert item.path
                items.append(item)
    return items
