"""The candle component in a browser, and the library under it as it was published."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kline_harness.report.candles import LIBRARY, candle_scripts
from kline_harness.report.page import _TEMPLATES
from playwright.sync_api import Browser, Page, expect

from tests.report.test_in_browser import opened, violations

MINUTE = 60
BEGIN = 1_715_731_200  # 2024-05-15 00:00:00
STORED = {
    "lightweight-charts.standalone.production.js": (
        "e21cc5caa0226ef30bd8549c50b9ef926615f2a4ee6b4e486353477a55f598cf"
    ),
    "LICENSE": "70c9d5382506dd184465425c08a99ad9bd6d9ac1313c252968ba0b585e5ef823",
    "NOTICE": "f76c6afab94884448f0426e30d6e9d555ca7247894cd3484e477d2f87513036e",
}


def test_the_library_is_the_one_that_was_published() -> None:
    """The numbers are those of the package's tarball, whose integrity the registry states."""
    folder = LIBRARY.parent
    assert {path.name for path in folder.iterdir()} == {*STORED, "VERSION"}
    version = (folder / "VERSION").read_text()
    for name, digest in STORED.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        assert digest in version
    assert LIBRARY.stat().st_size < 200_000
    assert candle_scripts()[0].encode() == LIBRARY.read_bytes()


def row(minute: int, close: str = "10.50", *, volume: str = "7.125", final: int = 1) -> list[Any]:
    return [BEGIN + minute * MINUTE, "10.00", "11.2500", "9.75", close, volume, 12, final]


OURS = [row(minute) for minute in range(60) if minute not in (20, 21)]
THEIRS = [row(minute, "10.5") for minute in range(59)]
THEIRS[30] = row(30, "10.75")
MARKERS = [
    {"time": BEGIN + 20 * MINUTE, "kind": "gap", "text": "3 trade ids"},
    {"time": BEGIN + 30 * MINUTE, "kind": "unexplained", "text": "close"},
]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page that has the component, and allows nothing but its own style and scripts."""
    series = {"name": "ALFAUSDT", "interval": "1m", "ours": OURS, "theirs": THEIRS}
    own = (
        "window.asked = []; window.chosen = [];"
        "window.chart = KlineCandles.create(document.getElementById('here'), {"
        "intervals: ['1m', '5m'], onInterval: (name) => asked.push(name),"
        "onSelect: (time) => chosen.push(time)});"
        f"chart.setSeries({json.dumps({**series, 'markers': MARKERS})});"
    )
    style = (_TEMPLATES / "report.css").read_text("utf-8")
    scripts = [*candle_scripts(), own]
    allowed = f"default-src 'none'; style-src {_hash(style)}; script-src " + " ".join(
        map(_hash, scripts)
    )
    text = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Candles</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head>'
        f'<body><main><h1>Candles</h1><section><div id="here"></div></section></main>'
        + "".join(f"<script>{script}</script>" for script in scripts)
        + "</body></html>"
    )
    path = tmp_path_factory.mktemp("candles") / "candles.html"
    path.write_text(text, "utf-8")
    return path


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.fixture
def chart(browser: Browser, page_file: Path) -> Iterator[Page]:
    with opened(browser, page_file) as page:
        yield page


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible_and_fits(
    browser: Browser, page_file: Path, scheme: Any, width: int
) -> None:
    view = {"width": width, "height": 780}
    with opened(browser, page_file, color_scheme=scheme, viewport=view) as page:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        expect(page.locator("a[href='https://www.tradingview.com/']")).to_be_visible()


@pytest.mark.browser
def test_every_candle_is_read_by_keyboard_with_exact_values(chart: Page) -> None:
    picture = chart.get_by_role("slider")
    expect(chart.locator(".candles-values caption")).to_contain_text("00:59:00 UTC, final")
    picture.focus()
    chart.keyboard.press("Home")
    for _ in range(30):
        chart.keyboard.press("ArrowRight")
    expect(chart.locator(".candles-values caption")).to_contain_text("00:30:00 UTC")
    rows = chart.locator(".candles-values tbody tr").all_inner_texts()
    assert rows[0].split() == ["ours", "10.00", "11.2500", "9.75", "10.50", "7.125", "12"]
    assert rows[1].split() == ["exchange's", "10.00", "11.2500", "9.75", "10.75", "7.125", "12"]
    # What is equal as a number does not differ; the closing price does.
    assert chart.locator(".candles-values .differs").all_inner_texts() == ["10.50", "10.75"]
    expect(chart.locator(".candles-values p")).to_have_text("unexplained difference: close")
    assert "close 10.75" in str(picture.get_attribute("aria-valuetext"))
    assert chart.evaluate("chosen.at(-1)") == BEGIN + 30 * MINUTE
    chart.keyboard.press("Home")
    for _ in range(20):
        chart.keyboard.press("ArrowRight")
    expect(chart.locator(".candles-values caption")).to_contain_text("not published")
    expect(chart.locator(".candles-values p")).to_have_text("gap: 3 trade ids")


@pytest.mark.browser
def test_scrolling_to_a_time_selects_the_candle_nearest_to_it(chart: Page) -> None:
    chart.evaluate(f"chart.scrollTo({BEGIN + 10 * MINUTE + 25})")
    expect(chart.locator(".candles-values caption")).to_contain_text("00:10:00 UTC")


@pytest.mark.browser
def test_an_update_forms_a_candle_and_finishes_it(chart: Page) -> None:
    caption = chart.locator(".candles-values caption")
    for close, volume, final in (("10.1", "1", 0), ("10.30", "2.5", 0), ("10.31", "3", 1)):
        made = json.dumps(row(60, close, volume=volume, final=final))
        chart.evaluate(f"chart.update('ours', {made})")
        state = "final" if final else "forming"
        expect(caption).to_contain_text(f"01:00:00 UTC, {state}")
        cells = chart.locator(".candles-values tbody tr").first.locator("td")
        expect(cells).to_have_text(["10.00", "11.2500", "9.75", close, volume, "12"])
    # One that comes late, for a time in the middle, is put where it belongs.
    chart.evaluate(f"chart.update('ours', {json.dumps(row(20, '10.9'))})")
    chart.evaluate(f"chart.scrollTo({BEGIN + 20 * MINUTE})")
    expect(caption).to_contain_text("00:20:00 UTC, final")
    expect(chart.locator(".candles-values tbody tr").first).to_contain_text("10.9")


@pytest.mark.browser
def test_the_interval_is_chosen_by_who_has_the_series(chart: Page) -> None:
    chart.get_by_label("Interval").select_option("5m")
    assert chart.evaluate("asked") == ["5m"]


@pytest.mark.browser
def test_what_differs_is_drawn_in_another_place(chart: Page) -> None:
    """A picture of both sides is not that of ours alone, and markers are seen."""
    picture = chart.locator(".candles-picture")
    whole = picture.screenshot()
    chart.evaluate("chart.setMarkers([])")
    chart.wait_for_timeout(100)
    unmarked = picture.screenshot()
    assert unmarked != whole
    chart.evaluate(f"chart.update('theirs', {json.dumps(row(30, '10.5'))})")
    chart.wait_for_timeout(100)
    assert picture.screenshot() != unmarked


@pytest.mark.browser
def test_sixty_thousand_updates_are_quick(chart: Page) -> None:
    """Each of a thousand new candles is updated sixty times; the machine may be busy."""
    spent = chart.evaluate(
        f"""() => {{
        const begin = performance.now();
        for (let at = 0; at < 60000; at += 1)
          chart.update("ours", [{BEGIN} + 3600 + 60 * Math.floor(at / 60), "10", "12", "9",
            String(10 + at % 7 / 4), "1", at, 1]);
        return performance.now() - begin;
        }}"""
    )
    assert spent < 20_000, spent
