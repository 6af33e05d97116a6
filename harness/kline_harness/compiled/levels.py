"""Klines made in rows, interval by interval, and put in the order of the feed's events."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kline_harness.compiled import library

# Columns of a row, as partial_row.h names them.
ROW_COLUMNS = 24
_TRADES = (
    *("symbol", "seq", "price", "quantity", "quote", "trade_id", "first_id", "last_id"),
    *("event_time_ns", "arrival_ns", "buyer_is_maker", "applied"),
)
_NARROW: dict[str, type[np.generic]] = {
    "symbol": np.int16,
    "interval": np.int8,
    "trigger": np.int8,
    "life": np.int8,
}
_KLINES = (
    *("symbol", "interval", "open_time_ns", "open", "high", "low", "close", "volume"),
    *("quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"),
    *("first_trade_id", "last_trade_id", "at_ns", "trigger"),
)
_EVENTS = ("symbol", "life", "interval", "open_time_ns", "trades", "at_ns", "trigger")
Rows = NDArray[np.int64]


def _pointers(names: Sequence[str]) -> list[tuple[str, Any]]:
    return [(name, ctypes.c_void_p) for name in names]


class _Trades(ctypes.Structure):
    _fields_ = (("size", ctypes.c_int64), *_pointers(_TRADES))


class _TickPointers(ctypes.Structure):
    _fields_ = (("size", ctypes.c_int64), *_pointers(("seq", "open_time_ns", "at_ns")))


class _BucketRule(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("length", "offset", "size")),
        ("opens", ctypes.c_void_p),
    )


class _Klines(ctypes.Structure):
    _fields_ = tuple(_pointers(_KLINES))


class _Events(ctypes.Structure):
    _fields_ = tuple(_pointers(_EVENTS))


class _Emission(ctypes.Structure):
    _fields_ = (
        *(("start", ctypes.c_int64), ("events", ctypes.c_int64)),
        *_pointers(("klines_of", "events_of")),
        ("is_placed", ctypes.c_bool),
        *(("klines", _Klines), ("life", _Events)),
    )


class TickColumns(NamedTuple):
    """Ticks in the order of the feed: their places in it, the times they tell, their instants."""

    seq: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    at_ns: NDArray[np.int64]


_NOTHING = np.empty(0, dtype=np.int64)
NO_TICKS = TickColumns(_NOTHING, _NOTHING, _NOTHING)


class Made(NamedTuple):
    """What was made of an interval: klines that are closed, and those open now."""

    closed: Rows
    open: Rows


class Buckets(NamedTuple):
    """An interval: a length and an offset, or open times from the first needed to one beyond."""

    length_ns: int
    offset_ns: int
    opens_ns: NDArray[np.int64] | None = None


def finest(
    trades: Mapping[str, NDArray[Any] | None], ticks: TickColumns, state: Rows, buckets: Buckets
) -> Made | None:
    """Move the finest interval on by trades sorted by symbol, and by ticks of its open times.

    Returns None where nothing is compiled, a column is no int64, a trade is late, or a sum does
    not fit.
    """
    columns = {name: _plain(trades[name]) for name in _TRADES}
    if library.LIBRARY is None or any(
        column is not None and column.dtype == object for column in columns.values()
    ):
        return None
    addresses = (None if c is None else c.ctypes.data for c in columns.values())
    symbols = columns["symbol"]
    assert symbols is not None
    given = _Trades(len(symbols), *addresses)
    held = [np.ascontiguousarray(column) for column in (ticks.seq, ticks.time_ns, ticks.at_ns)]
    told = _TickPointers(len(held[0]), *(column.ctypes.data for column in held))
    distinct = int(np.count_nonzero(np.diff(symbols))) + 1 if len(symbols) else 0
    room = (len(held[0]) + 2) * (len(state) + distinct)
    while True:
        closed, opened = _rows(room), _rows(len(state) + distinct)
        sizes = np.zeros(2, dtype=np.int64)
        fits = library.LIBRARY.kline_finest(
            ctypes.byref(given),
            ctypes.byref(told),
            *_sized(state),
            ctypes.c_int64(buckets.length_ns),
            ctypes.c_int64(buckets.offset_ns),
            *_sized(closed),
            _address(opened),
            _address(sizes),
        )
        if fits != 0:
            return None
        if sizes[0] <= room:
            return Made(closed[: sizes[0]], opened[: sizes[1]])
        room = int(sizes[0])


def longer(state: Rows, child: Made, buckets: Buckets, child_length_ns: int) -> Made | None:
    """Move an interval on by what its child closed, and has open.

    Returns None where a sum does not fit, or the rows do not follow one another.
    """
    assert library.LIBRARY is not None
    tables = (state, *child)
    opens = buckets.opens_ns
    one = _BucketRule(buckets.length_ns, buckets.offset_ns, 0, None)
    if opens is not None:
        one.size, one.opens = len(opens), opens.ctypes.data
    symbols = len(state) + len(child.open)
    room = len(child.closed)
    if buckets.length_ns:
        room = min(room, room * child_length_ns // buckets.length_ns + symbols + 1)
    closed, opened, sizes = _rows(room), _rows(symbols), np.zeros(2, dtype=np.int64)
    fits = library.LIBRARY.kline_longer(
        (ctypes.c_void_p * 3)(*(table.ctypes.data for table in tables)),
        (ctypes.c_int64 * 3)(*map(len, tables)),
        ctypes.byref(one),
        ctypes.c_int64(child_length_ns),
        *_sized(closed),
        *_sized(opened),
        _address(sizes),
    )
    return Made(closed[: sizes[0]], opened[: sizes[1]]) if fits == 0 else None


def emission(
    levels: Sequence[tuple[int, Made]], symbols: int, start: int, events: int, ticks: TickColumns
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]] | None:
    """Return klines and events of their life in columns, in the order of the feed.

    `levels` are codes of intervals with what was made of them in `events` of the feed from number
    `start` on. Returns None where nothing is compiled, or a row is of another event.
    """
    if library.LIBRARY is None:
        return None
    places = [np.zeros(events, dtype=np.int64) for _ in range(2)]
    told = [np.ascontiguousarray(column) for column in (ticks.seq, ticks.at_ns, ticks.time_ns)]
    sizes = np.zeros(2, dtype=np.int64)
    every = _Emission(start, events, *(column.ctypes.data for column in places))
    rows = [
        (made.closed.ctypes.data, made.open.ctypes.data, len(made.closed), len(made.open), code)
        for code, made in levels
    ]

    def visit() -> bool:
        assert library.LIBRARY is not None
        # Each visit reads the levels to their ends.
        table = np.array(rows, dtype=np.int64)
        done = library.LIBRARY.kline_emission(
            ctypes.byref(every),
            _address(table),
            ctypes.c_int64(len(rows)),
            ctypes.c_int64(symbols),
            *map(_address, told),
            ctypes.c_int64(len(told[0])),
            _address(sizes),
        )
        return bool(done)

    if not visit():
        return None
    klines, life = (
        {name: np.empty(size, dtype=_NARROW.get(name, np.int64)) for name in names}
        for names, size in zip((_KLINES, _EVENTS), sizes.tolist(), strict=True)
    )
    every.klines = _Klines(*(column.ctypes.data for column in klines.values()))
    every.life = _Events(*(column.ctypes.data for column in life.values()))
    every.is_placed = True
    visit()
    return klines, life


def _plain(column: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if column is None else np.ascontiguousarray(column)


def _rows(size: int) -> Rows:
    return np.empty((size, ROW_COLUMNS), dtype=np.int64)


def _address(column: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(column.ctypes.data)


def _sized(rows: Rows) -> tuple[ctypes.c_void_p, ctypes.c_int64]:
    return _address(rows), ctypes.c_int64(len(rows))
