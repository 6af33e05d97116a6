"""The map of symbols by intervals: every state, by mark, text and colour, and where cells lead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kline_harness.report import build_report
from kline_harness.report.symbol_map import series_state
from playwright.sync_api import Browser, Page, expect

from tests.report.run_figures import RunOptions
from tests.report.run_folder import write_run
from tests.report.test_in_browser import opened, violations
from tests.run_files import put_run, whole_run

pytestmark = pytest.mark.browser
NONE = dict.fromkeys(("proved", "consistent", "unexplained", "missing", "extra", "outside"), 0)


def line(symbol: str, interval: str, **counts: int) -> dict[str, Any]:
    return {"symbol": symbol, "interval": interval, "identical": 0, **NONE, "fields": {}, **counts}


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"identical": 5}, "valid"),
        ({"identical": 5, "proved": 2}, "valid"),
        ({"proved": 2}, "valid"),
        ({"identical": 5, "consistent": 1}, "unknown"),
        ({"consistent": 1, "unexplained": 1}, "invalid"),
        ({"identical": 5, "missing": 1}, "invalid"),
        ({"identical": 5, "extra": 1}, "invalid"),
        ({"outside": 5}, "uncompared"),
        ({"uncompared": 5}, "uncompared"),
        ({}, "uncompared"),
    ],
)
def test_a_series_comes_to_its_worst_class(counts: dict[str, int], state: str) -> None:
    row: Any = line("A", "1m", **counts)
    assert series_state(row) == state


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of 61 symbols: two wrong, one open, one not compared, 57 identical."""
    folder = write_run(
        tmp_path_factory.mktemp("map") / "run", RunOptions("invalid", differences=900)
    )
    run = whole_run(folder)
    series = [line(f"S{n:02}USDT", span, identical=9) for n in range(57) for span in ("1m", "1h")]
    series += [line("OPENUSDT", "1m", identical=7, consistent=2), line("NONEUSDT", "1h", outside=3)]
    run["comparison"]["series"] += series
    put_run(folder, run)
    build_report(folder)
    return folder


def of(page: Page, symbol: str) -> Any:
    return page.locator("[data-viewer=series] tbody tr.row", has_text=symbol)


def test_the_map_says_each_state_by_mark_and_text(browser: Browser, market: Path) -> None:
    with opened(browser, market / "report.html") as page:
        viewer = page.locator("[data-viewer=series]")
        # What says nothing new is folded; a search finds it all the same.
        expect(viewer.locator("tbody tr.row")).to_have_count(4)
        button = viewer.get_by_role("button", name="Show the 57 that are the exchange's")
        expect(button).to_be_visible()
        assert viewer.locator("tbody tr.row td:nth-child(2)").all_inner_texts()[2] == "OPENUSDT"
        expect(of(page, "OPENUSDT").locator("td.cell.unknown")).to_have_text("?2")
        expect(of(page, "NONEUSDT").locator("td.cell")).to_have_text(["–"])
        cell = of(page, "OPENUSDT").locator("td.cell.unknown")
        expect(cell).to_have_attribute("title", "OPENUSDT 1m: 7 identical, 2 consistent")
        viewer.get_by_label("Text").fill("s31")
        expect(of(page, "S31USDT").locator("td.cell.valid")).to_have_text(["✓", "✓"])
        viewer.get_by_label("Text").fill("")
        button.focus()
        page.keyboard.press("Enter")
        expect(viewer.get_by_role("status")).to_have_text("61 symbols")
        expect(button).to_be_hidden()
        assert violations(page) == []


def test_a_symbol_opens_to_its_counts(browser: Browser, market: Path) -> None:
    with opened(browser, market / "report.html") as page:
        row = of(page, "OPENUSDT")
        row.get_by_role("button").focus()
        page.keyboard.press("Enter")
        detail = page.locator("[data-viewer=series] tr.detail")
        cells = detail.locator("tbody tr").locator("th, td").all_inner_texts()
        assert cells == ["1m", "7", "0", "2", "0", "0", "0", "0", "0"]


def test_a_cell_leads_to_its_first_difference(browser: Browser, market: Path) -> None:
    with opened(browser, market / "report.html") as page:
        cell = of(page, "ALFAUSDT").locator("td.cell.invalid a").first
        number = (cell.get_attribute("href") or "").removeprefix("#difference-")
        cell.click()
        detail = page.locator(f"#difference-{number}-detail")
        expect(detail).to_contain_text("ALFAUSDT 1m kline")


def test_a_number_of_another_page_goes_on_to_it(browser: Browser, reports: dict[str, Path]) -> None:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((reports["invalid"] / "report.html").as_uri() + "#difference-3999")
    expect(page.locator("#difference-3999-detail")).to_be_visible()
    assert "report-differences-" in page.url
    context.close()


def test_the_map_fits_a_phone(browser: Browser, market: Path) -> None:
    with opened(browser, market / "report.html", viewport={"width": 360, "height": 780}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        # A card: each cell names its interval.
        cell = page.locator("[data-viewer=series] td.cell").first
        named = cell.evaluate("node => getComputedStyle(node, '::before').content")
        assert named.strip('" ') == "1m"
        # The map opens to the counts of each series; their sums stay.
        expect(page.locator("#comparison-table tbody")).to_be_hidden()
        expect(page.locator("#comparison-table tfoot")).to_be_visible()
        assert violations(page) == []


def test_one_symbol_is_one_symbol(browser: Browser, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", RunOptions("valid", symbols=("ALFAUSDT",)))
    build_report(folder)
    with opened(browser, folder / "report.html") as page:
        page.get_by_text("1 symbol by interval").click()
        viewer = page.locator("[data-viewer=series]")
        expect(viewer.get_by_role("status")).to_have_text("1 symbol")
        # Nothing is folded where all is the same.
        expect(viewer.locator("tbody tr.row")).to_have_count(1)
