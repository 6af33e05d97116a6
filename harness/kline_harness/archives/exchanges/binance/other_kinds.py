"""Files of the public archive that hold neither trades nor klines: known by their columns.

Sources: the README of the public data repository; the headers of its files, and of older ones
without a header the order of their columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from kline_harness.archives.iso_times import is_iso
from kline_harness.units import TimeUnit

# Two columns that together no other kind has.
_HEADERS = {
    "bookTicker": ("bestbidprice", "bestaskprice"),
    "bookDepth": ("percentage", "depth"),
    "metrics": ("createtime", "sumopeninterest"),
    "fundingRate": ("calctime", "lastfundingrate"),
    "liquidationSnapshot": ("ordertype", "timeinforce"),
    "BVOLIndex": ("calctime", "indexvalue"),
    "EOHSummary": ("strike", "openinterest"),
    "order book": ("bids", "asks"),
}
_NAMED = re.compile(
    r"[-_](bookTicker|bookDepth|metrics|fundingRate|liquidationSnapshot|BVOLIndex|EOHSummary)[-_.]"
)
_CHECKSUM = re.compile(r"[0-9a-fA-F]{64}(?:[ \t]+\*?\S.*)?")
_FUNDING_HOURS = ("1", "2", "4", "8")


def other_kind(path: str, member: str | None, line: str, names: Sequence[str]) -> str | None:
    """Return the kind that a file's first line, or else its name, shows; None for no such kind.

    `names` are the fields of the line, without blanks, underscores and capitals.
    """
    if _CHECKSUM.fullmatch(line.strip()):
        return "CHECKSUM"
    found = {name.strip('"') for name in names}
    for kind, pair in _HEADERS.items():
        if found.issuperset(pair):
            return kind
    fields = [field.strip() for field in line.split(",")]
    if (shaped := _by_shape(fields)) is not None:
        return shaped
    named = (_NAMED.search(PurePath(name).name) for name in (path, member or ""))
    return next((match[1] for match in named if match), None)


def _by_shape(fields: Sequence[str]) -> str | None:
    """Tell a row of a file without a header."""
    first, last = fields[0], fields[-1]
    if len(fields) == 7 and _is_time(last) and _is_time(fields[-2]) and _is_number(fields[1]):
        return "bookTicker"
    if len(fields) == 4 and is_iso(first) and all(map(_is_number, fields[1:])):
        return "bookDepth"
    if len(fields) == 8 and is_iso(first) and not _is_number(fields[1]):
        return "metrics"
    if len(fields) == 3 and _is_time(first) and fields[1] in _FUNDING_HOURS:
        return "fundingRate" if len(first) == 13 else None
    if len(fields) == 10 and _is_time(first) and fields[1] in ("BUY", "SELL"):
        return "liquidationSnapshot"
    if len(fields) == 5 and _is_time(first) and fields[2].isalpha() and fields[3].isalpha():
        return "BVOLIndex"
    return None


def _is_time(text: str) -> bool:
    if not (text.isascii() and text.isdigit() and len(text) in (13, 16)):
        return False
    try:
        TimeUnit.detect(int(text))
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(?:\.\d+)?", text, re.ASCII) is not None
