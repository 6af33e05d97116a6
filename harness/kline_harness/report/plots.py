"""The plots of klines: candlesticks and lateness; a few compound paths each, never a bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.interval import interval_named
from kline_harness.report.data import ReportData
from kline_harness.report.differences import CLASSES, DifferenceRow
from kline_harness.report.format import number
from kline_harness.report.klines import Floats, Series, interval_order, no_klines
from kline_harness.report.mpl_paths import (
    LEFT,
    RIGHT,
    WIDTH,
    boxes,
    lateness_axis,
    lateness_scale,
    paint,
    strokes,
    time_axis,
)
from kline_harness.report.mpl_svg import figure, inline_svg, tone
from kline_harness.run_rows import LatenessRow
from kline_harness.units import NS_PER_MINUTE, Int64Array

_CANDLES = 320


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """What a still picture of candles shows: klines of one series, and where they differ.

    `of_klines` and `of_differences` are all that the series has, in the picture or not;
    `length_ns` is that of its first kline.
    """

    series: Series
    differences: Sequence[DifferenceRow]
    span_ns: tuple[int, int]
    length_ns: int
    of_klines: int
    of_differences: int


def candle_chart(data: ReportData, symbol: str, span_ns: tuple[int, int]) -> Chart | None:
    """Choose what a reader should see of a symbol: the interval of its worst difference.

    Where more klines than can be told apart are in it, those around that difference; where none
    differs, the shortest interval whose candles can be told apart.
    """
    lines = [_within(line, span_ns) for line in data.klines if line.symbol == symbol]
    lines = sorted((line for line in lines if len(line)), key=_by_interval)
    worst = next((row for row in data.differences if row.symbol == symbol), None)
    if worst is None:
        last = lines[-1] if lines else None
        line = next((line for line in lines if len(line) <= _CANDLES), last)
        return None if line is None else _chart(line, (), span_ns, None)
    rows = [row for row in data.differences if _key(row) == _key(worst)]
    own = [line for line in lines if line.interval == worst.interval]
    return _chart(own[0] if own else no_klines(*_key(worst)), rows, span_ns, worst)


def _key(row: DifferenceRow) -> tuple[str, str]:
    return row.symbol, row.interval


def _chart(
    line: Series,
    rows: Sequence[DifferenceRow],
    span_ns: tuple[int, int],
    worst: DifferenceRow | None,
) -> Chart:
    """Cut a series and its differences to what can be told apart around the worst one."""
    opens = np.union1d(line.open_time_ns, [row.open_time_ns for row in rows]).astype(np.int64)
    first, last = int(opens[0]), int(opens[-1])
    if worst is not None and len(opens) > _CANDLES:
        start = int(np.searchsorted(opens, worst.open_time_ns)) - _CANDLES // 2
        start = min(max(0, start), len(opens) - _CANDLES)
        first, last = int(opens[start]), int(opens[start + _CANDLES - 1])
    interval = interval_named(line.interval)
    if len(line):
        length = int(line.close_time_ns[0] - line.open_time_ns[0])
    else:
        length = interval.close_time_ns(first) - first if interval else NS_PER_MINUTE
    whole = (first, last) == (int(opens[0]), int(opens[-1]))
    bounds = (min(span_ns[0], first), max(span_ns[1], last + length))
    return Chart(
        line.rows((line.open_time_ns >= first) & (line.open_time_ns <= last)),
        [row for row in rows if first <= row.open_time_ns <= last],
        bounds if whole else (first, last + length),
        length,
        len(line),
        len(rows),
    )


def draw_candles(chart: Chart) -> str:
    """Draw our klines, the exchange's where they differ, and a mark under each that does."""
    series, differences, length = chart.series, chart.differences, chart.length_ns
    exchange = [
        row for row in differences if None not in row.theirs[:4] and row.theirs[:4] != row.ours[:4]
    ]
    theirs = np.array([[float(v or 0) for v in row.theirs[:4]] for row in exchange]).reshape(-1, 4)
    theirs_at = np.array([row.open_time_ns for row in exchange], dtype=np.int64)
    low = np.concatenate([series.low, theirs[:, 2]])
    high = np.concatenate([series.high, theirs[:, 1]])
    with figure(WIDTH, 380) as canvas:
        prices = canvas.add_axes((LEFT, 0.3, RIGHT - LEFT, 0.68))
        volumes = canvas.add_axes((LEFT, 0.075, RIGHT - LEFT, 0.14))
        if len(low):
            _scale_prices(prices, float(low.min()), float(high.max()))
        _paint_candles(prices, series)
        _paint_exchange(prices, theirs_at, theirs, length)
        _paint_marks(prices, differences, length)
        _paint_volume(volumes, series)
        for axes in (prices, volumes):
            axes.set_xlim(*chart.span_ns)
        prices.set_xticks([])
        time_axis(volumes, *chart.span_ns)
        alternative = (
            f"Candlesticks of {number(len(series))} {series.interval} klines of {series.symbol}, "
            f"{number(len(differences))} of them marked as different from the exchange's"
        )
        return inline_svg(canvas, alternative)


def draw_lateness(data: ReportData) -> str | None:
    """Draw the distribution of lateness of each interval, on a logarithmic scale of time."""
    late: dict[str, list[NDArray[Any]]] = {}
    for line in data.klines:
        lateness = line.finalized_at_ns - line.close_time_ns
        late.setdefault(line.interval, []).append(lateness[~line.ended])
    rows = {name: np.concatenate(late[name]) for name in sorted(late, key=interval_order)}
    rows = {name: values for name, values in rows.items() if len(values)}
    if not rows:
        return None
    scaled = {name: lateness_scale(values) for name, values in rows.items()}
    quantiles = {
        row["interval"]: lateness_scale(_quantiles(row))
        for row in data.run.lateness
        if row["interval"] in rows and _quantiles(row)
    }
    drawn = np.concatenate([*scaled.values(), *quantiles.values()])
    low, high, ticks, labels = lateness_axis(drawn)
    with figure(WIDTH, 44 + 30 * len(rows)) as canvas:
        share = 34 / (44 + 30 * len(rows))
        axes = canvas.add_axes((LEFT, share, RIGHT - LEFT, 0.99 - share))
        for place, (name, values) in enumerate(scaled.items()):
            _paint_ridge(axes, len(rows) - 1 - place, values, (low, high))
            if name in quantiles:
                _paint_quantiles(axes, len(rows) - 1 - place, quantiles[name])
        axes.set_xlim(low, high)
        axes.set_ylim(-0.15, len(rows))
        axes.set_yticks(range(len(rows)), list(reversed(rows)))
        axes.set_xticks(ticks, labels)
        axes.grid(True, axis="x")
        return inline_svg(canvas, "Distribution of the lateness of finals by interval")


def _by_interval(series: Series) -> tuple[int, str]:
    return interval_order(series.interval)


def _within(series: Series, span_ns: tuple[int, int]) -> Series:
    rows = (series.close_time_ns > span_ns[0]) & (series.open_time_ns < span_ns[1])
    return series if rows.all() else series.rows(rows)


def _scale_prices(axes: Any, low: float, high: float) -> None:
    room = (high - low or 1.0) * 0.06
    axes.set_ylim(low - room * 2, high + room)
    axes.set_yticks([value for value in axes.get_yticks() if low <= value <= high])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def _paint_candles(axes: Any, series: Series) -> None:
    length = series.close_time_ns - series.open_time_ns
    middle = series.open_time_ns + length // 2
    foot, top = axes.get_ylim()
    # A body without height would be invisible: give it a hair.
    hair = (top - foot) * 0.0013
    rising = series.close >= series.open
    for chosen, name in ((rising, "up"), (~rising, "down")):
        x, half = middle[chosen], length[chosen] * 0.34
        paint(
            axes,
            strokes(x, series.low[chosen], x, series.high[chosen]),
            edgecolor=tone(name),
            linewidth=0.7,
        )
        below = np.minimum(series.open, series.close)[chosen]
        above = np.maximum(np.maximum(series.open, series.close)[chosen], below + hair)
        paint(axes, boxes(x - half, x + half, below, above), facecolor=tone(name), linewidth=0)


def _paint_exchange(axes: Any, at_ns: Int64Array, prices: Floats, length: int) -> None:
    """Draw the exchange's side of differing klines hollow, around ours."""
    if not len(at_ns):
        return
    middle, half = at_ns + length // 2, length * 0.5
    open_, high, low, close = prices.T
    below, above = np.minimum(open_, close), np.maximum(open_, close)
    style = {"edgecolor": tone("theirs"), "facecolor": "none", "linewidth": 0.8}
    paint(axes, boxes(middle - half, middle + half, below, above), **style)
    paint(axes, strokes(middle, above, middle, high), **style)
    paint(axes, strokes(middle, low, middle, below), **style)


def _paint_marks(axes: Any, differences: Sequence[DifferenceRow], length: int) -> None:
    """Mark each differing kline at the foot of the chart, a row and a colour per class."""
    foot, top = axes.get_ylim()
    step = (top - foot) * 0.016
    for place, kind in enumerate(reversed(CLASSES)):
        at = np.array([row.open_time_ns for row in differences if row.kind == kind], dtype=np.int64)
        base = np.full(len(at), foot + step * (0.3 + place * 1.25))
        x = at.astype(float)
        paint(
            axes,
            boxes(x, x + length, base, base + step),
            facecolor=tone(kind),
            linewidth=0,
        )


def _paint_volume(axes: Any, series: Series) -> None:
    length = series.close_time_ns - series.open_time_ns
    middle, half = series.open_time_ns + length // 2, length * 0.34
    zero = np.zeros(len(series))
    outline = boxes(middle - half, middle + half, zero, series.volume)
    paint(axes, outline, facecolor=tone("halted"), linewidth=0)
    highest = float(series.volume.max(initial=0.0)) or 1.0
    axes.set_ylim(0, highest * 1.05)
    axes.set_yticks([0, highest], ["0", f"{highest:,.6g}"])


def _paint_ridge(axes: Any, base: int, values: Floats, bounds: tuple[float, float]) -> None:
    counts, edges = np.histogram(values, bins=96, range=bounds)
    heights = base + 0.85 * np.sqrt(counts / max(1, counts.max()))
    drawn = counts > 0
    floor = np.full(int(drawn.sum()), float(base))
    outline = boxes(edges[:-1][drawn], edges[1:][drawn], floor, heights[drawn])
    paint(axes, outline, facecolor=tone("area"), linewidth=0)


def _quantiles(row: LatenessRow) -> list[int]:
    found = row.get("p50_ns"), row.get("p90_ns"), row.get("p99_ns"), row.get("max_ns")
    return [value for value in found if value is not None]


def _paint_quantiles(axes: Any, base: int, x: Floats) -> None:
    low = np.full(len(x), float(base))
    paint(axes, strokes(x, low, x, low + 0.6), edgecolor=tone("accent"), linewidth=1.4)
    paint(axes, strokes(x[:1], low[:1], x[-1:], low[:1]), edgecolor=tone("accent"), linewidth=0.8)
