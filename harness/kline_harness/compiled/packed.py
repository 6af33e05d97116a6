"""Columns of trades packed into few bytes and made wide again; rows put in order by one number."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kline_harness.compiled import library

Int64s = NDArray[np.int64]


class Packs(NamedTuple):
    """Where the values of some packed trades are, for the loops, and the layouts of each."""

    addresses: Int64s
    layouts: Int64s
    rows: Int64s

    def before(self, instants_ns: Int64s) -> Int64s:
        """Return how many trades of each pack arrive before each of some instants."""
        found = np.empty((len(self.rows), len(instants_ns)), dtype=np.int64)
        given = (self.rows, self.addresses, self.layouts)
        _call("kline_before", len(self.rows), *given, len(instants_ns), instants_ns, found)
        return found

    def arrivals_ns(self, starts: Int64s, step: int) -> Int64s:
        """Return when each `step`-th trade of each pack arrives, from its start on."""
        most = int((-((starts - self.rows) // step)).clip(0).sum())
        found = np.empty(most, dtype=np.int64)
        given = (self.rows, self.addresses, self.layouts, starts)
        _call("kline_sample", len(self.rows), *given, step, found)
        return found

    def widen(
        self, chosen: Int64s, starts: Int64s, stops: Int64s, columns: Sequence[NDArray[Any]]
    ) -> None:
        """Write rows of the packs that are `chosen`, one after the other; not their symbols."""
        given = (chosen, starts, stops, self.addresses, self.layouts)
        _call("kline_widen", len(chosen), *given, _pointers(columns))


def measure(columns: Sequence[NDArray[Any]]) -> Int64s | None:
    """Return the layout that a tape's columns are to be packed in, None where nothing is compiled.

    A row for each column: its offset, not set yet, and its width, base and step.
    """
    if library.LIBRARY is None:
        return None
    layout = np.empty((len(columns), 4), dtype=np.int64)
    _call("kline_measure", len(columns[0]), _pointers(columns), layout)
    return layout


def pack(columns: Sequence[NDArray[Any]], layout: Int64s, values: NDArray[np.uint8]) -> None:
    """Write each column's values to where the layout says."""
    _call("kline_pack", len(columns[0]), _pointers(columns), layout, values)


def stable_order(keys: Int64s) -> tuple[Int64s, Int64s] | None:
    """Return the rows in order of their keys, and the place of each row in it.

    Returns None where nothing is compiled.
    """
    if library.LIBRARY is None:
        return None
    keys = np.ascontiguousarray(keys)
    order, places = np.empty_like(keys), np.empty_like(keys)
    _call("kline_order", len(keys), keys, order, places, np.empty(2 * len(keys), dtype=np.int64))
    return order, places


def _pointers(columns: Sequence[NDArray[Any]]) -> Any:
    # Python's integers are no numbers to a loop.
    places = (None if one.dtype == object else one.ctypes.data for one in columns)
    return (ctypes.c_void_p * len(columns))(*places)


def _call(name: str, *given: Any) -> None:
    assert library.LIBRARY is not None
    function = getattr(library.LIBRARY, name)
    function.restype = None
    words = (ctypes.c_int64(one) if isinstance(one, int) else one for one in given)
    function(
        *(ctypes.c_void_p(one.ctypes.data) if isinstance(one, np.ndarray) else one for one in words)
    )
