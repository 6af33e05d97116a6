"""Columns to lines of text: one matrix of characters, of which the empty ones are left out.

A row of the matrix is a message; a part of it is as wide as its longest value, and what a shorter
value does not need is NUL. Dropping the NULs gives the messages one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kline_harness.units import ExactArray, Int64Array

Characters: TypeAlias = NDArray[np.uint8]

_ZERO = ord("0")
_FOUR = np.frombuffer(b"".join(b"%04d" % n for n in range(10_000)), np.uint8).reshape(-1, 4)


def whole(values: ExactArray) -> Characters:
    """Write whole numbers."""
    return fixed(values, 0)


def fixed(values: ExactArray, scale: int) -> Characters:
    """Write scaled integers with that many decimals."""
    if len(values) == 0:
        return np.empty((0, 1), np.uint8)
    if values.dtype == object or values.min() < 0:
        return texts([fixed_text(int(value), scale) for value in values])
    width = max(len(str(int(values.max()))), scale + 1)
    digits = _digits(values, width)
    head = digits[:, : width - scale]
    leading = head[:, :-1]
    leading[np.logical_and.accumulate(leading == _ZERO, axis=1)] = 0
    if scale == 0:
        return head
    point = np.full((len(values), 1), ord("."), np.uint8)
    return np.concatenate([head, point, digits[:, width - scale :]], axis=1)


def fixed_by(values: ExactArray, group: NDArray[Any], scales: Sequence[int]) -> Characters:
    """Write scaled integers with the decimals of the group that each belongs to."""
    different = set(scales)
    if len(different) == 1:
        return fixed(values, scales[0])
    of_row = np.asarray(scales)[group]
    parts = []
    for scale in np.unique(of_row).tolist():
        rows = np.flatnonzero(of_row == scale)
        parts.append((rows, fixed(values[rows], scale)))
    width = max((part.shape[1] for _, part in parts), default=1)
    out = np.zeros((len(values), width), np.uint8)
    for rows, part in parts:
        out[rows, : part.shape[1]] = part
    return out


def texts(values: Sequence[str]) -> Characters:
    """Write texts, in UTF-8."""
    encoded = np.array([value.encode() for value in values], dtype=np.bytes_)
    return encoded.view(np.uint8).reshape(len(values), -1)


def fixed_text(value: int, scale: int) -> str:
    """Write one scaled integer with that many decimals."""
    digits = str(abs(value)).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    return f"-{text}" if value < 0 else text


def assembled(rows: int, parts: Sequence[bytes | Characters]) -> Characters:
    """Put parts next to one another: constants, or one value for each row."""
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    out = np.empty((rows, sum(widths)), np.uint8)
    at = 0
    for part, width in zip(parts, widths, strict=True):
        text = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part
        out[:, at : at + width] = text
        at += width
    return out


def _digits(values: Int64Array, width: int) -> Characters:
    fours = -(-width // 4)
    out = np.empty((len(values), fours * 4), np.uint8)
    rest = values
    for four in range(fours - 1, -1, -1):
        rest, low = np.divmod(rest, 10_000)
        out[:, four * 4 : four * 4 + 4] = _FOUR[low]
    return out[:, fours * 4 - width :]
