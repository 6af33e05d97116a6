"""Klines of ours that no file of the exchange has beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.extent import OURS, NotCompared, left_out
from kline_harness.comparison.stored import Stored
from kline_harness.units import NS_PER_MICROSECOND, Int64Array


def without_klines(
    ours: Stored,
    references: Sequence[ReferenceKlines],
    coverage: Mapping[tuple[str, str], Coverage],
) -> Iterator[NotCompared]:
    """Yield our klines that lie beyond every file of the exchange, or have none at all."""
    given: dict[tuple[str, str], list[ReferenceKlines]] = {}
    for reference in references:
        given.setdefault(reference.series, []).append(reference)
    symbols = {symbol for symbol, _ in given}
    for series in sorted(ours.rows):
        opens = ours.integers(*series, "open_time")
        # In place: a month of seconds has millions.
        opens *= NS_PER_MICROSECOND
        if series not in given:
            known = series[0] in symbols
            reason = "interval_without_klines" if known else "symbol_without_klines"
            yield from left_out(series, OURS, reason, opens)
            continue
        reached = np.zeros(len(opens), dtype=np.bool_)
        for reference in given[series]:
            first, last = ends(reference.rows.opens_ns())
            reached |= (opens >= first) & (opens <= last)
        beyond = np.flatnonzero(~reached)
        if len(beyond) == 0:
            continue
        rows, opens = ours.rows[series][beyond], opens[beyond]
        closes = ours.integers_of(rows, "close_time") * NS_PER_MICROSECOND
        whole = coverage[series].whole(opens, closes)
        yield from left_out(series, OURS, "beyond_klines", opens[whole])
        yield from left_out(series, OURS, "partial", opens[~whole])


def ends(opens: Int64Array) -> tuple[int, int]:
    """Return the first and the last open time; of none a time that nothing lies in."""
    return (int(opens.min()), int(opens.max())) if len(opens) else (1, 0)
