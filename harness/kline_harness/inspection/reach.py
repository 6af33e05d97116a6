"""Klines that the trades of their symbol do not reach, and trades without klines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from kline_harness.comparison.coverage import Coverage, FileTime
from kline_harness.comparison.extent import OURS, NotCompared, unreached
from kline_harness.inspection.kline_series import KlineSeries
from kline_harness.inspection.subject import FileReport
from kline_harness.inspection.tally import Tally
from kline_harness.interval import Interval
from kline_harness.ranges import Ranges, join, without
from kline_harness.units import utc_text


def check_reach(
    symbol: str, series: Sequence[KlineSeries], files: Iterable[FileReport], tally: Tally
) -> None:
    """Find klines beyond the trades, and trades beyond the klines, where both were meant to meet.

    What a file's name says that it does not hold was not meant; files without any common time
    are found elsewhere.
    """
    windows = [
        FileTime(symbol, watch.window, watch.claimed, bool(file.info and file.info.is_recording))
        for file in files
        if (watch := file.watches.get(symbol)) is not None
    ]
    coverage = Coverage.by_symbol(windows).get(symbol)
    if coverage is None:
        return
    by_interval: dict[Interval, list[KlineSeries]] = {}
    is_any_whole = False
    for one in series:
        closes = one.interval.close_times_ns(one.opens)
        rest = ~coverage.touched(one.opens, closes)
        if not rest.all():
            by_interval.setdefault(one.interval, []).append(one)
            is_any_whole |= bool(coverage.whole(one.opens, closes).any())
            key, times = (symbol, one.interval.text), (one.opens[rest], closes[rest])
            _add(tally, unreached(key, one.name, times, one.quiet[rest], coverage))
    for interval, mine in by_interval.items():
        _add(tally, _beyond(symbol, interval, mine, coverage))
    if by_interval and not is_any_whole:
        spans = [f"{utc_text(start)} to {utc_text(end)}" for start, end in coverage.windows[:4]]
        names = [one.name for mine in by_interval.values() for one in mine]
        tally.add("nothing_whole", 1, {"trades_of": spans, "klines": names[:4]})


def _beyond(
    symbol: str, interval: Interval, series: Iterable[KlineSeries], coverage: Coverage
) -> Iterator[NotCompared]:
    """Yield the whole klines that trades make and no file of their interval reaches.

    They are counted and not listed: one wrong time makes a window of years.
    """
    whole = [
        (_first_open(interval, start), interval.open_time_ns(end))
        for start, end in coverage.windows
    ]
    held = [(int(one.opens[0]), interval.close_time_ns(int(one.opens[-1]))) for one in series]
    rest = without(_ranges(whole), _ranges(join(held)))
    count = sum(interval.count_between(start, stop) for start, stop in rest.tolist())
    if count:
        last_ns = interval.open_time_ns(int(rest[-1, 1]) - 1)
        times = (int(rest[0, 0]), last_ns)
        yield NotCompared(symbol, interval.text, OURS, "beyond_klines", count, *times)


def _first_open(interval: Interval, start_ns: int) -> int:
    """Return the first open time that is not before an instant."""
    return interval.close_time_ns(interval.open_time_ns(start_ns - 1))


def _ranges(windows: Iterable[tuple[int, int]]) -> Ranges:
    filled = [window for window in windows if window[0] < window[1]]
    return np.array(filled, dtype=np.int64).reshape(-1, 2)


def _add(tally: Tally, found: Iterable[NotCompared]) -> None:
    for one in found:
        if one.is_doubt:
            assert one.first_ns is not None
            assert one.last_ns is not None
            span = f"{utc_text(one.first_ns)} to {utc_text(one.last_ns)}"
            example = {"interval": one.interval, "opens": span, "sentence": one.sentence()}
            tally.add(one.reason, one.klines, example)
