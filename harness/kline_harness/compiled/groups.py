"""Rows of int64 columns put together group by group, and integers multiplied into 128 bits."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kline_harness.compiled import library


class What(IntEnum):
    """What a group's rows come to in a column; numbers are those of groups.c.

    Those OF_EVERY look at all rows, the others at those that count. `AT_LOW` is the value in the
    row of the lowest key, the first of equal ones, `AT_HIGH` in that of the highest, the last.
    """

    FIRST = 0
    SUM = 1
    LOW = 2
    HIGH = 3
    AT_LOW = 4
    AT_HIGH = 5
    AT_LOW_OF_EVERY = 6
    HIGH_OF_EVERY = 7
    SUM_OF_EVERY = 8


class Fold(NamedTuple):
    """What becomes of a column, and the column that is the key to it."""

    what: What
    key: str = ""


def fold_groups(
    columns: Mapping[str, NDArray[Any]],
    folds: Mapping[str, Fold],
    starts: NDArray[np.int64],
    counts: NDArray[np.bool_],
    *,
    keeps_first: bool,
    order: NDArray[np.int64] | None = None,
) -> dict[str, NDArray[np.int64]] | None:
    """Return a row for each group of rows that begins at `starts`.

    `order` are the rows, in order, where it is not all of them as they stand. A group of which no
    row `counts` keeps its first row, or else takes all. Returns None where nothing is compiled, a
    column is no int64, or a sum does not fit.
    """
    if library.LIBRARY is None or any(columns[name].dtype != np.int64 for name in folds):
        return None
    names = list(folds)
    given = [np.ascontiguousarray(columns[name]) for name in names]
    made = {name: np.empty(len(starts), dtype=np.int64) for name in names}
    counted = np.ascontiguousarray(counts)
    keys = [names.index(fold.key) if fold.key else 0 for fold in folds.values()]
    heads = np.ascontiguousarray(starts, dtype=np.int64)
    ordered = None if order is None else np.ascontiguousarray(order, dtype=np.int64)
    fold = library.LIBRARY.kline_groups
    fold.restype = ctypes.c_int64
    scratch = np.empty(2 * len(starts), dtype=np.int64)
    pointers = ctypes.c_void_p * len(names)
    fits = fold(
        ctypes.c_int64(len(starts)),
        ctypes.c_void_p(heads.ctypes.data),
        ctypes.c_int64(len(counted if ordered is None else ordered)),
        None if ordered is None else ctypes.c_void_p(ordered.ctypes.data),
        ctypes.c_void_p(counted.ctypes.data),
        ctypes.c_int64(keeps_first),
        ctypes.c_int64(len(names)),
        pointers(*(column.ctypes.data for column in given)),
        bytes(fold.what for fold in folds.values()),
        (ctypes.c_int64 * len(names))(*keys),
        pointers(*(column.ctypes.data for column in made.values())),
        ctypes.c_void_p(scratch.ctypes.data),
    )
    return made if fits else None


def product_words(
    values: NDArray[np.int64], factors: NDArray[np.uint64]
) -> NDArray[np.uint64] | None:
    """Return value times factor, up to ten to the power of 18, as 128-bit words, the low first.

    Returns None where nothing is compiled.
    """
    if library.LIBRARY is None:
        return None
    left, right = np.ascontiguousarray(values), np.ascontiguousarray(factors)
    words = np.empty((len(left), 2), dtype=np.uint64)
    library.LIBRARY.kline_words(
        ctypes.c_int64(len(left)),
        *(ctypes.c_void_p(column.ctypes.data) for column in (left, right, words)),
    )
    return words


def add_halves(
    codes: NDArray[np.int32], words: NDArray[np.uint64], sums: NDArray[np.int64]
) -> None:
    """Add integers, rows of 64-bit words with the low one first, to the sums of their codes.

    `sums` has, for each code, one of every 32 bits from the lowest on, the highest signed: of fewer
    than 2**31 rows each fits.
    """
    width = words.shape[1]
    if library.LIBRARY is not None:
        given = (np.ascontiguousarray(codes), np.ascontiguousarray(words))
        library.LIBRARY.kline_add_halves(
            ctypes.c_int64(len(codes)),
            ctypes.c_int64(width),
            *(ctypes.c_void_p(column.ctypes.data) for column in (*given, sums)),
        )
        return
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    for half in range(2 * width):
        column = words[:, half // 2].view(np.int64)[order]
        part = column >> np.int64(32) if half % 2 else column & np.int64(2**32 - 1)
        if half % 2 and half + 1 < 2 * width:
            part &= np.int64(2**32 - 1)
        sums[ordered[starts], half] += np.add.reduceat(part, starts)
