"""Rows picked by the compiled loop against numpy's own indexing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.compiled import library
from kline_harness.compiled.pick import picked
from numpy.typing import NDArray

KINDS = (np.int64, np.int32, np.int16, np.int8, np.bool_)
SIZE = 3_000


def columns(seed: int) -> list[NDArray[Any]]:
    """Return a column of each kind."""
    numbers = np.random.default_rng(seed)
    return [numbers.integers(-128, 128, SIZE).astype(kind) for kind in KINDS]


@given(st.integers(0, 2**32), st.integers(0, 5_000))
def test_rows_are_those_of_numpy(seed: int, count: int) -> None:
    given_columns = columns(seed)
    rows = np.random.default_rng(seed + 1).integers(0, SIZE, count)
    for column, found in zip(given_columns, picked(given_columns, rows), strict=True):
        assert found.dtype == column.dtype
        assert np.array_equal(found, column[rows])


@pytest.mark.parametrize("row", [-1, -SIZE])
def test_numbers_from_the_end_are_taken_as_numpy_takes_them(row: int) -> None:
    rows = np.arange(SIZE)
    rows[1_234] = row
    for column, found in zip(columns(1), picked(columns(1), rows), strict=True):
        assert np.array_equal(found, column[rows])


@pytest.mark.parametrize("row", [SIZE, -SIZE - 1, 2**62])
def test_a_row_that_is_not_there_is_an_error(row: int) -> None:
    rows = np.arange(SIZE)
    rows[-1] = row
    with pytest.raises(IndexError):
        picked(columns(1), rows)


def test_columns_that_the_loop_does_not_take_are_numpy_s() -> None:
    rows = np.arange(SIZE)[::-1]
    wide = np.array([2**70 + row for row in range(SIZE)], dtype=object)
    every_other = np.arange(2 * SIZE)[::2]
    for column in (wide, every_other):
        assert np.array_equal(picked([column, rows], rows)[0], column[rows])
    assert picked([], rows) == []


@pytest.mark.skipif(library.LIBRARY is None, reason="nothing was compiled")
def test_many_rows_are_picked_by_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    loops = library.LIBRARY

    class Watched:
        def __getattr__(self, name: str) -> Any:
            called.append(name)
            return getattr(loops, name)

    monkeypatch.setattr(library, "LIBRARY", Watched())
    picked(columns(1), np.arange(SIZE))
    assert set(called) == {"kline_pick"}
