"""What plots are made of: compound paths, axes of time, and a scale of lateness."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kline_harness.report.format import duration, utc
from kline_harness.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE

WIDTH = 960.0
# Where a chart's axes lie, in parts of the figure.
LEFT, RIGHT = 0.07, 0.995
_LEAST_NS = 1_000_000
# In powers of ten: values that are all alike still have an axis.
_NARROWEST = 0.1
_TICKS = 9
_STEPS = (
    *(minutes * NS_PER_MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * NS_PER_HOUR for hours in (1, 2, 3, 4, 6, 12, 24, 48, 168, 336, 720)),
)


def boxes(left: Any, right: Any, low: Any, high: Any) -> Any:
    """Return one path of many boxes."""
    from matplotlib.path import Path as Outline

    corners = np.stack([left, low, right, low, right, high, left, high, left, low], axis=-1)
    codes = [Outline.MOVETO, Outline.LINETO, Outline.LINETO, Outline.LINETO, Outline.CLOSEPOLY]
    return Outline(corners.reshape(-1, 2).astype(float), np.tile(codes, len(corners)))


def strokes(x0: Any, y0: Any, x1: Any, y1: Any) -> Any:
    """Return one path of many straight lines."""
    from matplotlib.path import Path as Outline

    ends = np.stack([x0, y0, x1, y1], axis=-1).reshape(-1, 2).astype(float)
    return Outline(ends, np.tile([Outline.MOVETO, Outline.LINETO], len(ends) // 2))


def paint(axes: Any, outline: Any, **style: Any) -> None:
    """Draw a path, unless it is empty."""
    from matplotlib.patches import PathPatch

    if len(outline.vertices):
        # Not add_patch: limits are set here, and measuring thousands of corners takes time.
        axes.add_artist(PathPatch(outline, clip_on=False, **{"facecolor": "none"} | style))


def time_axis(axes: Any, start_ns: int, end_ns: int) -> None:
    """Label an axis of time at most thirteen times, at whole hours or minutes."""
    step = next((step for step in _STEPS if (end_ns - start_ns) / step <= 13), _STEPS[-1])
    ticks = list(_ticks(start_ns, end_ns, step))
    axes.set_xticks(ticks, time_labels(ticks, start_ns, end_ns))
    # The first label would touch that of the other axis.
    axes.tick_params(axis="x", pad=7)


def time_labels(ticks: Sequence[int], start_ns: int, end_ns: int) -> list[str]:
    """Return what stands at ticks: times of day, and over more than a day each day's date once."""
    labels, day = [], ""
    for text in map(utc, ticks):
        date, time = text[5:10], text[11:16]
        is_new = text[:10] != day and end_ns - start_ns > NS_PER_DAY
        day = text[:10]
        labels.append((date if time == "00:00" else f"{date} {time}") if is_new else time)
    return labels


def _ticks(start_ns: int, end_ns: int, step_ns: int) -> Iterator[int]:
    # A label at the very end would be cut off.
    last = end_ns - (end_ns - start_ns) // 50
    yield from range(-(-start_ns // step_ns) * step_ns, last, step_ns)


def lateness_scale(values_ns: Any) -> Any:
    """Return the power of ten of a lateness in nanoseconds, anything below 1 ms as 1 ms."""
    return np.log10(np.maximum(values_ns, _LEAST_NS))


def lateness_axis(scaled: Any, most: int = _TICKS) -> tuple[float, float, list[float], list[str]]:
    """Return the bounds, ticks and labels that suit scaled latenesses, however near they are.

    The label of 1 ms says that it stands for all that is less too.
    """
    low, high = float(np.min(scaled)), float(np.max(scaled))
    middle, half = (low + high) / 2, max((high - low) * 0.54, _NARROWEST)
    low, high = middle - half, middle + half
    powers = range(math.floor(low), math.ceil(high) + 1)
    for digits in ((1, 2, 5), (1,)):
        ticks = [math.log10(digit) + power for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= most:
            break
    ticks = ticks[:: -(-len(ticks) // most) or 1]
    if len(ticks) < 2:
        ticks = [math.log10(float(f"{10**tick:.3g}")) for tick in np.linspace(low, high, 5)[1:4]]
    return low, high, ticks, [_lateness_label(tick) for tick in ticks]


def _lateness_label(power: float) -> str:
    text = duration(round(10**power)).replace(".00 ", " ").replace(".0 ", " ")
    return f"≤ {text}" if power == math.log10(_LEAST_NS) else text
