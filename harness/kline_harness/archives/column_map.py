"""The meaning of the columns of a table or CSV file, from a TOML file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kline_harness.archives.file_names import check_market
from kline_harness.errors import UsageError
from kline_harness.toml_file import read_toml

_NAMES = ("price", "quantity", "time", "id", "quote", "receive", "symbol", "maker", "side")
_NEEDED = ("price", "quantity", "time")
_BUYS = ("buy", "Buy", "BUY")
_SELLS = ("sell", "Sell", "SELL")
_OPTIONS = ("side_of", "buy", "sell", "signed", "float", "market")


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """The table's column for each meaning, and how to read sides and floats.

    `columns` maps price, quantity, time and, where there are any, id, quote, receive (arrival),
    symbol, and maker (true where the buyer is the maker) or side to the table's names. `side_of`
    is taker or maker; `buys` and `sells` its words. `shortest_floats` takes a float for the
    shortest decimal text that reads back as the same float, which is what was written into it
    unless it was computed; without it a float column is refused. `signed` says that quantities
    below 0 are sells.
    """

    columns: dict[str, str]
    side_of: str = "taker"
    buys: tuple[str, ...] = _BUYS
    sells: tuple[str, ...] = _SELLS
    shortest_floats: bool = False
    market: str = "spot"
    signed: bool = False

    @staticmethod
    def read(path: Path | str) -> ColumnMap:
        """Read a map such as `price = "px"`, `quantity = "size"`, `time = "ts"`.

        Raises UserError for what is no TOML file, and for a key or value that no map has.
        """
        return _checked(str(path), read_toml(Path(path)))


def _checked(path: str, stated: dict[str, Any]) -> ColumnMap:
    def refuse(expected: str, found: object) -> UsageError:
        return UsageError(f"{path}: expected {expected}, found {found!r}")

    for name in stated:
        if name not in (*_NAMES, *_OPTIONS):
            raise refuse(f"one of {' '.join((*_NAMES, *_OPTIONS))}", name)
    columns = {name: stated[name] for name in _NAMES if name in stated}
    for name, column in columns.items():
        if not isinstance(column, str) or not column:
            raise refuse(f"the name of a column for {name}", column)
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise refuse(f"a column for {missing[0]}", "none")
    if "maker" in columns and "side" in columns:
        raise refuse("maker or side", "both")
    if stated.get("float", "shortest") != "shortest":
        raise refuse('float = "shortest", or no float', stated["float"])
    if stated.get("side_of", "taker") not in ("taker", "maker"):
        raise refuse("side_of taker or maker", stated["side_of"])
    if not isinstance(stated.get("signed", False), bool):
        raise refuse("signed true or false", stated["signed"])
    if stated.get("signed") and {"maker", "side"} & set(columns):
        raise refuse("signed, maker or side", "two of them")
    market = stated.get("market", "spot")
    check_market(market)
    return ColumnMap(
        columns,
        stated.get("side_of", "taker"),
        _words(stated.get("buy"), _BUYS, refuse),
        _words(stated.get("sell"), _SELLS, refuse),
        "float" in stated,
        market,
        stated.get("signed", False),
    )


def _words(
    stated: Any, usual: tuple[str, ...], refuse: Callable[[str, object], UsageError]
) -> tuple[str, ...]:
    if stated is None:
        return usual
    words = [stated] if isinstance(stated, str) else stated
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise refuse("a word or a list of words", stated)
    return tuple(words)
