"""What was delivered of each series, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from kline_harness.checks.roll_up import REFINERS
from kline_harness.checks.series import INTERVAL_CODES, SeriesBook
from kline_harness.interval import INTERVALS
from kline_harness.units import Int64Array

_COUNTED = (
    *("rows", "accepted", "quiet", "gaps", "lost", "duplicates", "backwards", "misaligned"),
    *("compared", "first_open_ns", "last_open_ns"),
)


@dataclass(frozen=True, slots=True, eq=False)
class SeriesStatistics:
    """What was delivered of every symbol and interval, by symbol name and length of interval.

    `symbols` and `intervals` name the series, the other columns count: rows = accepted +
    duplicates + misaligned; `backwards` of the accepted came late, after a later kline. `lost`
    klines are missing in `gaps`, as seen when each gap appeared. `compared` of the accepted were
    held to the roll-up of lower klines; where there were any, the others are `not_compared`.
    """

    symbols: list[str]
    intervals: list[str]
    rows: Int64Array
    accepted: Int64Array
    quiet: Int64Array
    gaps: Int64Array
    lost: Int64Array
    duplicates: Int64Array
    backwards: Int64Array
    misaligned: Int64Array
    compared: Int64Array
    first_open_ns: Int64Array
    last_open_ns: Int64Array
    not_compared: Int64Array

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, book: SeriesBook, names: list[str]) -> Self:
        """Return the statistics of a book whose symbols have these names."""
        keys: list[int] = np.flatnonzero(book.rows).tolist()
        keys.sort(key=lambda key: (names[key // INTERVAL_CODES], key % INTERVAL_CODES))
        chosen = np.array(keys, dtype=np.int64)
        accepted = book.accepted.reshape(-1, INTERVAL_CODES) > 0
        has_lower = np.stack([accepted[:, list(lower)].any(axis=1) for lower in REFINERS], axis=1)
        rest = np.where(has_lower.ravel(), book.accepted - book.compared, 0)
        return cls(
            [names[key // INTERVAL_CODES] for key in keys],
            [INTERVALS[key % INTERVAL_CODES].text for key in keys],
            not_compared=rest[chosen],
            **{name: getattr(book, name)[chosen] for name in _COUNTED},
        )
