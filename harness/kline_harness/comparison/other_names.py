"""Which symbol of ours has the klines of a file of which we have none.

A directory may hold the klines of thousands of symbols of which few were replayed. The klines of
ours are read once for all of them, and only a hash of each is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.shift import diagnose, hashes, may_agree
from kline_harness.comparison.stored import Stored
from kline_harness.units import Int64Array

_SHOWN = 5
# Of so many symbols it is looked for whose klines a file without partners may hold.
_TRIED = 20


class OtherNames:
    """The symbols of ours by interval, and hashes of their klines once they are asked for."""

    def __init__(self, ours: Stored) -> None:
        self._ours = ours
        symbols: dict[str, list[str]] = defaultdict(list)
        for symbol, interval in ours.rows:
            symbols[interval].append(symbol)
        self._symbols = {interval: sorted(names) for interval, names in symbols.items()}
        self._hashes: dict[tuple[str, str, tuple[str, ...]], Int64Array] = {}

    def nearest(self, reference: ReferenceKlines, fields: Sequence[str]) -> tuple[str, str]:
        """Say why none of ours is of this series, and which other symbol's klines it equals."""
        others = self._symbols.get(reference.interval.text, [])
        if not others:
            return "there are no klines of ours of this series", ""
        some = ", ".join(others[:_SHOWN])
        more = f" and {len(others) - _SHOWN:,} more" if others[_SHOWN:] else ""
        detail = f"there are no klines of ours of {reference.symbol}, only of {some}{more}"
        theirs = hashes(reference.rows, fields)
        for symbol in others[:_TRIED]:
            if not may_agree(self._hashes_of(symbol, reference.interval.text, fields), theirs):
                continue
            mine = self._ours.rows_of(symbol, reference.interval.text)
            if found := diagnose(mine, reference.rows, fields, named=symbol):
                return detail, found
        return detail, ""

    def _hashes_of(self, symbol: str, interval: str, fields: Sequence[str]) -> Int64Array:
        key = (symbol, interval, tuple(fields))
        if key not in self._hashes:
            self._hashes[key] = np.unique(hashes(self._ours.rows_of(symbol, interval), fields))
        return self._hashes[key]
