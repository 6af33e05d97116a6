"""Partial klines: what a run of trades adds to a kline, and how partials are added up.

A partial is a row of named numpy columns. `symbol` is an index, `bucket` the open time of the
kline it belongs to. The values cover the applied trades of the row; a row with ``applied == 0``
has no values except `close`, which then carries the close of the kline before. `open_key` and
`close_key` are the trade ids that decide open and close: lowest and highest, whatever the order
of arrival. The last columns tell the row's life as (sequence in the feed, instant, trigger) of
the event that opened it, made its first trade, and finalized it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kline_harness.compiled.groups import Fold, What, fold_groups
from kline_harness.units import INT64_MAX, Int64Array, sum_groups

Partials: TypeAlias = dict[str, NDArray[Any]]

NEVER = INT64_MAX
SUMS = ("volume", "quote", "taker_volume", "taker_quote", "count", "applied")
VALUES = ("open", "high", "low", "close", *SUMS, "open_key", "close_key", "first_id", "last_id")
LIFE = ("open_seq", "open_at", "open_trigger", "first_seq", "first_at")
COLUMNS = ("symbol", "bucket", *VALUES, *LIFE)
# Of klines that are closed: the event that did it.
CLOSE = ("close_seq", "close_at", "close_trigger")


class InRows(dict[str, NDArray[Any]]):
    """Partials whose columns are those of one block of rows, the first so many."""

    def __init__(self, block: Int64Array, names: Sequence[str]) -> None:
        self.block = block
        super().__init__(zip(names, block.T, strict=False))


def block_of(table: Mapping[str, NDArray[Any]]) -> Int64Array | None:
    """Return partials as rows of `COLUMNS` and `CLOSE`, None where they are too wide for int64."""
    if isinstance(table, InRows):
        return table.block
    block = np.zeros((rows_of(table), len(COLUMNS) + len(CLOSE)), dtype=np.int64)
    for place, name in enumerate(COLUMNS):
        if table[name].dtype != np.int64:
            return None
        block[:, place] = table[name]
    return block


def empty(rows: int = 0) -> Partials:
    """Return rows without trades that were never opened."""
    table: Partials = {name: np.zeros(rows, dtype=np.int64) for name in COLUMNS}
    for name in ("open_seq", "first_seq", "open_key"):
        table[name][:] = NEVER
    return table


def take(table: Mapping[str, NDArray[Any]], rows: NDArray[Any] | slice) -> Partials:
    """Return the rows of an index array, mask or slice."""
    return {name: column[rows] for name, column in table.items()}


def join(tables: Sequence[Mapping[str, NDArray[Any]]]) -> Partials:
    """Join tables row after row, over the columns of the first."""
    if len(tables) == 1:
        return dict(tables[0])
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def rows_of(table: Mapping[str, NDArray[Any]]) -> int:
    """Return the number of rows."""
    return len(table["symbol"])


def group_starts(*keys: NDArray[Any]) -> Int64Array:
    """Return where a new group begins in rows sorted by the keys."""
    if len(keys[0]) == 0:
        return np.empty(0, dtype=np.int64)
    new = np.zeros(len(keys[0]), dtype=np.bool_)
    new[0] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(new)


_FOLDS = {
    **dict.fromkeys(("symbol", "bucket"), Fold(What.FIRST)),
    **dict.fromkeys(("open", "open_key"), Fold(What.AT_LOW, "open_key")),
    **dict.fromkeys(("close", "close_key"), Fold(What.AT_HIGH, "close_key")),
    **dict.fromkeys(("high", "last_id"), Fold(What.HIGH)),
    **dict.fromkeys(("low", "first_id"), Fold(What.LOW)),
    **dict.fromkeys(SUMS, Fold(What.SUM)),
    **dict.fromkeys(LIFE[:3], Fold(What.AT_LOW_OF_EVERY, "open_seq")),
    **dict.fromkeys(LIFE[3:], Fold(What.AT_LOW_OF_EVERY, "first_seq")),
}


def add_up(table: Partials, starts: Int64Array, order: Int64Array | None = None) -> Partials:
    """Add up each group of rows that begins at `starts` into one row; `order` sorts the rows.

    Groups are of one symbol and bucket. A group without trades keeps the close its first row
    carries.
    """
    applied = table["applied"] > 0
    folded = fold_groups(table, _FOLDS, starts, applied, keeps_first=True, order=order)
    if folded is not None:
        return folded
    return add_up_in_columns(table if order is None else take(table, order), starts)


def add_up_in_columns(table: Partials, starts: Int64Array) -> Partials:
    """Do what `add_up` does, column by column, with numbers of any size."""
    total = {name: table[name][starts] for name in COLUMNS}
    if len(starts) == rows_of(table):
        return total
    _first_events(table, starts, total)
    traded = np.flatnonzero(table["applied"] > 0)
    group = np.searchsorted(starts, traded, side="right") - 1
    heads = np.flatnonzero(np.diff(group, prepend=-1))
    groups = group[heads]
    if len(groups) == 0:
        return total
    inner = {name: table[name][traded] for name in VALUES}
    summed = {name: sum_groups(inner[name], heads) for name in SUMS}
    summed["high"] = np.maximum.reduceat(inner["high"], heads)
    summed["low"] = np.minimum.reduceat(inner["low"], heads)
    summed["first_id"] = np.minimum.reduceat(inner["first_id"], heads)
    summed["last_id"] = np.maximum.reduceat(inner["last_id"], heads)
    opens = extreme_rows(inner["open_key"], heads, lowest=True)
    closes = extreme_rows(inner["close_key"], heads, lowest=False)
    summed["open"], summed["open_key"] = inner["open"][opens], inner["open_key"][opens]
    summed["close"], summed["close_key"] = inner["close"][closes], inner["close_key"][closes]
    for name in VALUES:
        if summed[name].dtype == object and total[name].dtype != object:
            total[name] = total[name].astype(object)
        total[name][groups] = summed[name]
    return total


def _first_events(table: Partials, starts: Int64Array, total: Partials) -> None:
    """Set the earliest opening and first trade of each group."""
    for name, followers in (("open", ("open_at", "open_trigger")), ("first", ("first_at",))):
        rows = extreme_rows(table[f"{name}_seq"], starts, lowest=True)
        for column in (f"{name}_seq", *followers):
            total[column] = table[column][rows]


def extreme_rows(keys: Int64Array, starts: Int64Array, *, lowest: bool) -> Int64Array:
    """Return, for each group, the first row that holds its lowest (or highest) key."""
    stops = np.append(starts[1:], len(keys))
    if np.all(keys[1:] >= keys[:-1]):
        # In order, as recorded streams are: the ends of each group are its extremes. Equal
        # keys make no difference, for a key names one trade or one event.
        return starts if lowest else stops - 1
    best = np.minimum.reduceat(keys, starts) if lowest else np.maximum.reduceat(keys, starts)
    hits = np.flatnonzero(keys == np.repeat(best, stops - starts))
    return hits[np.searchsorted(hits, starts)]


def carry_close(table: Partials, known: NDArray[np.bool_]) -> None:
    """Make quiet rows flat at the close of the last row before them that has one.

    Rows are sorted by symbol and time; the first row of each symbol must be `known`.
    """
    quiet = table["applied"] == 0
    if not quiet.any():
        return
    rows = np.arange(len(quiet))
    source = np.maximum.accumulate(np.where(known, rows, 0))
    close = table["close"][source]
    for name in ("open", "high", "low", "close"):
        column = table[name]
        if close.dtype == object and column.dtype != object:
            column = column.astype(object)
        table[name] = np.where(quiet, close, column)
