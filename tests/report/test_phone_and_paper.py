"""On a phone only pictures go on to the side; no printed page ends with the head of a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from kline_harness.report import build_index
from playwright.sync_api import Browser, Page

from tests.report.test_in_browser import NAMES, opened, violations

pytestmark = pytest.mark.browser
PHONE = {"width": 360, "height": 780}
_WIDE = """
[...document.querySelectorAll('.scroll:not(.picture)')]
    .filter(box => box.offsetParent && box.scrollWidth > box.clientWidth)
    .map(box => box.textContent.slice(0, 60))
"""


def wide(page: Page) -> list[str]:
    """Return the beginnings of the tables that do not fit."""
    found: list[str] = page.evaluate(_WIDE)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_table_fits_on_a_phone(browser: Browser, reports: dict[str, Path], name: str) -> None:
    with opened(browser, reports[name] / "report.html", viewport=PHONE) as page:
        page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
        page.wait_for_function("!document.querySelector('details .viewer:empty')")
        for button in page.locator(".viewer .expand").all()[:30]:
            button.click()
        assert wide(page) == []
        assert violations(page) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_the_index_fits(browser: Browser, reports: dict[str, Path], width: int) -> None:
    index, size = build_index(reports["valid"].parent), {"width": width, "height": 780}
    with opened(browser, index, viewport=size) as page:
        assert wide(page) == []


def test_a_card_names_its_values_and_leaves_dashes_out(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["invalid"] / "report.html", viewport=PHONE) as page:
        total = page.locator("#comparison-table tfoot td").nth(3)
        named = total.evaluate("node => getComputedStyle(node, '::before').content")
        assert named == '"unexplained"'
        cells = page.locator("#pattern-table td")
        assert {"–"} & set(cells.all_text_contents())
        for cell in cells.all():
            assert cell.is_visible() == (cell.text_content() != "–")


def test_a_head_stays_with_its_first_row_on_paper(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["invalid"] / "report.html") as page:
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        breaks = page.eval_on_selector_all(
            "tbody > tr:first-child", "rows => rows.map(row => getComputedStyle(row).breakBefore)"
        )
        assert len(breaks) > 20
        assert set(breaks) == {"avoid"}
        assert page.locator(".moment-line:visible").count() == 0
