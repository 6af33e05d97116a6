"""The timeline: depth and lag of each consumer, flushes, and how late finals came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kline_harness.report.data import ReportData, Track
from kline_harness.report.disturbances import Disturbance, disturbances
from kline_harness.report.format import duration, number
from kline_harness.report.klines import Floats
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
from kline_harness.units import Int64Array

COLUMNS = 480
_CONSUMERS_SHOWN = 6
_LATENESS_TICKS = 4
_PANEL, _FOOT, _LINE = 90.0, 34.0, 17.0
# Lines of names above the panels, and how wide a letter of them is.
_NAME_LINES, _LETTER = 3, 6.6


@dataclass(frozen=True, slots=True)
class _Panel:
    """One chart of the timeline; `alarm` is written in the colour of what is wrong."""

    title: str
    paint: Callable[[Any], None]
    alarm: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawn timeline of [from, to), what is planted on it, and how many names found no room."""

    svg: str
    span_ns: tuple[int, int]
    shaded: tuple[Disturbance, ...]
    all_along: tuple[Disturbance, ...]
    unnamed: int


def draw_timeline(data: ReportData, span_ns: tuple[int, int]) -> Timeline | None:
    """Draw what happened over virtual time, planted windows shaded; None without anything.

    Of every stretch of time the highest depth and the largest flush are shown, on a logarithmic
    scale, and the range and the middle of how late finals came.
    """
    late_at, late_ns = lateness_of(data)
    edges = edges_of(data, span_ns, late_at)
    if edges is None:
        return None
    start, end = int(edges[0]), int(edges[-1])
    panels = [*_depth_panels(data, edges), *_flush_panels(data, edges)]
    if len(late_at):
        panels.append(_lateness_panel(edges, late_at, late_ns))
    planted = disturbances(data.run.scenario, data.run.faults)
    shaded = [one for one in planted if not one.all_along]
    names, unnamed = _placed(shaded, (start, end))
    svg = _draw(panels, names, shaded, (start, end))
    all_along = tuple(one for one in planted if one.all_along)
    return Timeline(svg, (start, end), tuple(shaded), all_along, unnamed)


def edges_of(data: ReportData, span_ns: tuple[int, int], late_at: Int64Array) -> Int64Array | None:
    """Return the bounds of the stretches that a timeline is cut into; None where nothing was.

    `late_at` are the instants at which klines were published.
    """
    instants = [at_ns for at_ns in (*(t.at_ns for t in data.timeline), late_at) if len(at_ns)]
    if not instants:
        return None
    start = min(span_ns[0], *(int(at_ns.min()) for at_ns in instants))
    end = max(span_ns[1], *(int(at_ns.max()) for at_ns in instants)) + 1
    return np.linspace(start, end, COLUMNS + 1).astype(np.int64)


def _draw(
    panels: Sequence[_Panel],
    names: Sequence[tuple[int, float, str]],
    shaded: Sequence[Disturbance],
    span_ns: tuple[int, int],
) -> str:
    head = _LINE * (1 + max((line for line, _, _ in names), default=-1))
    height = head + _PANEL * len(panels) + _FOOT
    with figure(WIDTH, height) as canvas:
        for place, panel in enumerate(panels):
            bottom = (_FOOT + (len(panels) - 1 - place) * _PANEL) / height
            axes = canvas.add_axes((LEFT, bottom, RIGHT - LEFT, _PANEL * 0.74 / height))
            panel.paint(axes)
            _shade(axes, shaded, span_ns)
            axes.set_xlim(*span_ns)
            axes.text(0, 1.06, panel.title, transform=axes.transAxes)
            if panel.alarm:
                style = {"ha": "right", "color": tone("invalid"), "weight": "bold"}
                axes.text(1, 1.06, panel.alarm, transform=axes.transAxes, **style)
            time_axis(axes, *span_ns) if place == len(panels) - 1 else axes.set_xticks([])
        for line, x, name in names:
            y = 1 - (line + 0.7) * _LINE / height
            canvas.text(x / WIDTH, y, name, color=tone("ink"), size=8.5)
        alternative = "; ".join(f"{panel.title} {panel.alarm}".strip() for panel in panels)
        planted = ", ".join(dict.fromkeys(one.name for one in shaded))
        shown = f"; shaded: {planted}" if planted else ""
        return inline_svg(canvas, f"Over time: {alternative}{shown}")


def _shade(axes: Any, shaded: Sequence[Disturbance], span_ns: tuple[int, int]) -> None:
    # An instant would be invisible: give it a hair.
    hair = (span_ns[1] - span_ns[0]) // COLUMNS
    for one in shaded:
        first, last = one.within(span_ns)
        first = min(first, span_ns[1] - hair)
        last = max(last, first + hair)
        axes.axvspan(first, last, facecolor=tone("shade"), linewidth=0, zorder=0, clip_on=False)


def _placed(
    shaded: Sequence[Disturbance], span_ns: tuple[int, int]
) -> tuple[list[tuple[int, float, str]], int]:
    """Return a line and a place for each name that has room, and how many have none."""
    ends = [-1.0] * _NAME_LINES
    names: list[tuple[int, float, str]] = []
    for one in shaded:
        share = (one.within(span_ns)[0] - span_ns[0]) / (span_ns[1] - span_ns[0])
        length = _LETTER * len(one.name)
        x = min(WIDTH * (LEFT + share * (RIGHT - LEFT)), WIDTH * RIGHT - length)
        line = next((line for line, end in enumerate(ends) if end < x), None)
        if line is not None:
            ends[line] = x + length + _LETTER
            names.append((line, x, one.name))
    return names, len(shaded) - len(names)


def _depth_panels(data: ReportData, edges: Int64Array) -> Iterator[_Panel]:
    """Yield a panel per consumer, the fullest first, as far as there is room."""
    depths: dict[tuple[str, str], list[Track]] = {}
    for one in data.timeline:
        if one.event in ("depth", "stalled"):
            depths.setdefault((one.channel, one.consumer), []).append(one)
    peaks = {key: max(int(one.count.max(initial=0)) for one in depths[key]) for key in depths}
    missed = [one for one in data.timeline if one.event in ("lag", "refused")]
    capacities: Mapping[str, int] = {
        row["name"]: row["capacity"] for row in data.run.channels if (row.get("capacity") or 0) > 0
    }
    for key in sorted(depths, key=lambda key: -peaks[key])[:_CONSUMERS_SHOWN]:
        channel, consumer = key
        mine = [one for one in missed if (one.channel, one.consumer) == key]
        yield _Panel(
            f"{channel} to {consumer}: at most {number(peaks[key])} unread",
            _painter(edges, depths[key], capacities.get(channel), mine),
            ", ".join(map(_alarm, mine)),
        )


def _alarm(track: Track) -> str:
    times = "once" if len(track.at_ns) == 1 else f"{number(len(track.at_ns))} times"
    total = number(int(track.count.sum()))
    if track.event == "refused":
        return f"no room {times}, {total} refused"
    return f"lagged {times}, {total} missed"


def _flush_panels(data: ReportData, edges: Int64Array) -> Iterator[_Panel]:
    options = data.run.scenario.get("writer")
    limit = options.get("buffer_rows") if isinstance(options, Mapping) else None
    for flushes in data.timeline:
        if flushes.event == "flush":
            largest = int(flushes.count.max(initial=0))
            yield _Panel(
                f"Flushes of {flushes.consumer}: {number(len(flushes.at_ns))}, "
                f"at most {number(largest)} at once",
                _painter(edges, [flushes], limit, ()),
            )


def _painter(
    edges: Int64Array, tracks: Sequence[Track], limit: int | None, missed: Sequence[Track]
) -> Callable[[Any], None]:
    """Return what paints the highest values of tracks below a limit, and what was missed."""

    def painter(axes: Any) -> None:
        column, peak = _highest(edges, tracks)
        highest = max(1, limit or 0, int(peak.max(initial=0)))
        top = float(_count_scale(np.array(highest))) * 1.02
        outline = boxes(edges[column], edges[column + 1], 0 * peak, _count_scale(peak))
        paint(axes, outline, facecolor=tone("proved"), linewidth=0)
        # Wide and at the top: one lag in a day must not be overlooked.
        column, _ = _highest(edges, missed)
        left, right = edges[np.maximum(column - 1, 0)], edges[column + 1]
        low = np.full(len(column), top * 0.8)
        paint(axes, boxes(left, right, low, low * 0 + top), facecolor=tone("invalid"), linewidth=0)
        # A label of a tick closer to that of the limit would lie over it.
        room = 10 if limit else 3
        steps = (10**power for power in range(2, 8, 2))
        ticks = [0, *(step for step in steps if step * room < (limit or highest))]
        if limit:
            ticks.append(limit)
            dash = {"color": tone("invalid"), "linewidth": 0.8, "linestyle": (0, (4, 3))}
            axes.axhline(float(_count_scale(np.array(limit))), clip_on=False, **dash)
        axes.set_yticks(_count_scale(np.array(ticks)), [number(tick) for tick in ticks])
        axes.set_ylim(0, top)

    return painter


def _highest(edges: Int64Array, tracks: Sequence[Track]) -> tuple[Int64Array, Floats]:
    """Return the columns in which tracks have values above zero, with the highest of each."""
    peak = np.zeros(COLUMNS)
    for track in tracks:
        np.maximum.at(peak, columns_of(edges, track.at_ns), track.count)
    drawn = np.flatnonzero(peak)
    return drawn, peak[drawn]


def columns_of(edges: Int64Array, at_ns: Int64Array) -> Int64Array:
    """Return in which stretch of a timeline each instant lies."""
    return np.clip(np.searchsorted(edges, at_ns, side="right") - 1, 0, COLUMNS - 1)


def _count_scale(count: Any) -> Any:
    # As floats: a changed run.json can have counts that 64 bits do not hold.
    return np.log10(1.0 + np.asarray(count, dtype=np.float64))


def lateness_of(data: ReportData) -> tuple[Int64Array, Int64Array]:
    """Return when each kline was published, and how long after its close.

    Those that were published because the feed ended say nothing of lateness.
    """
    none: Int64Array = np.empty(0, dtype=np.int64)
    at = [line.finalized_at_ns[~line.ended] for line in data.klines]
    closed = [line.close_time_ns[~line.ended] for line in data.klines]
    at_ns = np.concatenate([none, *at])
    return at_ns, at_ns - np.concatenate([none, *closed])


def _lateness_panel(edges: Int64Array, at_ns: Int64Array, late_ns: Int64Array) -> _Panel:
    order = np.lexsort((late_ns, columns_of(edges, at_ns)))
    column = columns_of(edges, at_ns)[order]
    scaled = lateness_scale(late_ns[order])
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    stops = np.append(starts[1:], len(column))
    left, right = edges[column[starts]], edges[column[starts] + 1]
    least, most = scaled[starts], scaled[stops - 1]
    middle = scaled[(starts + stops - 1) // 2]
    low, top, ticks, labels = lateness_axis(scaled, _LATENESS_TICKS)

    def painter(axes: Any) -> None:
        # All alike would be a line without height: give it a hair.
        hair = (top - low) * 0.012
        outline = boxes(left, right, least - hair, np.maximum(most, least) + hair)
        paint(axes, outline, facecolor=tone("area"), linewidth=0)
        paint(axes, strokes(left, middle, right, middle), edgecolor=tone("accent"), linewidth=1.3)
        axes.set_yticks(ticks, labels)
        axes.set_ylim(low - 2 * hair, top + hair)

    latest = duration(int(late_ns.max()))
    return _Panel(f"Stored finals: at most {latest} after their close", painter)
