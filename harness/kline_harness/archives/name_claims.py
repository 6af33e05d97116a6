"""What a file's name, the name inside of its packing and its rows say that contradicts each other.

One of the two is wrong, and nothing in the file says which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath

from kline_harness.archives.file_names import (
    name_interval,
    name_symbol,
    pair_of_klines,
    symbol_of_name,
)

_KIND = re.compile(r"[-_](aggTrades|trades|klines)(?=[-_.]|$)")
_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:-(\d\d)(?:-(\d\d))?|(\d\d)(\d\d)?)(?!\d)", re.ASCII)
_MONTHS = 12
# A name that looks like a pair; another word in capitals may be anything.
_PAIR = re.compile(
    r"[A-Z0-9]{2,}?[-_]?(?:USDT|USDC|BUSD|FDUSD|TUSD|USD|EUR|GBP|JPY|KRW|TRY|BRL|BTC|XBT|ETH|BNB)"
    r"(?:[-_](?:PERP|SWAP|\d{6}))?"
)
_CONTRACT = re.compile(r"_(?:PERP|\d{6})(?=[-_.])")


def contradictions(
    path: str,
    member: str | None,
    *,
    pattern: re.Pattern[str] | None = None,
    stated: Mapping[str, Sequence[str]] | None = None,
    given: str | None = None,
) -> tuple[str, ...]:
    """Return a sentence for each contradiction of two names of a file, or of name and rows.

    `member` is the name inside of a zip or gz file; `pattern` finds the symbol in the names of the
    file's exchange; `stated` are the symbols, the interval and the kind that rows state. A symbol
    that was `given` is held to pairs in the names alone: who gives one knows what rows call it.
    """

    def symbol(name: str) -> str | None:
        return _symbol(name, pattern)

    claims: dict[str, Callable[[str], str | None]] = {
        "symbol": symbol,
        "interval": _interval,
        "day": _day,
        "kind": kind_of_name,
    }
    if given is not None:
        del claims["symbol"]
    found = [_difference(what, of, path, member, stated or {}) for what, of in claims.items()]
    if given is not None and (named := another_pair(given, path, member)) is not None:
        found.insert(0, f"the symbol is {named} by its name and {given} was given")
    return tuple(one for one in found if one)


def another_pair(given: str, path: str, member: str | None = None) -> str | None:
    """Return the pair that a file's name claims in an archive's form, if it is not the given."""
    for name in (path, member):
        named = name_symbol(name)
        if named is not None:
            return named if is_another_pair(given, named) else None
    return None


def is_another_pair(given: str, stated: str) -> bool:
    """Tell whether a text is a pair, and not the given one in another spelling."""
    return not _are_one(given, stated) and _PAIR.fullmatch(stated.upper()) is not None


def _difference(
    what: str,
    of_name: Callable[[str], str | None],
    path: str,
    member: str | None,
    stated: Mapping[str, Sequence[str]],
) -> str | None:
    claims = list(_named(of_name, path, member))
    for first, where in claims[:1]:
        for second, there in claims[1:]:
            if not _are_one(first, second):
                return f"the {what} is {first} by {where} and {second} by {there}"
    rows = stated.get(what, ())
    for first, where in claims:
        if rows and not any(_are_one(first, one) for one in rows):
            shown = ", ".join(rows[:3])
            return f"the {what} is {first} by {where} and {shown} by its rows"
    return None


def _named(
    of_name: Callable[[str], str | None], path: str, member: str | None
) -> Iterator[tuple[str, str]]:
    outer, inner = PurePath(path).name, PurePath(member or "").name
    for name, where in ((outer, "its name"), (inner, f"the name inside ({inner})")):
        if name and (claim := of_name(name)) is not None:
            yield claim, where


def _are_one(first: str, second: str) -> bool:
    """Tell whether two claims can be the same: a pair with a hyphen, an exchange before it."""
    if first == second:
        return True
    # ccxt names what a contract is settled in after a colon.
    first, second = (
        text.upper().partition(":")[0].replace("XBT", "BTC") for text in (first, second)
    )
    plain = [re.sub(r"[^A-Z0-9]", "", text) for text in (first, second)]
    if plain[0] == plain[1]:
        return True
    for text, other in ((first, plain[1]), (second, plain[0])):
        parts = re.split(r"[-_/]", text)
        ends = ("".join(parts[row:]) for row in range(1, len(parts)))
        if other in ends and "USD" not in parts[0]:
            return True
    return False


def _symbol(name: str, pattern: re.Pattern[str] | None) -> str | None:
    if (found := name_symbol(name) or pair_of_klines(name)) is not None:
        return found
    found = symbol_of_name(name, pattern)
    if found is None or not _PAIR.fullmatch(found):
        return None
    contract = _CONTRACT.match(name, len(found))
    return found + contract[0] if contract else found


def _interval(name: str) -> str | None:
    found = name_interval(name)
    return None if found is None else found.text


def _day(name: str) -> str | None:
    for match in _DAY.finditer(name):
        year, month, day = match[1], match[2] or match[4], match[3] or match[5]
        if 1 <= int(month) <= _MONTHS:
            return f"{year}-{month}" + (f"-{day}" if day else "")
    return None


def kind_of_name(name: str) -> str | None:
    """Return aggTrades, trades or klines where a file's name says so."""
    if (match := _KIND.search(name)) is not None:
        return match[1]
    return "klines" if name_interval(name) is not None else None
