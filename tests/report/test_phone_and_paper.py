"""On a phone only pictures go on to the side; no printed page ends with the head of a table."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from kline_harness.report import build_index
from playwright.sync_api import Browser, Page

from tests.replays import UM_STREAM, command
from tests.report.test_in_browser import NAMES, opened, violations

pytestmark = pytest.mark.browser
PHONE = {"width": 360, "height": 780}
_WIDE = """
[...document.querySelectorAll('.scroll:not(.picture)')]
    .filter(box => box.offsetParent && box.scrollWidth > box.clientWidth)
    .map(box => box.textContent.slice(0, 60))
"""

_BEFORE_CAPTION = "node => getComputedStyle(node.querySelector('figcaption'), '::before').content"
# The size of each label of the axis in pixels, and from where to where it goes.
_LETTERS = """
node => [...node.querySelectorAll('svg text')].filter((text) => text.getClientRects().length)
    .map((text) => [parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a,
        text.getBoundingClientRect().left, text.getBoundingClientRect().right])
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


@pytest.mark.parametrize("name", ["valid", "invalid"])
def test_a_map_fits_on_a_phone_and_its_letters_can_be_read(
    browser: Browser, reports: dict[str, Path], name: str
) -> None:
    with opened(browser, reports[name] / "report.html", viewport=PHONE) as page:
        maps = page.locator("[data-picture=coverage]")
        assert maps.count() == 2
        for one in maps.all():
            box = one.locator("svg").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360
            assert "Swipe" not in one.evaluate(_BEFORE_CAPTION)
            sizes = one.evaluate(_LETTERS)
            assert min(size for size, _, _ in sizes) >= 8
            edges = [(left, right) for _, left, right in sizes if left > 40]
            assert all(one[1] <= two[0] for one, two in itertools.pairwise(edges[:12]))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a recording, whose first and last kline are cut."""
    out = tmp_path_factory.mktemp("recording")
    (out / "plain.toml").write_text("expectations = false\n")
    klines = UM_STREAM / "ALFAUSDT-1m-2024-05-15.csv"
    trades = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
    options = ("--intervals", "1m", "--scenario", out / "plain.toml", "--out", out / "run")
    assert command("replay", trades, "--klines", klines, *options).exit_code == 0
    return out / "run" / "report.html"


def test_a_finding_stands_in_words_in_its_row(browser: Browser, recording: Path) -> None:
    with opened(browser, recording) as page:
        row = page.locator("[data-viewer=findings] tr.row", has_text="comparison").first
        cells = row.locator("td").all_inner_texts()
        assert cells[1:4] == ["comparison: consistent edge", "ALFAUSDT 1m", "2024-05-15 11:54:00"]
        assert cells[4].startswith("open: exchange 3151.14, ours 3151.23; volume: exchange 124.223")


def test_a_proof_is_tables_and_what_it_used_stays_off_paper(
    browser: Browser, recording: Path
) -> None:
    with opened(browser, recording, "#difference-1") as page:
        detail = page.locator("#difference-1-detail")
        assert detail.locator("dl.tree").count() == 0
        detail.get_by_text("What the proof used").first.click()
        used = detail.locator("details table tbody tr")
        told = {
            row.locator("th").inner_text(): row.locator("td").inner_text() for row in used.all()
        }
        assert told["row following open"] == "3151.38"
        assert told["settled rest possible"] == "yes"
        assert told["coverage"] == "2024-05-15 11:54:27.674, 2024-05-15 12:04:37.381"
        detail.get_by_text("What the proof used").first.click()
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("tr.detail details[open]").count() == 0


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
