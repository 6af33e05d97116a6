"""Arrow's columns as numpy's, read off their buffers, and the integers behind decimals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.units import INT64_MAX, ExactArray


def plain_column(data: Any, kind: str) -> NDArray[Any]:
    """Return a column without nulls as numpy; read off its buffers, as to_numpy loads pandas."""
    if kind == "text":
        return np.array(data.to_pylist(), dtype=object)
    if kind == "integer":
        return _joined(
            [np.frombuffer(c.buffers()[1], np.int64, len(c), c.offset * 8) for c in data.chunks]
        )
    parts = []
    for chunk in data.chunks:
        bits = np.unpackbits(np.frombuffer(chunk.buffers()[1], np.uint8), bitorder="little")
        parts.append(bits[chunk.offset : chunk.offset + len(chunk)].view(np.bool_))
    return _joined(parts)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def unscaled(data: Any) -> ExactArray:
    """Return the integers behind a decimal column, as Python's where int64 is not enough.

    A 128-bit decimal is two 64-bit words, low first; it fits the low word if the high one only
    repeats its sign.
    """
    parts = []
    for chunk in data.chunks:
        words = np.frombuffer(chunk.buffers()[1], dtype=np.int64).reshape(-1, 2)
        words = words[chunk.offset : chunk.offset + len(chunk)]
        low, high = words[:, 0], words[:, 1]
        if np.array_equal(low >> 63, high):
            parts.append(low)
        else:
            parts.append(high.astype(object) * 2**64 + low.view(np.uint64).astype(object))
    return _joined(parts)


def divided(values: ExactArray, digits: int) -> ExactArray | None:
    """Divide by ten to the power of `digits`, None where that is not exact."""
    if digits == 0:
        return values
    factor = 10**digits
    if values.dtype == np.int64 and factor > INT64_MAX:
        return None if np.any(values) else values
    quotient = values // factor
    return quotient if np.array_equal(quotient * factor, values) else None
