"""Which pictures a report shows, with their captions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

from kline_harness.report.coverage import (
    LEFT_OF_CELLS,
    RIGHT_OF_CELLS,
    STATES,
    CoverageMap,
    coverage_maps,
    draw_coverage,
    span_ns,
)
from kline_harness.report.data import ReportData
from kline_harness.report.flow import draw_ledger, hidden_flows
from kline_harness.report.format import number
from kline_harness.report.lifecycle import draw_lifecycle
from kline_harness.report.mpl_paths import LEFT, RIGHT, WIDTH
from kline_harness.report.picture_files import FOLDER, picture_name
from kline_harness.report.plots import candle_chart, draw_candles, draw_lateness
from kline_harness.report.svg import Drawing
from kline_harness.report.timeline import draw_timeline
from kline_harness.units import NS_PER_MILLISECOND

# Pictures of more symbols would outgrow the page; the worst come first.
SYMBOLS_SHOWN = 4
# Of a figure's hundredths of an inch, as which its sizes are given.
_POINTS = 0.72
# Further symbols in which no kline differs look alike.
_SYMBOLS_ALIKE = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG element, its caption, and the heading it stands under.

    One over time has the `time` at its left and right end in ms and their places in the picture.
    `file` is its name in the run folder, where it is a file too.
    """

    heading: str
    svg: str
    caption: str
    time: tuple[int, int, float, float] | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures by section.

    `symbols` are drawn, `symbols_hidden` more have no picture; `states` are those the coverage maps
    show.
    """

    coverage: tuple[Picture, ...]
    candles: tuple[Picture, ...]
    ledger: tuple[Picture, ...]
    lifecycle: tuple[Picture, ...]
    timeline: tuple[Picture, ...]
    lateness: tuple[Picture, ...]
    states: tuple[str, ...]
    symbols: tuple[str, ...]
    symbols_hidden: int

    @property
    def size(self) -> int:
        """Return how many characters the pictures take on the page."""
        return sum(len(one.svg) for one in self.all())

    def all(self) -> Iterator[Picture]:
        """Yield every picture, section by section."""
        for kind in _KINDS:
            yield from getattr(self, kind)


_KINDS = ("coverage", "candles", "ledger", "lifecycle", "timeline", "lateness")


def can_draw() -> bool:
    """Tell whether matplotlib is installed, which draws candles, timeline and lateness."""
    return find_spec("matplotlib") is not None


def draw_pictures(data: ReportData, symbols: Sequence[str]) -> Pictures:
    """Draw every picture of a report."""
    shown, drawing = _worst_symbols(data, symbols), can_draw()
    maps = list(coverage_maps(data, shown))
    states = {name for coverage in maps for name in coverage.totals()}
    found: dict[str, tuple[Picture, ...]] = {
        "coverage": tuple(_coverage(one, states if one is maps[-1] else None) for one in maps),
        "candles": tuple(_candles(data, shown)) if drawing else (),
        "ledger": _one(draw_ledger(data.ledger), _ledger_caption(data)),
        "lifecycle": _one(draw_lifecycle(data.run.transitions), _LIFECYCLE),
        "timeline": _timeline(data) if drawing else (),
        "lateness": _one(draw_lateness(data), _LATENESS) if drawing else (),
    }
    return Pictures(
        **{kind: _named(kind, drawn) for kind, drawn in found.items()},
        states=tuple(name for name in STATES if name in states),
        symbols=shown,
        symbols_hidden=len(symbols) - len(shown),
    )


def _named(kind: str, drawn: Sequence[Picture]) -> tuple[Picture, ...]:
    return tuple(
        replace(one, file=f"{FOLDER}/{picture_name(kind, place, one.heading)}")
        for place, one in enumerate(drawn, start=1)
    )


def _worst_symbols(data: ReportData, symbols: Sequence[str]) -> tuple[str, ...]:
    """Return the symbols to draw, those with most unexplained differences first."""
    weight = dict.fromkeys(symbols, 0)
    for row in data.differences:
        if row.symbol in weight:
            weight[row.symbol] += 1 if row.kind in ("proved", "consistent") else 1_000_000
    differing = sum(1 for weighed in weight.values() if weighed)
    shown = min(SYMBOLS_SHOWN, max(_SYMBOLS_ALIKE, differing))
    return tuple(sorted(symbols, key=lambda symbol: -weight[symbol])[:shown])


_LIFECYCLE = (
    "Each arrow is a transition from one state to the next, with how often it happened. "
    "Only what happened is drawn; an illegal transition would be dashed."
)
_LATENESS = (
    "Lateness by interval, on a logarithmic scale. The shape is every stored kline but those that "
    "were published because the feed ended; the marks are half, 90 %, 99 % and the latest."
)


_STILL = {
    "quiet": "Quiet: a flat kline, nothing was traded.",
    "halted": (
        "Halted: the exchange has no kline, where a quiet market has a flat one, and the trade "
        "ids before and after are contiguous."
    ),
    "silent": (
        "Silent: no symbol traded for minutes, and no kline of the exchange tells whether they "
        "were quiet, halted or not received."
    ),
    "lost": "Lost: a kline without trades over missing trade ids.",
}


def _one(drawn: Drawing | str | None, caption: str) -> tuple[Picture, ...]:
    if drawn is None:
        return ()
    return (Picture("", drawn if isinstance(drawn, str) else drawn.__html__(), caption),)


def _coverage(coverage: CoverageMap, states: Collection[str] | None) -> Picture:
    """Draw a map; the last one has the caption of all of them, which explains their states."""
    caption = ""
    if states is not None:
        caption = "A cell is filled in proportion to its klines; a number counts those that "
        caption += "differ or are lost."
        caption += "".join(f" {sentence}" for state, sentence in _STILL.items() if state in states)
    time = _time((coverage.start_ns, coverage.end_ns), LEFT_OF_CELLS, RIGHT_OF_CELLS)
    return Picture(coverage.symbol, draw_coverage(coverage).__html__(), caption, time)


def _time(span_ns: tuple[int, int], left: float, right: float) -> tuple[int, int, float, float]:
    start, end = (bound // NS_PER_MILLISECOND for bound in span_ns)
    return start, end, left, right


def _candles(data: ReportData, symbols: Sequence[str]) -> Iterator[Picture]:
    span = span_ns(data)
    for symbol in symbols:
        chart = candle_chart(data, symbol, span)
        if chart is None:
            continue
        shown = len(chart.series)
        part = "" if shown == chart.of_klines else f" of {number(chart.of_klines)}"
        caption = f"{number(shown)}{part} klines of {chart.series.interval} and their volume"
        if data.run.comparison:
            marked = len(chart.differences)
            part = "" if marked == chart.of_differences else f" of {number(chart.of_differences)}"
            caption += ". Solid is ours; hollow is the exchange's where a price differs"
            if marked:
                caption += f"; the marks at the foot show where: {number(marked)}{part}"
        yield Picture(symbol, draw_candles(chart), f"{caption}.")


def _ledger_caption(data: ReportData) -> str:
    caption = (
        "From left to right, each total splits into its parts; heights are in proportion, and "
        "anything lost is at least visible. Lines with the same numbers are drawn once."
    )
    hidden = hidden_flows(data.ledger)
    return f"{caption} {number(hidden)} more are in the table only." if hidden else caption


def _timeline(data: ReportData) -> tuple[Picture, ...]:
    drawn = draw_timeline(data, span_ns(data))
    if drawn is None:
        return ()
    caption = (
        "Of every stretch of time the most that was unread, the largest flush, and how late "
        "finals came: the range of all and their middle. Scales are logarithmic. The dashed lines "
        "are the channel's capacity, above which the oldest is overwritten, and the writer's "
        "buffer. Red marks are where a consumer missed something."
    )
    if drawn.shaded:
        caption += " Shaded: while something was broken on purpose."
    if drawn.unnamed:
        caption += f" {number(drawn.unnamed)} of the shaded windows have no room for their name."
    if drawn.all_along:
        named = ", ".join(dict.fromkeys(one.name for one in drawn.all_along))
        caption += f" All along: {named}."
    time = _time(drawn.span_ns, LEFT * WIDTH * _POINTS, RIGHT * WIDTH * _POINTS)
    return (Picture("", drawn.svg, caption, time),)
