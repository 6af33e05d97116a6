"""Random numbers by counting: what is drawn depends on who asks, never on when."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kline_harness.units import BoolArray, Int64Array

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_WORD = 2**64
_FRACTION_BITS = 53


@dataclass(frozen=True, slots=True)
class Draw:
    """Draws for one fault of a run: the same for a trade however the tape is cut.

    Source of the mixing: SplitMix64 (Steele, Lea, Flood 2014), used as a counter-based generator.
    """

    seed: int
    fault: int

    def words(self, symbol: str, ids: Int64Array, purpose: str) -> NDArray[np.uint64]:
        """Return 64 random bits for each id of a symbol; each purpose has draws of its own."""
        text = zlib.crc32(f"{symbol}\0{purpose}".encode())
        start = (self.seed * 0x5851F42D4C957F2D + self.fault * 0x14057B7EF767814F + text) % _WORD
        origin = _mixed(np.array([start], dtype=np.uint64))
        return _mixed(origin + ids.astype(np.uint64) * np.uint64(_GOLDEN))

    def chosen(self, symbol: str, ids: Int64Array, rate: float) -> BoolArray:
        """Tell which ids are drawn, each with probability `rate`."""
        limit = np.uint64(min(2**_FRACTION_BITS, int(rate * 2**_FRACTION_BITS)))
        shift = np.uint64(64 - _FRACTION_BITS)
        drawn: BoolArray = (self.words(symbol, ids, "chosen") >> shift) < limit
        return drawn

    def below(self, symbol: str, ids: Int64Array, limit: int) -> Int64Array:
        """Return a whole number from 0 up to and without `limit` for each id."""
        amounts = self.words(symbol, ids, "amount") % np.uint64(limit)
        return amounts.astype(np.int64)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = words + np.uint64(_GOLDEN)
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))
