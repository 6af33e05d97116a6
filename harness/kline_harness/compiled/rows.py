"""Plain rows of comma-separated numbers to exact integers."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.compiled import library

INTEGER, EXACT, BOOLEAN = 0, 1, 2


def parse_rows(
    block: bytes, kinds: Sequence[int], scales: Sequence[int]
) -> tuple[list[NDArray[Any]], list[int]] | None:
    """Return a column for each of `kinds`, and how many decimals its numbers have.

    Returns None if a row is not plain or nothing is compiled. Zeros at a number's end are no
    decimals; what is no decimal has none. Integers and decimals come as int64, decimals scaled by
    ten to the power of their entry in `scales`; booleans as bool. Plain are digits, at most 18 of a
    number; decimals with no more after the point than their scale, apart from zeros; and the words
    of booleans. Lines end with a line feed or with carriage return and line feed.
    """
    if library.LIBRARY is None:
        return None
    parse = library.LIBRARY.kline_parse_rows
    parse.restype = ctypes.c_int64
    length = ctypes.c_int64(len(block))
    rows = count_lines(block)
    columns: list[NDArray[Any]] = [
        np.empty(rows, np.bool_ if kind == BOOLEAN else np.int64) for kind in kinds
    ]
    used = (ctypes.c_int64 * len(columns))()
    parsed = parse(
        block,
        length,
        ctypes.c_int64(len(columns)),
        bytes(kinds),
        (ctypes.c_int64 * len(columns))(*scales),
        (ctypes.c_void_p * len(columns))(*(column.ctypes.data for column in columns)),
        ctypes.c_int64(rows),
        used,
    )
    return (columns, list(used)) if parsed == rows else None


def plain_trades(
    columns: Mapping[str, NDArray[Any]], limits: tuple[int, int], unit_ns: int, *, priced: bool
) -> dict[str, NDArray[np.int64]] | None:
    """Return the times of trades in nanoseconds, and `priced` also price times quantity.

    Columns are named as in Binance's files; of raw trades no `first_id` and `last_id`. Returns None
    where nothing is compiled, or a row is not as most are: ids from 0 on, the first not above the
    last, more than nothing traded at more than nothing, a time within the limits, a product of 64
    bits.
    """
    names = ("id", "price", "quantity", "first_id", "last_id", "time")
    given = [columns.get(name) for name in names]
    if library.LIBRARY is None or any(one is not None and one.dtype == object for one in given):
        return None
    check = library.LIBRARY.kline_trades
    check.restype = ctypes.c_int64
    rows = len(columns["id"])
    made = {name: np.empty(rows, dtype=np.int64) for name in ("time", "quote")[: 1 + priced]}
    out = (made["time"], made.get("quote"))
    are_plain = check(
        ctypes.c_int64(rows),
        *(None if one is None else ctypes.c_void_p(one.ctypes.data) for one in given),
        *(ctypes.c_int64(number) for number in (*limits, unit_ns)),
        *(None if one is None else ctypes.c_void_p(one.ctypes.data) for one in out),
    )
    return made if are_plain else None


def count_lines(block: bytes) -> int:
    """Return how many lines a block has; the last may lack its end."""
    return count_feeds(block) + (not block.endswith(b"\n") and len(block) > 0)


def count_feeds(text: bytes) -> int:
    """Return how many line feeds a text has."""
    if library.LIBRARY is None:
        # Three times as fast as bytes.count.
        return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")))
    count = library.LIBRARY.kline_count_feeds
    count.restype = ctypes.c_int64
    return int(count(text, ctypes.c_int64(len(text))))
