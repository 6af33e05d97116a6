"""The coverage map: what became of every kline, by interval and hour."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kline_harness.errors import UsageError
from kline_harness.interval import interval_named, parse_interval
from kline_harness.report.data import ReportData
from kline_harness.report.differences import DifferenceRow
from kline_harness.report.format import number, utc
from kline_harness.report.klines import Series, interval_order
from kline_harness.report.mpl_paths import time_labels
from kline_harness.report.summary import traded_ns
from kline_harness.report.svg import Drawing, box
from kline_harness.run_record import RunRecord
from kline_harness.run_rows import StretchRow
from kline_harness.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, Int64Array

# From the bottom of a cell to its top: what matters most never hides.
STATES = (
    *("unexplained", "missing", "extra", "lost", "consistent", "proved"),
    *("halted", "silent", "uncompared", "identical", "quiet"),
)
_CODE = {name: code for code, name in enumerate(STATES)}
# A number counts those before the one, and those before the other are always big enough to see.
_COUNTED, _SEEN = _CODE["halted"], _CODE["uncompared"]
# Where stretches overlap, what is worse is said.
_STILL = ("silent", "halted", "lost")
_BUCKETS = (
    *(minutes * NS_PER_MINUTE for minutes in (1, 2, 5, 15, 30)),
    *(hours * NS_PER_HOUR for hours in (1, 2, 4, 6, 12, 24, 48, 168, 720)),
)
_COLUMNS = 31
_ALWAYS = (-(2**63), 2**63 - 1)
LEFT_OF_CELLS, RIGHT_OF_CELLS = 40.0, 960.0
_TOP = 22.0
# How wide a letter is where a phone shows the picture, in units of the picture.
_PHONE_LETTER = 17.0
_ROW, _GAP, _LEAST = 24.0, 2.0, 5.0


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of one interval: the klines that open in [start, end) by state."""

    start_ns: int
    end_ns: int
    expected: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CoverageMap:
    """The cells of one symbol by interval, over [start, end) in columns of `bucket_ns`."""

    symbol: str
    start_ns: int
    end_ns: int
    bucket_ns: int
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]

    def totals(self) -> dict[str, int]:
        """Return how many klines are in each state, states without any left out."""
        counts = np.array([cell.counts for _, cells in self.rows for cell in cells])
        sums = counts.reshape(-1, len(STATES)).sum(axis=0).tolist()
        return {name: count for name, count in zip(STATES, sums, strict=True) if count}


def coverage_maps(data: ReportData, symbols: Iterable[str]) -> Iterator[CoverageMap]:
    """Yield the map of each symbol that has klines or differences."""
    start, end = span_ns(data)
    if end <= start:
        return
    fitting = (size for size in _BUCKETS if (end - start) / size <= _COLUMNS)
    bucket = next(fitting, _BUCKETS[-1])
    start, end = start // bucket * bucket, -(-end // bucket) * bucket
    compared = compared_windows(data.run)
    for symbol in symbols:
        differences = [row for row in data.differences if row.symbol == symbol]
        series = {line.interval: line for line in data.klines if line.symbol == symbol}
        still = [row for row in data.run.stretches if row["symbol"] == symbol]
        still = [row for why in _STILL for row in still if row["why"] == why]
        intervals = sorted({*series, *(row.interval for row in differences)}, key=interval_order)
        rows = []
        for interval in intervals:
            own = [row for row in differences if row.interval == interval]
            window = compared.get((symbol, interval), (0, 0))
            opens, states = _states(series.get(interval), own, window, still)
            opens, states = _with_halted(interval, opens, states, still)
            rows.append((interval, tuple(_cells(interval, opens, states, start, end, bucket))))
        if rows:
            yield CoverageMap(symbol, start, end, bucket, tuple(rows))


def span_ns(data: ReportData) -> tuple[int, int]:
    """Return the time the trades span; without trades, that of the klines up to a day long."""
    if traded := traded_ns(data.run.inputs):
        # Recordings begin and end within a minute; axes with it.
        start, end = traded[0], traded[1] + 1
        return start - start % NS_PER_MINUTE, end + -end % NS_PER_MINUTE
    lines = [line for line in data.klines if len(line)]
    lines = [line for line in lines if _length_ns(line.interval) <= NS_PER_DAY] or lines
    return (
        min((int(line.open_time_ns[0]) for line in lines), default=0),
        max((int(line.close_time_ns[-1]) for line in lines), default=0),
    )


def compared_windows(run: RunRecord) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the series that were compared, each with the time its exchange klines cover."""
    if not run.comparison:
        return {}
    windows: dict[tuple[str, str], tuple[int, int]] = {}
    for row in run.compared:
        covers = [
            claimed
            for file in run.inputs
            if file.get("role") == "klines"
            and (claimed := file.get("coverage"))
            and row["symbol"] in (file.get("symbols") or ())
        ]
        outside = row.get("uncompared") and covers
        bounds = (min(c[0] for c in covers), max(c[1] for c in covers)) if outside else _ALWAYS
        windows[row["symbol"], row["interval"]] = bounds
    return windows


def _states(
    series: Series | None,
    differences: Sequence[DifferenceRow],
    window: tuple[int, int],
    still: Sequence[StretchRow],
) -> tuple[Int64Array, NDArray[np.int8]]:
    """Return the open time and state of every kline of a series, ours or the exchange's only.

    What is still for a reason is only told of klines that the exchange's files do not cover: all
    others are equal to the exchange's, or differ.
    """
    differing = np.array([row.open_time_ns for row in differences], dtype=np.int64)
    codes = np.array([_code(row) for row in differences], dtype=np.int8)
    if series is None:
        return differing, codes
    opens = series.open_time_ns
    within = (opens >= window[0]) & (opens < window[1])
    states = np.where(within, _CODE["identical"], _CODE["uncompared"]).astype(np.int8)
    quiet = series.count == 0
    states[quiet] = _CODE["quiet"]
    for row in still:
        inside = (opens >= row["from_ns"]) & (series.close_time_ns <= row["until_ns"])
        states[quiet & inside & ~within] = _CODE[row["why"]]
    keep = ~np.isin(opens, differing)
    return np.concatenate([opens[keep], differing]), np.concatenate([states[keep], codes])


def _with_halted(
    interval: str, opens: Int64Array, states: NDArray[np.int8], still: Sequence[StretchRow]
) -> tuple[Int64Array, NDArray[np.int8]]:
    """Add the klines of halts that neither side has: none was due, and none is missed."""
    frame = interval_named(interval)
    found: list[Int64Array] = [np.empty(0, dtype=np.int64)]
    for row in still:
        if frame is not None and row["why"] == "halted":
            # The first whole kline opens where the one just before closes.
            due = frame.opens_between(frame.close_time_ns(row["from_ns"] - 1), row["until_ns"])
            found.append(due[frame.close_times_ns(due) <= row["until_ns"]])
    fresh = np.setdiff1d(np.concatenate(found), opens)
    halted = np.full(len(fresh), _CODE["halted"], dtype=np.int8)
    return np.concatenate([opens, fresh]), np.concatenate([states, halted])


def _code(row: DifferenceRow) -> int:
    if row.kind == "consistent" and row.cause is not None and "halt" in row.cause:
        return _CODE["halted"]
    return _CODE.get(row.kind, _CODE["unexplained"])


def _cells(
    interval: str,
    opens: Int64Array,
    states: NDArray[np.int8],
    start_ns: int,
    end_ns: int,
    bucket_ns: int,
) -> Iterator[Cell]:
    """Group klines shorter than a column by column; a longer one is a cell of its own."""
    length, frame = _length_ns(interval), interval_named(interval)
    if length >= bucket_ns:
        # A month is as long as it is.
        closes = frame.close_times_ns(opens) if frame is not None else opens + length
        rows = zip(opens.tolist(), closes.tolist(), states.tolist(), strict=True)
        for open_ns, close_ns, state in sorted(rows):
            start, end = max(open_ns, start_ns), min(close_ns, end_ns)
            if start < end:
                yield Cell(start, end, 1, tuple(int(state == code) for code in range(len(STATES))))
        return
    columns = (end_ns - start_ns) // bucket_ns
    place = (opens - start_ns) // bucket_ns
    inside = (place >= 0) & (place < columns)
    flat = place[inside] * len(STATES) + states[inside]
    table = np.bincount(flat, minlength=columns * len(STATES)).reshape(columns, len(STATES))
    for column, counts in enumerate(table.tolist()):
        begin = start_ns + column * bucket_ns
        yield Cell(begin, begin + bucket_ns, bucket_ns // length, tuple(counts))


def _length_ns(interval: str) -> int:
    try:
        return parse_interval(interval).length_ns or 30 * NS_PER_DAY
    except UsageError:
        return NS_PER_HOUR


def draw_coverage(coverage: CoverageMap) -> Drawing:
    """Draw the map: a row per interval, each cell filled in proportion to its states."""
    height = _TOP + len(coverage.rows) * (_ROW + _GAP)
    drawing = Drawing(RIGHT_OF_CELLS, height, _alternative(coverage))
    scale = (RIGHT_OF_CELLS - LEFT_OF_CELLS) / (coverage.end_ns - coverage.start_ns)
    _draw_axis(drawing, coverage, scale)
    for place, (interval, cells) in enumerate(coverage.rows):
        y = _TOP + place * (_ROW + _GAP)
        drawing.text(LEFT_OF_CELLS - 8, y + 16, interval, tone="muted", anchor="end")
        drawing.rect(LEFT_OF_CELLS, y, RIGHT_OF_CELLS - LEFT_OF_CELLS, _ROW, "soft")
        places = [
            (
                LEFT_OF_CELLS + (cell.start_ns - coverage.start_ns) * scale,
                (cell.end_ns - cell.start_ns) * scale - 1,
            )
            for cell in cells
        ]
        _draw_row(drawing, interval, cells, places, y)
    return drawing


def _draw_axis(drawing: Drawing, coverage: CoverageMap, scale: float) -> None:
    start, end, bucket = coverage.start_ns, coverage.end_ns, coverage.bucket_ns
    # A label with a date is twice as wide.
    most = 12 if end - start > NS_PER_DAY and bucket < NS_PER_DAY else 24
    times = range(start, end, max(1, -(-((end - start) // bucket) // most)) * bucket)
    labels = time_labels(times, start, end)
    if bucket >= NS_PER_HOUR and end - start <= NS_PER_DAY:
        labels = [text[:2] for text in labels]
    # On a phone letters are so wide that every second or third label has room.
    width = max(map(len, labels), default=0) * _PHONE_LETTER + _PHONE_LETTER / 2
    every = math.ceil(width / (times.step * scale))
    for place, (time_ns, text) in enumerate(zip(times, labels, strict=True)):
        x = LEFT_OF_CELLS + (time_ns - start) * scale
        drawing.text(x, 13, text, tone="muted", size=11, rare=place % every > 0)


def _draw_row(
    drawing: Drawing,
    interval: str,
    cells: Sequence[Cell],
    places: Sequence[tuple[float, float]],
    y: float,
) -> None:
    """Draw the cells of an interval, a shape for each state; a number tells the counts of its cell.

    Shapes for each cell would be most of the page.
    """
    shapes: dict[str, list[str]] = {}
    for cell, (x, width) in zip(cells, places, strict=True):
        bottom = y + _ROW
        for state, height in _heights(cell):
            bottom -= height
            shapes.setdefault(state, []).append(box(x, bottom, width, height))
    sums = [sum(column) for column in zip(*(cell.counts for cell in cells), strict=True)]
    joined = [("".join(boxes), state) for state, boxes in shapes.items()]
    drawing.titled(joined, f"{interval}: {_counts(sums)}")
    for cell, (x, width) in zip(cells, places, strict=True):
        differing = sum(cell.counts[:_COUNTED])
        if differing and cell.expected > 1 and width > 8 * len(str(differing)):
            title = f"{interval} from {utc(cell.start_ns)}: {_counts(cell.counts)}"
            middle, text = x + width / 2, number(differing)
            rare = width < _PHONE_LETTER * len(text)
            drawing.text(
                *(middle, y + 16, text),
                size=11,
                anchor="middle",
                bold=True,
                halo=True,
                rare=rare,
                title=title,
            )


def _counts(counts: Sequence[int]) -> str:
    return ", ".join(f"{number(n)} {s}" for s, n in zip(STATES, counts, strict=True) if n)


def _heights(cell: Cell) -> list[tuple[str, float]]:
    """Share a cell's height among its states; what matters gets a height one can see."""
    whole = max(cell.expected, sum(cell.counts))
    shares = [(name, count) for name, count in zip(STATES, cell.counts, strict=True) if count]
    heights = [max(_ROW * n / whole, _LEAST if _CODE[name] < _SEEN else 0) for name, n in shares]
    shrink = min(1.0, _ROW / sum(heights)) if heights else 1.0
    return [(name, height * shrink) for (name, _), height in zip(shares, heights, strict=True)]


def _alternative(coverage: CoverageMap) -> str:
    told = ", ".join(f"{number(count)} {name}" for name, count in coverage.totals().items())
    return f"Coverage of {coverage.symbol} by interval and time: {told or 'no klines'}"
