"""The plots: candlesticks, channel depth, lateness; a few compound paths each, never a bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.report.data import DepthLine, ReportData
from harness.report.differences import CLASSES, Difference
from harness.report.ink import figure, inline_svg, tone
from harness.report.klines import Floats, Series, interval_order
from harness.report.wording import duration, number, utc
from harness.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, Int64Array

_WIDTH = 960.0
_CANDLES = 320
_DEPTH_COLUMNS = 480
_STEPS = (
    *(minutes * NS_PER_MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * NS_PER_HOUR for hours in (1, 2, 3, 4, 6, 12, 24, 48, 168, 336, 720)),
)
# Where a chart's axes lie, in parts of the figure.
_LEFT, _RIGHT = 0.07, 0.995


def charted_series(data: ReportData, symbol: str, span_ns: tuple[int, int]) -> Series | None:
    """Choose the shortest interval whose candles a reader can still tell apart."""
    lines = [line for line in data.klines if line.symbol == symbol]
    lines = [_within(line, span_ns) for line in sorted(lines, key=_by_interval)]
    lines = [line for line in lines if len(line)]
    return next((line for line in lines if len(line) <= _CANDLES), lines[-1] if lines else None)


def draw_candles(
    series: Series, differences: Sequence[Difference], span_ns: tuple[int, int]
) -> str:
    """Draw our klines, the exchange's where they differ, and a mark under each that does.

    `differences` are those of the series.
    """
    length = _lengths(series)
    exchange = [
        row for row in differences if None not in row.theirs[:4] and row.theirs[:4] != row.ours[:4]
    ]
    theirs = np.array([[float(v or 0) for v in row.theirs[:4]] for row in exchange]).reshape(-1, 4)
    theirs_at = np.array([row.open_time_ns for row in exchange], dtype=np.int64)
    with figure(_WIDTH, 380) as canvas:
        prices = canvas.add_axes((_LEFT, 0.3, _RIGHT - _LEFT, 0.68))
        volumes = canvas.add_axes((_LEFT, 0.075, _RIGHT - _LEFT, 0.14))
        _paint_candles(prices, series, length)
        _paint_exchange(prices, theirs_at, theirs, length)
        _paint_marks(prices, differences, length)
        _paint_volume(volumes, series, length)
        start = min(span_ns[0], int(series.open_time_ns[0]))
        end = max(span_ns[1], int(series.close_time_ns[-1]))
        for axes in (prices, volumes):
            axes.set_xlim(start, end)
        prices.set_xticks([])
        _time_axis(volumes, start, end)
        told = (
            f"Candlesticks of {number(len(series))} {series.interval} klines of {series.symbol}, "
            f"{number(len(differences))} of them marked as different from the exchange's"
        )
        return inline_svg(canvas, told)


def draw_depth(
    lines: Sequence[DepthLine],
    capacities: Mapping[str, int],
    faults: Sequence[Mapping[str, Any]],
    span_ns: tuple[int, int],
) -> str:
    """Draw how many klines waited for each consumer, on a logarithmic scale up to capacity.

    Fault windows are shaded; of every stretch of time the highest depth is shown.
    """
    edges = np.linspace(*span_ns, _DEPTH_COLUMNS + 1).astype(np.int64)
    highest = max([1, *capacities.values(), *(int(line.depth.max(initial=0)) for line in lines)])
    with figure(_WIDTH, 40 + 90 * len(lines)) as canvas:
        bottom, height = 28 / (40 + 90 * len(lines)), 90 / (40 + 90 * len(lines))
        for place, line in enumerate(reversed(lines)):
            axes = canvas.add_axes((_LEFT, bottom + place * height, _RIGHT - _LEFT, height * 0.78))
            _paint_depth(axes, edges, line, capacities.get(line.channel), highest)
            _shade_faults(axes, faults, span_ns)
            axes.set_xlim(*span_ns)
            axes.text(0, 1.04, f"{line.channel} to {line.consumer}", transform=axes.transAxes)
            _time_axis(axes, *span_ns) if place == 0 else axes.set_xticks([])
        peaks = ", ".join(f"{line.consumer} {number(int(line.depth.max()))}" for line in lines)
        return inline_svg(canvas, f"Depth of the channels over time; peaks: {peaks}")


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
    low, high = 6.0, max(9.0, *(_log(values).max() for values in rows.values())) + 0.1
    quantiles = {row["interval"]: row for row in data.run["lateness"]}
    with figure(_WIDTH, 44 + 30 * len(rows)) as canvas:
        share = 34 / (44 + 30 * len(rows))
        axes = canvas.add_axes((_LEFT, share, _RIGHT - _LEFT, 0.99 - share))
        for place, (name, values) in enumerate(rows.items()):
            _paint_ridge(axes, len(rows) - 1 - place, _log(values), (low, high))
            _paint_quantiles(axes, len(rows) - 1 - place, quantiles.get(name) or {})
        axes.set_xlim(low, high)
        axes.set_ylim(-0.15, len(rows))
        axes.set_yticks(range(len(rows)), list(reversed(rows)))
        steps = np.arange(low, high)
        axes.set_xticks(steps, [_at_most(place, step) for place, step in enumerate(steps)])
        axes.grid(True, axis="x")
        return inline_svg(canvas, "Distribution of the lateness of finals by interval")


def _by_interval(series: Series) -> tuple[int, str]:
    return interval_order(series.interval)


def _within(series: Series, span_ns: tuple[int, int]) -> Series:
    rows = (series.close_time_ns > span_ns[0]) & (series.open_time_ns < span_ns[1])
    return series if rows.all() else series.rows(rows)


def _lengths(series: Series) -> Int64Array:
    return series.close_time_ns - series.open_time_ns


def _boxes(left: Any, right: Any, low: Any, high: Any) -> Any:
    """Return one path of many boxes."""
    from matplotlib.path import Path as Outline

    corners = np.stack([left, low, right, low, right, high, left, high, left, low], axis=-1)
    codes = [Outline.MOVETO, Outline.LINETO, Outline.LINETO, Outline.LINETO, Outline.CLOSEPOLY]
    return Outline(corners.reshape(-1, 2).astype(float), np.tile(codes, len(corners)))


def _paint(axes: Any, outline: Any, **style: Any) -> None:
    from matplotlib.patches import PathPatch

    if len(outline.vertices):
        # Not add_patch: limits are set here, and measuring thousands of corners takes time.
        axes.add_artist(PathPatch(outline, clip_on=False, **{"facecolor": "none"} | style))


def _strokes(x0: Any, y0: Any, x1: Any, y1: Any) -> Any:
    """Return one path of many straight lines."""
    from matplotlib.path import Path as Outline

    ends = np.stack([x0, y0, x1, y1], axis=-1).reshape(-1, 2).astype(float)
    return Outline(ends, np.tile([Outline.MOVETO, Outline.LINETO], len(ends) // 2))


def _paint_candles(axes: Any, series: Series, length: Int64Array) -> None:
    middle = series.open_time_ns + length // 2
    low, high = series.low.min(), series.high.max()
    # A body without height would be invisible: give it a hair.
    hair = (high - low or 1.0) * 0.0015
    rising = series.close >= series.open
    for chosen, name in ((rising, "up"), (~rising, "down")):
        x, half = middle[chosen], length[chosen] * 0.34
        _paint(
            axes,
            _strokes(x, series.low[chosen], x, series.high[chosen]),
            edgecolor=tone(name),
            linewidth=0.7,
        )
        below = np.minimum(series.open, series.close)[chosen]
        above = np.maximum(np.maximum(series.open, series.close)[chosen], below + hair)
        _paint(axes, _boxes(x - half, x + half, below, above), facecolor=tone(name), linewidth=0)
    room = (high - low or 1.0) * 0.06
    axes.set_ylim(low - room * 2, high + room)
    axes.set_yticks([value for value in axes.get_yticks() if low <= value <= high])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def _paint_exchange(axes: Any, at_ns: Int64Array, prices: Floats, length: Int64Array) -> None:
    """Draw the exchange's side of differing klines hollow, around ours."""
    if not len(at_ns):
        return
    long = int(length[0])
    middle, half = at_ns + long // 2, long * 0.5
    open_, high, low, close = prices.T
    below, above = np.minimum(open_, close), np.maximum(open_, close)
    style = {"edgecolor": tone("theirs"), "facecolor": "none", "linewidth": 0.8}
    _paint(axes, _boxes(middle - half, middle + half, below, above), **style)
    _paint(axes, _strokes(middle, above, middle, high), **style)
    _paint(axes, _strokes(middle, low, middle, below), **style)


def _paint_marks(axes: Any, differences: Sequence[Difference], length: Int64Array) -> None:
    """Mark each differing kline at the foot of the chart, a row and a colour per class."""
    foot, top = axes.get_ylim()
    step = (top - foot) * 0.016
    for place, kind in enumerate(reversed(CLASSES)):
        at = np.array([row.open_time_ns for row in differences if row.kind == kind], dtype=np.int64)
        base = np.full(len(at), foot + step * (0.3 + place * 1.25))
        x = at.astype(float)
        _paint(
            axes,
            _boxes(x, x + int(length[0]), base, base + step),
            facecolor=tone(kind),
            linewidth=0,
        )


def _paint_volume(axes: Any, series: Series, length: Int64Array) -> None:
    middle, half = series.open_time_ns + length // 2, length * 0.34
    zero = np.zeros(len(series))
    outline = _boxes(middle - half, middle + half, zero, series.volume)
    _paint(axes, outline, facecolor=tone("halted"), linewidth=0)
    highest = float(series.volume.max()) or 1.0
    axes.set_ylim(0, highest * 1.05)
    axes.set_yticks([0, highest], ["0", f"{highest:,.6g}"])


def _paint_depth(
    axes: Any, edges: Int64Array, line: DepthLine, capacity: int | None, highest: int
) -> None:
    place = np.clip(np.searchsorted(edges, line.at_ns, side="right") - 1, 0, _DEPTH_COLUMNS - 1)
    peak = np.zeros(_DEPTH_COLUMNS)
    np.maximum.at(peak, place, line.depth)
    drawn = peak > 0
    zero = np.zeros(int(drawn.sum()))
    boxes = _boxes(edges[:-1][drawn], edges[1:][drawn], zero, _depth_scale(peak[drawn]))
    _paint(axes, boxes, facecolor=tone("explained"), linewidth=0)
    ticks = [0, *(10**power for power in range(2, 8, 2) if 10**power * 3 < highest)]
    if capacity:
        ticks.append(capacity)
        axes.axhline(
            float(_depth_scale(np.array(capacity))),
            color=tone("invalid"),
            linewidth=0.8,
            linestyle=(0, (4, 3)),
            clip_on=False,
        )
    axes.set_yticks(_depth_scale(np.array(ticks)), [number(tick) for tick in ticks])
    axes.set_ylim(0, float(_depth_scale(np.array(highest))) * 1.02)


def _depth_scale(depth: Any) -> Any:
    return np.log10(1.0 + depth)


def _shade_faults(axes: Any, faults: Sequence[Mapping[str, Any]], span_ns: tuple[int, int]) -> None:
    for fault in faults:
        if fault.get("from_ns") is not None and fault.get("to_ns") is not None:
            start, end = (float(np.clip(fault[key], *span_ns)) for key in ("from_ns", "to_ns"))
            axes.axvspan(start, end, facecolor=tone("shade"), linewidth=0, zorder=0, clip_on=False)


def _paint_ridge(axes: Any, base: int, values: Floats, bounds: tuple[float, float]) -> None:
    counts, edges = np.histogram(values, bins=96, range=bounds)
    heights = base + 0.85 * np.sqrt(counts / max(1, counts.max()))
    drawn = counts > 0
    floor = np.full(int(drawn.sum()), float(base))
    outline = _boxes(edges[:-1][drawn], edges[1:][drawn], floor, heights[drawn])
    _paint(axes, outline, facecolor=tone("area"), linewidth=0)


def _paint_quantiles(axes: Any, base: int, row: Mapping[str, Any]) -> None:
    known = [
        row[key] for key in ("p50_ns", "p90_ns", "p99_ns", "max_ns") if row.get(key) is not None
    ]
    if not known:
        return
    x = _log(np.array(known))
    low = np.full(len(x), float(base))
    _paint(axes, _strokes(x, low, x, low + 0.6), edgecolor=tone("accent"), linewidth=1.4)
    _paint(axes, _strokes(x[:1], low[:1], x[-1:], low[:1]), edgecolor=tone("accent"), linewidth=0.8)


def _log(values_ns: Any) -> Any:
    """Return the power of ten of a lateness in nanoseconds, anything below 1 ms as 1 ms."""
    return np.log10(np.maximum(values_ns, 1e6))


def _at_most(place: int, power: float) -> str:
    text = duration(round(10**power)).replace(".00 ", " ").replace(".0 ", " ")
    return f"≤ {text}" if place == 0 else text


def _time_axis(axes: Any, start_ns: int, end_ns: int) -> None:
    step = next((step for step in _STEPS if (end_ns - start_ns) / step <= 13), _STEPS[-1])
    ticks = list(_ticks(start_ns, end_ns, step))
    by_day = step >= NS_PER_DAY
    axes.set_xticks(ticks, [utc(t)[5:10] if by_day else utc(t)[11:16] for t in ticks])


def _ticks(start_ns: int, end_ns: int, step_ns: int) -> Iterator[int]:
    # A label at the very end would be cut off.
    last = end_ns - (end_ns - start_ns) // 50
    yield from range(-(-start_ns // step_ns) * step_ns, last, step_ns)
