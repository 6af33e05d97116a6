"""What plots are made of: compound paths, axes of time, and a scale of lateness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kline_harness.report.format import duration, utc
from kline_harness.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE

WIDTH = 960.0
# Where a chart's axes lie, in parts of the figure.
LEFT, RIGHT = 0.07, 0.995
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
    by_day = step >= NS_PER_DAY
    axes.set_xticks(ticks, [utc(t)[5:10] if by_day else utc(t)[11:16] for t in ticks])
    # The first label would touch that of the other axis.
    axes.tick_params(axis="x", pad=7)


def _ticks(start_ns: int, end_ns: int, step_ns: int) -> Iterator[int]:
    # A label at the very end would be cut off.
    last = end_ns - (end_ns - start_ns) // 50
    yield from range(-(-start_ns // step_ns) * step_ns, last, step_ns)


def lateness_scale(values_ns: Any) -> Any:
    """Return the power of ten of a lateness in nanoseconds, anything below 1 ms as 1 ms."""
    return np.log10(np.maximum(values_ns, 1e6))


def lateness_label(place: int, power: float) -> str:
    """Return what stands at the tick of a power of ten; the first is of all that is less too."""
    text = duration(round(10**power)).replace(".00 ", " ").replace(".0 ", " ")
    return f"≤ {text}" if place == 0 else text
