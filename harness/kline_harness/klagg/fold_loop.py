"""Plain trades and pulls of the klagg model, folded into its bars in compiled loops."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.compiled import library
from kline_harness.units import Int64Array

# How much is logged before it has to be taken away.
LOG_RECORDS = 1 << 15
LOG_ANSWERS = 1 << 13
LOG_GAPS = 1 << 10
# A record: number of the slot, open time, count, and the eight amounts.
RECORD_WORDS = 11
FIRST_AMOUNT = 3
_LANE_WORDS, _BAR_WORDS = 4, 16

_OPTIONS = ("periods", "has_floats", "has_ids_checked", "counts_aggregates", "future_bound_ns")
_LIMITS = ("changed_max", "log_max", "answers_max", "gaps_max")
_COLUMNS = {
    "symbol": np.int16,
    "trade_id": np.int64,
    **dict.fromkeys(("price", "quantity", "quote"), np.int64),
    **dict.fromkeys(("first_id", "last_id", "event_time_ns", "arrival_ns"), np.int64),
    "buyer_is_maker": np.bool_,
    "kind": np.int8,
}
_POSITION = (
    *("trade", "trade_stop", "pull", "pull_stop", "received_since_ns", "answers_pulls"),
    *("now_ns", "changed_count", "log_count", "answer_count", "gap_count"),
)


class _Fold(ctypes.Structure):
    """The structure of the same name in fold.c, which says what the fields are."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in _OPTIONS),
        *((name, ctypes.c_void_p) for name in ("lanes", "changed")),
        *((name, ctypes.c_int64) for name in _LIMITS),
        *((name, ctypes.c_void_p) for name in ("log", "answered_at_ns", "answer_ends", "gaps")),
        *((name, ctypes.c_void_p) for name in ("lane_of", *_COLUMNS)),
        *((name, ctypes.c_void_p) for name in ("pull_at_ns", "pull_position")),
        *((name, ctypes.c_int64) for name in _POSITION),
    )


class Stop(IntEnum):
    """Why the loop stopped: at the end, before what is not plain, or with a full log."""

    END = 0
    TRADE = 1
    PULL = 2
    FULL = 3


class FoldLoop:
    """The compiled loop and its memory: a lane of bars for every symbol index.

    `at` holds where the loop is, and what it was told beside columns; its names are those of
    `Fold` in fold.c.
    """

    def __init__(self, lanes: int, periods: int, **options: int) -> None:
        assert library.LIBRARY is not None
        self._loop = library.LIBRARY.kline_fold
        amount = "d" if options["has_floats"] else "q"
        self._lane = struct.Struct("<4q" + f"3q8{amount}5q" * periods)
        words = np.zeros(lanes * self._lane.size, dtype=np.uint8)
        self._lanes = words.data
        self._held: dict[str, NDArray[Any]] = {"lanes": words}
        self.at: Any = _Fold(periods=periods, **options)
        self.at.lanes = words.ctypes.data
        self._log_max = max(LOG_RECORDS, lanes * periods)

    @staticmethod
    def is_compiled() -> bool:
        """Tell whether there is a loop."""
        return library.LIBRARY is not None

    # --- what it works on ----------------------------------------------------------------------

    def take_trades(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Begin a slice; amounts are floats or integers, as the loop was made for."""
        for name, dtype in _COLUMNS.items():
            column = columns[name]
            is_float = column.dtype == np.float64
            self._hold(name, column if is_float else column.astype(dtype, copy=False))
        self.at.trade = 0

    def take_pulls(self, at_ns: Int64Array, positions: Int64Array) -> None:
        """Take the pulls of a slice, each with the number of trades before it."""
        self._hold("pull_at_ns", at_ns)
        self._hold("pull_position", positions)
        self.at.pull = 0
        if "log" not in self._held and len(at_ns):
            self._hold("log", np.empty((self._log_max, RECORD_WORDS), dtype=np.int64))
            self._hold("answered_at_ns", np.empty(LOG_ANSWERS, dtype=np.int64))
            self._hold("answer_ends", np.empty(LOG_ANSWERS, dtype=np.int64))
            self.at.log_max, self.at.answers_max = self._log_max, LOG_ANSWERS
        if "gaps" not in self._held:
            self._hold("gaps", np.empty((LOG_GAPS, 3), dtype=np.int64))
            self.at.gaps_max = LOG_GAPS

    def take_routes(self, lane_of: Int64Array) -> None:
        """Learn the lane of each of the slice's symbols, -1 for none."""
        self._hold("lane_of", lane_of)

    def take_changed(self, numbers: Int64Array) -> None:
        """Learn where numbers of slots are noted that have changed."""
        if self._held.get("changed") is not numbers:
            self._hold("changed", numbers)
            self.at.changed_max = len(numbers)

    def _hold(self, name: str, column: NDArray[Any]) -> None:
        held = self._held[name] = np.ascontiguousarray(column)
        setattr(self.at, name, held.ctypes.data)

    # --- lanes ---------------------------------------------------------------------------------

    def load(self, lane: int, values: Iterable[float]) -> bool:
        """Fill a lane: its four words, then the sixteen of each bar; False if one does not fit."""
        start = lane * self._lane.size
        try:
            self._lane.pack_into(self._lanes, start, *values)
        except (struct.error, OverflowError):
            # What came before the one that does not fit has been written.
            self._close(start)
            return False
        return True

    def unload(self, lane: int) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
        """Return a lane's words and those of each bar, and leave it without plain trades."""
        start = lane * self._lane.size
        values = self._lane.unpack_from(self._lanes, start)
        self._close(start)
        places = range(_LANE_WORDS, len(values), _BAR_WORDS)
        return values[:_LANE_WORDS], [values[place : place + _BAR_WORDS] for place in places]

    def _close(self, start: int) -> None:
        self._lanes[start : start + 16] = bytes(16)

    # --- running -------------------------------------------------------------------------------

    def run(self) -> Stop:
        """Process what is plain."""
        return Stop(self._loop(ctypes.byref(self.at)))

    def taken_gaps(self) -> list[list[int]]:
        """Return, and forget, the gaps between trade ids: lane, end of the ids before, next id."""
        count, self.at.gap_count = self.at.gap_count, 0
        gaps: list[list[int]] = self._held["gaps"][:count].tolist() if count else []
        return gaps

    def taken_answers(self) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Return, and forget, the answers: their instants, where their records end, the records."""
        answers, records = self.at.answer_count, self.at.log_count
        self.at.answer_count = self.at.log_count = 0
        return (
            self._held["answered_at_ns"][:answers].copy(),
            self._held["answer_ends"][:answers].copy(),
            self._held["log"][:records].copy(),
        )
