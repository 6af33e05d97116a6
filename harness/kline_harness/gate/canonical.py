"""Finals as canonical text: one line a kline, exact, whatever file they came from.

A line is ``symbol,interval,open time,`` and the nine fields in the exchange's order: plain
decimals without trailing zeros, times in UTC. A day's digest is the SHA-256 of its lines, each
with its newline, so that ``grep`` and ``sha256sum`` give the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kline_harness.gate.days import Days
from kline_harness.kline import FIELDS
from kline_harness.units import Int64Array, decimal_text

COLUMNS = ("symbol", "interval", "open_time", *FIELDS)
HEADER = ",".join(COLUMNS)
# The first half of a SHA-256 in hex digits: 128 bits.
DIGEST_DIGITS = 32
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f%=,#]")
# Rows whose lines are made at once.
_ROWS_AT_ONCE = 20_000


def days_of(tables: Iterable[pa.Table]) -> Days:
    """Return tables of finals as lines by day, sorted by symbol, interval and open time.

    A kline that is there twice has two lines, in the order of the tables.
    """
    days = Days()
    for table in tables:
        for start in range(0, table.num_rows, _ROWS_AT_ONCE):
            lines = lines_of(table.slice(start, _ROWS_AT_ONCE))
            days.add(sorted(lines, key=lambda line: line.split(",", 3)[:3]))
    days.put_in_order()
    return days


def lines_of(table: pa.Table) -> list[str]:
    """Return the line of each row of a table of finals, in its order."""
    columns = [_names(table["symbol"]), _names(table["interval"]), _times(table["open_time"])]
    columns += [_numbers(table[name]) for name in FIELDS]
    lines: list[str] = pc.binary_join_element_wise(*columns, ",").to_pylist()
    return lines


def microseconds_of(column: pa.ChunkedArray) -> Int64Array:
    """Return a column of times as microseconds of the epoch."""
    whole = column.cast(pa.timestamp("us")).cast(pa.int64()).combine_chunks()
    times: Int64Array = whole.to_numpy()
    return times


def digest(lines: Iterable[str]) -> str:
    """Return the digest of a day's lines."""
    text = "".join(f"{line}\n" for line in lines)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]


def escape(text: str) -> str:
    """Write a name so that it is one word: whitespace and separators as %XX."""
    return _UNSAFE.sub(lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), text)


def time_text(open_time_ns: int) -> str:
    """Write an open time as UTC text, with a fraction only where there is one."""
    return _short(str(np.datetime64(open_time_ns, "ns")))


def fields_of(line: str) -> dict[str, str]:
    """Return the nine fields of a line by name."""
    return dict(zip(FIELDS, line.split(",")[3:], strict=True))


def _names(column: pa.ChunkedArray) -> pa.Array:
    texts = column.cast(pa.string()).combine_chunks()
    escaped = {text: escape(text) for text in pc.unique(texts).to_pylist()}
    for text, safe in escaped.items():
        if text != safe:
            texts = pc.if_else(pc.equal(texts, text), safe, texts)
    return texts


def _times(column: pa.ChunkedArray) -> pa.Array:
    texts = np.datetime_as_string(microseconds_of(column).astype("datetime64[us]")).tolist()
    return pa.array([_short(text) for text in texts], pa.string())


def _short(text: str) -> str:
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return whole + (f".{fraction}" if fraction else "") + "Z"


def _numbers(column: pa.ChunkedArray) -> pa.Array:
    """Return exact numbers as plain text without trailing zeros."""
    column = column.combine_chunks()
    texts = column.cast(pa.string())
    if pa.types.is_integer(column.type):
        return texts
    # Arrow writes what is below 0.000001, and zero, with an exponent.
    odd = pc.match_substring(texts, "E")
    if pc.any(odd).as_py():
        rows = np.flatnonzero(odd.to_numpy(zero_copy_only=False))
        numbers = [decimal_text(number) for number in column.take(pa.array(rows)).to_pylist()]
        texts = pc.replace_with_mask(texts, odd, pa.array(numbers, pa.string()))
    pointed = pc.match_substring(texts, ".")
    return pc.if_else(pointed, pc.replace_substring_regex(texts, r"\.?0+$", ""), texts)
