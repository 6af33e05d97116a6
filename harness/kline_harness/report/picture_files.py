"""A page's pictures as files of their own, for print and for other documents: plain SVG."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from kline_harness.report.candles import stylesheet

FOLDER = "pictures"
_FONT = "DejaVu Sans, Liberation Sans, Arial, sans-serif"


def picture_name(kind: str, place: int, heading: str) -> str:
    """Return the file name of a picture: its kind, and of one of several its number and symbol.

    A symbol may have any characters: those that are safe in every file system's names stay.
    """
    safe = re.sub(r"[^A-Za-z0-9_-]", "", heading)[:40]
    return "-".join(filter(None, (kind, str(place) if heading else "", safe))) + ".svg"


def picture_file(svg: str) -> str:
    """Return an inline SVG element as a file: the light palette, on white, with its size."""
    palette = _palette()
    drawn = re.sub(r"var\(--([a-z-]+)\)", lambda found: palette[found[1]], svg)
    box = re.search(r'viewBox="([^"]*)"', drawn)
    left, top, width, height = box[1].split() if box else ("0", "0", "960", "400")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    ground = f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="#fff"/>'
    halo = f"<style>.halo{{paint-order:stroke;stroke:{palette['paper']};stroke-width:3px}}</style>"
    opening, _, rest = drawn.partition(">")
    opening = opening.replace("<svg", f'{head} font-family="{_FONT}"', 1)
    return f"{opening}>{halo if 'halo' in rest else ''}{ground}{rest}\n"


@cache
def _palette() -> Mapping[str, str]:
    """Return the colours of the style sheet, those of a light page."""
    light = stylesheet().partition(":root {")[2].partition("}")[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", light))
