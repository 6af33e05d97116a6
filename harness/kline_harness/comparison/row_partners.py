"""Which rows of ours and of the exchange's are of one kline."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kline_harness.comparison.series_rows import ascending, chunks
from kline_harness.units import Int64Array

# Narrow ones: a month of seconds has millions.
RowNumbers: TypeAlias = NDArray[np.int32]
NO_ROWS = np.empty(0, dtype=np.int32)


def partners(ours: Int64Array, theirs: Int64Array) -> tuple[RowNumbers, RowNumbers]:
    """Return the rows that belong together, by open time.

    Every row of theirs is held against ours, though a file may have two of one open time; of two
    of ours the first.
    """
    if np.array_equal(ours, theirs) and np.all(ours[1:] > ours[:-1]):
        same = np.arange(len(ours), dtype=np.int32)
        return same, same
    order, rows = ascending(ours), ascending(theirs)
    opens = ours if order is None else ours[order]
    pairs: list[tuple[RowNumbers, RowNumbers]] = [(NO_ROWS, NO_ROWS)]
    for some in chunks(len(theirs)):
        mine = np.arange(some.start, some.stop) if rows is None else rows[some]
        times = theirs[mine]
        place = np.searchsorted(opens, times)
        has = place < len(opens)
        has[has] = opens[place[has]] == times[has]
        found = place[has] if order is None else order[place[has]]
        pairs.append((found.astype(np.int32), mine[has].astype(np.int32)))
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])
