"""Klines of many series rolled up to every longer interval, in one pass."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.compiled import library
from kline_harness.compiled.pick import picked

# Codes of intervals.
_CODES = 16
_NARROW: dict[str, type[np.generic]] = {"symbol": np.int16}
_NARROW |= dict.fromkeys(("interval", "trigger", "parent"), np.int8)
_OF_KLINES = (
    *("symbol", "interval", "open_time_ns", "open", "high", "low", "close", "volume"),
    *("quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"),
    *("first_trade_id", "last_trade_id", "at_ns", "trigger"),
)
_COLUMNS = (*_OF_KLINES, "parent", "parent_open_ns", "children")


class _Parts(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in _COLUMNS)


class _Plan(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64 * _CODES) for name in ("length", "offset")),
        ("nearest", (ctypes.c_int8 * _CODES) * _CODES),
    )


class RollUpPlan:
    """What every longer interval is made of, of klines of each interval.

    `lengths_ns` of calendar months are 0. `nearest` has, for the code of an interval and that of a
    longer one, the code of the longest that the longer one is made of, -1 where it is of none.
    """

    def __init__(
        self,
        lengths_ns: Sequence[int],
        offsets_ns: Sequence[int],
        nearest: Sequence[Sequence[int]],
    ) -> None:
        self._plan = _Plan((ctypes.c_int64 * _CODES)(*lengths_ns))
        self._plan.offset = (ctypes.c_int64 * _CODES)(*offsets_ns)
        for code, row in enumerate(nearest):
            self._plan.nearest[code] = (ctypes.c_int8 * _CODES)(*row)

    def roll_up(
        self, klines: Mapping[str, NDArray[Any]], order: NDArray[np.intp]
    ) -> dict[str, NDArray[Any]] | None:
        """Return roll-ups of klines that `order` sorts by symbol and interval.

        They are in the order of symbol, interval, longer interval and time. Returns None where
        nothing is compiled, a column is no int64, a series does not go forward, or a sum does not
        fit.
        """
        loops = library.LIBRARY
        if loops is None or any(klines[name].dtype == object for name in _OF_KLINES):
            return None
        given = picked([klines[name] for name in _OF_KLINES], order)
        parts = _Parts(*(column.ctypes.data for column in given))
        size = ctypes.c_int64(len(order))
        plan = ctypes.byref(self._plan)
        loops.kline_roll_ups_room.restype = loops.kline_roll_ups.restype = ctypes.c_int64
        room = loops.kline_roll_ups_room(plan, ctypes.byref(parts), size)
        if room < 0:
            return None
        made = {name: np.empty(room, dtype=_NARROW.get(name, np.int64)) for name in _COLUMNS}
        out = _Parts(*(column.ctypes.data for column in made.values()))
        rows = loops.kline_roll_ups(plan, ctypes.byref(parts), size, ctypes.byref(out))
        return None if rows < 0 else {name: column[:rows] for name, column in made.items()}
