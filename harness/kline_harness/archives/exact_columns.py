"""Columns of exact integers: one scale for a group of them, the smallest that holds every value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kline_harness.archives.grammar import WHOLE_DIGITS_MAX, Column, too_wide
from kline_harness.errors import InputError
from kline_harness.units import INT64_MAX, ExactArray, magnitude, narrow, trailing_zeros

# The error of a row: which, what was expected, and of which column ("" for the whole row).
RowError = Callable[[int, str, str], InputError]


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Some rows of a file as columns: int64, bool, or text as objects; exact ones at `scales`.

    The first stands in line `line`; `error` names one of them.
    """

    line: int
    columns: dict[str, Any]
    scales: Mapping[str, int]
    error: RowError

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def bad(self, row: int, expected: str, name: str = "") -> InputError:
        """Return the error that names a row and shows it, or its column `name`."""
        return self.error(row, expected, name)


class ExactColumns:
    """Keeps the columns of a file at `scales`: by group, the smallest that held every value."""

    def __init__(self, path: str, columns: tuple[Column, ...]) -> None:
        self.path = path
        self.columns = columns
        self.scales: dict[str, int] = {c.group: 0 for c in columns if c.kind == "exact"}

    def tighten(self, found: dict[str, Any], digits: Mapping[str, int]) -> None:
        """Bring exact columns from the scale they were read at to the smallest for all so far."""
        for group, scale in self.scales.items():
            names = [c.name for c in self.columns if c.kind == "exact" and c.group == group]
            excess = digits[group] - scale
            tight = {name: _divided(found[name], excess) for name in names}
            if any(column is None for column in tight.values()):
                excess = min(trailing_zeros(found[name], excess) for name in names)
                tight = {name: _divided(found[name], excess) for name in names}
            self.scales[group] = digits[group] - excess
            found.update(tight)

    def check(self, found: dict[str, Any], error: RowError) -> None:
        """See that exact columns have no number that is negative or too wide.

        Raises InputError for the first row with one.
        """
        for column in self.columns:
            if column.kind == "exact":
                found[column.name] = self._checked(found[column.name], column, error)

    def _checked(self, values: ExactArray, column: Column, error: RowError) -> ExactArray:
        if len(values) and values.min() < 0 and not column.signed:
            row = int(np.argmax(np.asarray(values < 0, dtype=np.bool_)))
            expected = f"a number that is not negative for {column.name}"
            raise error(row, expected, column.name)
        limit = 10 ** (WHOLE_DIGITS_MAX + self.scales[column.group])
        if values.dtype == object and magnitude(values) >= limit:
            row = int(np.argmax(np.asarray(abs(values) >= limit, dtype=np.bool_)))
            raise error(row, too_wide(column), column.name)
        return narrow(values)


def _divided(values: ExactArray, digits: int) -> ExactArray | None:
    """Divide by ten to the power of `digits`, None where that is not exact."""
    if digits == 0:
        return values
    factor = 10**digits
    if values.dtype == np.int64 and factor > INT64_MAX:
        return None if np.any(values) else values
    quotient = values // factor
    return quotient if np.array_equal(quotient * factor, values) else None
