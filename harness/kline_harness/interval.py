"""The one place that knows where a kline begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from kline_harness.errors import UsageError
from kline_harness.units import (
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_MINUTE,
    NS_PER_SECOND,
    Int64Array,
)

# 1970-01-01 was a Thursday: the first Monday of the epoch is four days later.
_MONDAY_OFFSET_NS = 4 * NS_PER_DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# numpy deprecates to add a bare number to a month.
_MONTH = np.timedelta64(1, "M")


@dataclass(frozen=True, slots=True)
class Interval:
    """A kline interval: UTC buckets ``[open time, close time)``, closed on the left.

    A trade exactly on a boundary belongs to the kline that opens there. Times are epoch
    nanoseconds; the close time is exclusive, so it is the next kline's open time (exchange files
    show the last millisecond or microsecond inside instead).

    * 1s to 3d are multiples of their length since the epoch. For 3d that is an inference: no
      official 3d file was at hand to prove it.
    * 1w opens Monday 00:00 UTC: 437 of 437 official weekly klines are the sum of those days.
    * 1M is the calendar month; its length varies, so `length_ns` is None.

    Source: the exchange's kline files (close_time = open_time + interval - 1) and REST document
    (klines are unique by open time, UTC).
    """

    text: str
    length_ns: int | None
    offset_ns: int = 0

    def __str__(self) -> str:
        return self.text

    def open_time_ns(self, time_ns: int) -> int:
        """Return the open time of the kline that holds an instant."""
        if self.length_ns is None:
            moment = _EPOCH + timedelta(seconds=time_ns // NS_PER_SECOND)
            return _month_ns(moment.year, moment.month)
        return time_ns - (time_ns - self.offset_ns) % self.length_ns

    def close_time_ns(self, time_ns: int) -> int:
        """Return the exclusive close time of the kline that holds an instant."""
        if self.length_ns is None:
            moment = _EPOCH + timedelta(seconds=time_ns // NS_PER_SECOND)
            return _month_ns(moment.year + moment.month // 12, moment.month % 12 + 1)
        return self.open_time_ns(time_ns) + self.length_ns

    def open_times_ns(self, times_ns: Int64Array) -> Int64Array:
        """Return the open time for each instant of a column."""
        if self.length_ns is None:
            months = times_ns.astype("datetime64[ns]").astype("datetime64[M]")
            return months.astype("datetime64[ns]").astype(np.int64)
        return times_ns - (times_ns - self.offset_ns) % self.length_ns

    def close_times_ns(self, times_ns: Int64Array) -> Int64Array:
        """Return the exclusive close time for each instant of a column."""
        if self.length_ns is None:
            months = times_ns.astype("datetime64[ns]").astype("datetime64[M]")
            return (months + _MONTH).astype("datetime64[ns]").astype(np.int64)
        return self.open_times_ns(times_ns) + self.length_ns

    def count_between(self, first_open_ns: int, last_open_ns: int) -> int:
        """Return how many klines lie from one open time up to and without another."""
        if self.length_ns is None:
            return _month_index(last_open_ns) - _month_index(first_open_ns)
        return (last_open_ns - first_open_ns) // self.length_ns

    def opens_between(self, first_open_ns: int, end_ns: int) -> Int64Array:
        """Return every open time from `first_open_ns` on that lies before `end_ns`."""
        if self.length_ns is None:
            start = np.datetime64(first_open_ns, "ns").astype("datetime64[M]")
            stop = (
                np.datetime64(max(end_ns, first_open_ns) - 1, "ns").astype("datetime64[M]") + _MONTH
            )
            months = np.arange(start, stop, _MONTH).astype("datetime64[ns]").astype(np.int64)
            return months[months < end_ns]
        return np.arange(first_open_ns, end_ns, self.length_ns, dtype=np.int64)

    def refines(self, other: Interval) -> bool:
        """Tell whether every kline of `other` is made of whole klines of this interval."""
        if self == other:
            return True
        if self.length_ns is None:
            return False
        if other.length_ns is None:
            return NS_PER_DAY % self.length_ns == 0
        return (
            other.length_ns % self.length_ns == 0
            and (other.offset_ns - self.offset_ns) % self.length_ns == 0
        )


def _month_ns(year: int, month: int) -> int:
    return (datetime(year, month, 1, tzinfo=UTC) - _EPOCH).days * NS_PER_DAY


def _month_index(time_ns: int) -> int:
    moment = _EPOCH + timedelta(seconds=time_ns // NS_PER_SECOND)
    return moment.year * 12 + moment.month


# Shortest first; a kline's interval is stored as its index here.
INTERVALS: tuple[Interval, ...] = (
    Interval("1s", NS_PER_SECOND),
    Interval("1m", NS_PER_MINUTE),
    Interval("3m", 3 * NS_PER_MINUTE),
    Interval("5m", 5 * NS_PER_MINUTE),
    Interval("15m", 15 * NS_PER_MINUTE),
    Interval("30m", 30 * NS_PER_MINUTE),
    Interval("1h", NS_PER_HOUR),
    Interval("2h", 2 * NS_PER_HOUR),
    Interval("4h", 4 * NS_PER_HOUR),
    Interval("6h", 6 * NS_PER_HOUR),
    Interval("8h", 8 * NS_PER_HOUR),
    Interval("12h", 12 * NS_PER_HOUR),
    Interval("1d", NS_PER_DAY),
    Interval("3d", 3 * NS_PER_DAY),
    Interval("1w", 7 * NS_PER_DAY, _MONDAY_OFFSET_NS),
    Interval("1M", None),
)
_LENGTHS_NS = np.array([interval.length_ns or 1 for interval in INTERVALS], dtype=np.int64)
_OFFSETS_NS = np.array([interval.offset_ns for interval in INTERVALS], dtype=np.int64)
_WEEKLY, _MONTHLY = len(INTERVALS) - 2, len(INTERVALS) - 1
_BY_TEXT = {interval.text: interval for interval in INTERVALS}
CODE: dict[Interval, int] = {interval: code for code, interval in enumerate(INTERVALS)}
# What the archive publishes per day and symbol: 1m to 1d.
DEFAULT_INTERVALS: tuple[Interval, ...] = INTERVALS[1:13]


def times_by_code(codes: NDArray[np.int8], times_ns: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return open and exclusive close time for each instant, in the interval of each row."""
    lengths = _LENGTHS_NS[codes]
    since = times_ns
    if np.any(codes == _WEEKLY):
        since = times_ns - _OFFSETS_NS[codes]
    opens: Int64Array = times_ns - since % lengths
    closes: Int64Array = opens + lengths
    monthly = codes == _MONTHLY
    if monthly.any():
        opens[monthly] = INTERVALS[_MONTHLY].open_times_ns(times_ns[monthly])
        closes[monthly] = INTERVALS[_MONTHLY].close_times_ns(times_ns[monthly])
    return opens, closes


def close_times_by_code(codes: NDArray[np.int8], times_ns: Int64Array) -> Int64Array:
    """Return the exclusive close time for each instant of a column, in the interval of each row."""
    return times_by_code(codes, times_ns)[1]


def interval_named(text: str) -> Interval | None:
    """Return the interval of exactly this name, None where there is none."""
    return _BY_TEXT.get(text)


def parse_interval(text: str) -> Interval:
    """Return the interval of a name such as ``5m``; ``1mo``, the archive's name, is ``1M``.

    Raises UsageError for any other text.
    """
    interval = _BY_TEXT.get("1M" if text == "1mo" else text)
    if interval is None:
        raise UsageError(f"unknown interval {text!r}: expected one of {' '.join(_BY_TEXT)}")
    return interval


def parse_intervals(text: str) -> tuple[Interval, ...]:
    """Return the intervals of a comma-separated list, each once, the shortest first.

    Raises UsageError as `parse_interval` does.
    """
    chosen = {parse_interval(part.strip()) for part in text.split(",")}
    return tuple(sorted(chosen, key=CODE.__getitem__))
