"""What is known of one exchange or seller of data: its files' columns, its klines, its ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kline_harness.archives.fields import is_number, is_seconds, unit_of
from kline_harness.archives.iso_times import is_iso
from kline_harness.id_rule import IdRule
from kline_harness.kline_rule import KlineRule

# The lines of a reply of a REST interface, given the file's path and the JSON values it holds;
# None where the values are another exchange's.
ReplyReader = Callable[[str, Sequence[Any]], list[str] | None]
_EXPECTED = {"epoch": "an epoch timestamp", "seconds": "epoch seconds", "iso": "a UTC time"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One layout of trades that is not Binance's.

    `columns` is what each column means: id, time, receive, symbol, price, quantity, quote, side,
    or "" for what is not read. `header` are its names, none where a file has no header. `time` is
    an epoch timestamp whose unit is derived from the file, decimal seconds, or ISO 8601 in UTC.
    `side` tells whose side the file states, "" if nobody's.
    """

    columns: tuple[str, ...]
    time: Literal["epoch", "seconds", "iso"]
    side: Literal["taker", "maker", ""]
    header: tuple[str, ...] = ()
    buys: tuple[str, ...] = ("buy", "Buy")
    sells: tuple[str, ...] = ("sell", "Sell")
    market: str = "spot"

    @property
    def expected_time(self) -> str:
        """What a time of this layout is."""
        return _EXPECTED[self.time]

    def takes_time(self, text: str) -> bool:
        """Tell whether a text is a time as this layout writes it."""
        if self.time == "iso":
            return is_iso(text)
        return is_seconds(text) if self.time == "seconds" else unit_of(text) is not None

    def takes_row(self, row: Sequence[str]) -> bool:
        """Tell whether a row can be one of this layout, by each of its fields."""
        if len(row) != len(self.columns):
            return False
        return all(map(self._takes, self.columns, row))

    def _takes(self, column: str, text: str) -> bool:
        if column == "time":
            return self.takes_time(text)
        if column == "side":
            return text in (*self.buys, *self.sells)
        if column == "id":
            return text.isdigit()
        return column in ("", "symbol") or is_number(text)


def dialect(
    columns: str,
    header: str = "",
    *,
    time: Literal["epoch", "seconds", "iso"],
    side: Literal["taker", "maker", ""],
    sides: tuple[str, str] | None = None,
    market: str = "spot",
) -> Dialect:
    """Make a dialect of its columns' meanings and of the names in its header.

    Between meanings are blanks, and - stands for what is not read; between names are commas.
    `sides` are its words for a buy and a sell, where they are not buy and sell.
    """
    meanings = tuple("" if name == "-" else name for name in columns.split())
    names = tuple(header.split(",")) if header else ()
    if sides is None:
        return Dialect(meanings, time, side, names, market=market)
    return Dialect(meanings, time, side, names, (sides[0],), (sides[1],), market)


@dataclass(frozen=True, slots=True)
class KlineForm:
    """How to know an exchange's klines.

    `columns` is the meaning of each column of a file without a header; `marks` are names or
    meanings of columns that together no other's header has; `documented` names of columns that
    are known and none of a kline's nine fields.
    """

    columns: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    documented: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange or seller of data, whose files say so by their form.

    `ids` is the rule of its trades' ids, where it is another on spot or in recordings `spot_ids`
    and `recorded_ids`; `address` is what the address in a first line holds; `symbol_in_name` finds
    the symbol (its first group) in the names of its files, where the general rule does not;
    `minutes_in_name` the length of klines there.
    `trade_names` and `kline_names` are, by what a column means, the names that headers give it
    (blanks between; in small letters, without blanks, dots and underscores): files that no header
    of `trades` fits are read by them, whose ever they are.
    """

    name: str
    klines: KlineRule
    ids: IdRule = IdRule.UNKNOWN
    trades: tuple[Dialect, ...] = ()
    kline_forms: tuple[KlineForm, ...] = ()
    reply: ReplyReader | None = None
    spot_ids: IdRule | None = None
    recorded_ids: IdRule | None = None
    address: str = ""
    symbol_in_name: re.Pattern[str] | None = None
    minutes_in_name: re.Pattern[str] | None = None
    trade_names: Mapping[str, str] = field(default_factory=dict)
    kline_names: Mapping[str, str] = field(default_factory=dict)

    def id_rule(self, market: str | None, *, is_recorded: bool) -> IdRule:
        """Return what it means that a trade id is missing."""
        if market == "spot" and self.spot_ids is not None:
            return self.spot_ids
        return self.recorded_ids if is_recorded and self.recorded_ids is not None else self.ids
