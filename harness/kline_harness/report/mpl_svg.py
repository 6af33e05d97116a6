"""Matplotlib figures as inline SVG that is small, byte-stable and takes the page's colours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import Any

# A figure is drawn in these marker colours; the page's palette replaces them, so that one
# picture serves light, dark and paper.
_TONES = (
    *("ink", "muted", "line", "grid", "accent", "invalid", "area", "shade", "theirs"),
    *("up", "down", "identical", "proved", "consistent"),
    *("unexplained", "missing", "extra", "halted"),
)
_MARKER = {tone: f"#0a0b{place:02x}" for place, tone in enumerate(_TONES)}
_TONE_OF = {marker: tone for tone, marker in _MARKER.items()}

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kline-harness",
    "path.simplify": False,
    "font.size": 9.0,
    "font.family": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.facecolor": "none",
    "axes.edgecolor": _MARKER["line"],
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _MARKER["grid"],
    "xtick.labelcolor": _MARKER["muted"],
    "ytick.labelcolor": _MARKER["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "text.color": _MARKER["muted"],
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def tone(name: str) -> str:
    """Return the marker colour of a name of the style sheet's palette."""
    return _MARKER[name]


@contextmanager
def figure(width: float, height: float) -> Iterator[Any]:
    """Yield a transparent figure, in units of a hundredth inch, under fixed settings.

    Whatever a person's own matplotlib settings say, the same data gives the same picture.
    """
    # Late: importing the report must stay cheap for commands that do not build one.
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for name, value in _SETTINGS.items():
            matplotlib.rcParams[name] = value
        yield Figure(figsize=(width / 100, height / 100), facecolor="none")


def inline_svg(drawn: Any, alternative: str) -> str:
    """Return a figure as an SVG element without ids, styles or metadata."""
    out = StringIO()
    drawn.savefig(out, format="svg", metadata=_NO_METADATA)
    return _slim(out.getvalue(), alternative)


def _slim(text: str, alternative: str) -> str:
    view = re.search(r'viewBox="([^"]*)"', text)
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.S)
    body = re.sub(
        r' id="(?:figure|axes|patch|text|matplotlib|xtick|ytick|line2d|[A-Z])[^"]*"', "", body
    )
    body = re.sub(r' style="([^"]*)"', lambda found: _attributes(found[1]), body)
    body = re.sub(r' (d|x|y|transform)="([^"]*)"', _rounded, body)
    body = re.sub(r">\s+<", "><", body)
    body = re.sub(r"<defs>\s*</defs>|<g>\s*</g>", "", body)
    name = escape(alternative)
    box = view[1] if view else "0 0 100 100"
    return f'<svg viewBox="{box}" role="img" aria-label="{name}">{body.strip()}'


def _attributes(style: str) -> str:
    """Write an inline style as attributes, which a strict content policy allows."""
    out = []
    for declaration in style.split(";"):
        name, _, value = declaration.strip().partition(":")
        value = value.strip()
        if name == "font":
            size = re.search(r"([\d.]+)px", value)
            name, value = "font-size", size[1] if size else "9"
        if name and not (
            name == "stroke-linejoin" or (name == "stroke-linecap" and value == "butt")
        ):
            value = f"var(--{_TONE_OF[value]})" if value in _TONE_OF else value
            out.append(f' {name}="{escape(value)}"')
    return "".join(out)


def _rounded(found: re.Match[str]) -> str:
    """Round lengths to a tenth: finer than a pixel, and a third of the size."""
    name, value = found[1], found[2]
    if name == "transform":
        return "" if value.startswith("rotate(-0 ") else f' transform="{_round(value)}"'
    value = re.sub(r" ?([MLHVCQz]) ?", r"\1", _round(value).replace("\n", ""))
    return f' {name}="{value.strip()}"'


def _round(text: str) -> str:
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), text)
