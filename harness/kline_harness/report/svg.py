"""A few SVG shapes: pictures that take their colours from the page, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# A name of the style sheet's palette, such as "identical".
Tone = str


@dataclass(frozen=True, slots=True)
class LogBars:
    """A group of bars: what is shown when it is pointed at, each value with its tone."""

    text: str
    bars: tuple[tuple[int, Tone], ...]
    tone: Tone = "ink"


class Drawing:
    """An SVG picture, made shape by shape; lengths are its own units, about a pixel."""

    def __init__(self, width: float, height: float, alternative: str) -> None:
        self.width = width
        self.height = height
        self._alternative = alternative
        self._parts: list[str] = []

    def __html__(self) -> str:
        box = f"0 0 {short(self.width)} {short(self.height)}"
        name = escape(self._alternative)
        return f'<svg viewBox="{box}" role="img" aria-label="{name}">{"".join(self._parts)}</svg>'

    def rect(self, x: float, y: float, width: float, height: float, tone: Tone) -> None:
        """Draw a filled box."""
        self._parts.append(f'<path fill="var(--{tone})" d="{box(x, y, width, height)}"/>')

    def path(self, shape: str, *, fill: Tone = "", stroke: Tone = "", extra: str = "") -> None:
        """Draw any path; `extra` holds further attributes."""
        paint = f'fill="var(--{fill})"' if fill else 'fill="none"'
        if stroke:
            paint += f' stroke="var(--{stroke})"'
        self._parts.append(f'<path {paint}{extra} d="{shape}"/>')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        tone: Tone = "ink",
        size: float = 12,
        anchor: str = "start",
        bold: bool = False,
        halo: bool = False,
        rare: bool = False,
        title: str = "",
    ) -> None:
        """Write text whose base line begins, ends or is centred at a point.

        With a halo it can be read on any ground; `rare` text has no room on a phone; `title` is
        shown when it is pointed at.
        """
        extra = "" if anchor == "start" else f' text-anchor="{anchor}"'
        extra += ' font-weight="600"' if bold else ""
        classes = [name for name, given in (("halo", halo), ("rare", rare)) if given]
        extra += f' class="{" ".join(classes)}"' if classes else ""
        place = f'x="{short(x)}" y="{short(y)}" font-size="{short(size)}" fill="var(--{tone})"'
        head = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(f"<text {place}{extra}>{head}{escape(text)}</text>")

    def titled(self, parts: list[tuple[str, Tone]], text: str) -> None:
        """Draw filled paths that show a text when pointed at."""
        shapes = "".join(f'<path fill="var(--{tone})" d="{shape}"/>' for shape, tone in parts)
        self._parts.append(f"<g><title>{escape(text)}</title>{shapes}</g>")


def log_bars(
    drawing: Drawing, columns: Sequence[LogBars], height: float, foot: float = 0.0
) -> None:
    """Draw groups of bars side by side above a line, on one logarithmic scale from zero.

    Each group fills four fifths of its place, up to 40 wide. With a `foot` a box of that height
    in the group's own tone stands under the line.
    """
    highest = max(1, *(value for one in columns for value, _ in one.bars))
    step = drawing.width / len(columns)
    width = min(step * 0.8, 40.0)
    drawing.rect(0, height, drawing.width, 1, "line")
    for place, one in enumerate(columns):
        left = (place + 0.5) * step - width / 2
        parts = [(box(left, height + 6, width, foot), one.tone)] if foot else []
        part = width / len(one.bars)
        for number, (value, tone) in enumerate(one.bars):
            top = height * math.log10(1 + value) / math.log10(1 + highest)
            parts.append((box(left + number * part, height - top, part, top), tone))
        drawing.titled(parts, one.text)


def box(x: float, y: float, width: float, height: float) -> str:
    """Return the path of a box."""
    return f"M{short(x)} {short(y)}h{short(width)}v{short(height)}h{short(-width)}z"


def short(value: float) -> str:
    """Write a length with at most one decimal."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text
