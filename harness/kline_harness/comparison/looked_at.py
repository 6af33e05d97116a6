"""Which of the klines that differ are looked at, where nearly all of a series do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.extent import EXCHANGE, OURS, NotCompared, left_out
from kline_harness.units import Int64Array

# Where more than one in so many klines of a series differs, causes are tried for the first ones:
# of all series together for so many, of each series for a few. Each takes some kilobytes.
_SHARE = 10
_MOST, _LEAST = 5_000, 128


def looked_at_most(differ: int, compared: int, held: int) -> int:
    """Return how many of a series' differences are looked at; other series have `held` of them."""
    return min(differ, max(_LEAST, _MOST - held)) if differ * _SHARE > compared else differ


def first_of(rows: Sequence[NDArray[Any]], most: int) -> list[NDArray[Any]]:
    """Return the first of some rows in turn, so many together."""
    starts = np.cumsum([0, *map(len, rows)]).tolist()
    return [some[: max(0, most - start)] for some, start in zip(rows, starts, strict=False)]


def beyond(reference: ReferenceKlines, opens: Sequence[Int64Array], most: int) -> list[NotCompared]:
    """Return those that are not looked at, given the open times of all that differ.

    These are, in turn, of klines that both sides have, of the exchange's alone, and of ours alone.
    """
    total, found = sum(map(len, opens)), list[NotCompared]()
    detail = f"{most:,} of {total:,}"
    kept = first_of(opens, most)
    for side, all_of, some in zip((EXCHANGE, EXCHANGE, OURS), opens, kept, strict=True):
        left = all_of[len(some) :]
        found += left_out(
            reference.series, side, "differ_too", left, source=reference.source, detail=detail
        )
    return found
