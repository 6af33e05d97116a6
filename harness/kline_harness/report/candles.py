"""The candle component, for every page: the vendored chart library and our one script over it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
LIBRARY = ASSETS / "lightweight-charts" / "lightweight-charts.standalone.production.js"
COMPONENT = ASSETS / "candles.js"


@cache
def candle_scripts() -> tuple[str, str]:
    """Return the library, byte for byte as published, and the component, which needs it.

    Both are plain scripts: they stand inside a page, or are served beside it. The component shows
    the attribution that the library's license asks for.
    """
    return LIBRARY.read_text("utf-8"), COMPONENT.read_text("utf-8")


def stylesheet() -> str:
    """Return the style sheet that every page has, the component's rules in it."""
    return (Path(__file__).parent / "templates" / "report.css").read_text("utf-8")
