"""The pages in a real browser: offline, quiet, usable, for every reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from kline_harness.report import build_index
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
NAMES = ("valid", "invalid", "hostile", "unknown")
AXE = files("axe_playwright_python").joinpath("axe.min.js")


@contextmanager
def opened(browser: Browser, path: Path, anchor: str = "", **options: Any) -> Iterator[Page]:
    """Open a page that must make no request, print nothing and raise nothing."""
    trouble: list[str] = []
    requests: list[str] = []
    context = browser.new_context(offline=True, **options)
    page = context.new_page()
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: trouble.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri() + anchor)
    yield page
    context.close()
    assert trouble == []
    assert [url.partition("#")[0] for url in requests] == [path.as_uri()]


def violations(page: Page) -> list[str]:
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {node['html'][:120]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(
    browser: Browser, reports: dict[str, Path], name: str, scheme: str
) -> None:
    with opened(browser, reports[name] / "report.html", color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
        for button in page.locator(".viewer .expand").all()[:3]:
            button.click()
        assert violations(page) == []


def test_the_accessibility_check_can_fail(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["unknown"] / "report.html") as page:
        page.evaluate("document.querySelector('main').append(document.createElement('button'))")
        assert any(line.startswith("button-name") for line in violations(page))


def test_pages_beside_and_the_index_are_accessible(
    browser: Browser, reports: dict[str, Path]
) -> None:
    folder = reports["invalid"]
    beside = [*folder.glob("report-*.html"), build_index(folder.parent)]
    assert len(beside) == 3
    for path in beside:
        with opened(browser, path) as page:
            assert violations(page) == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wider_than_a_phone(
    browser: Browser, reports: dict[str, Path], name: str
) -> None:
    phone = {"width": 360, "height": 780}
    with opened(browser, reports[name] / "report.html", viewport=phone) as page:
        for folded in page.locator("details:has(.viewer)").all():
            folded.locator("summary").first.click()
        for button in page.locator(".viewer .expand").all()[:3]:
            button.click()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert violations(page) == []


def test_pictures_are_drawn(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["invalid"] / "report.html") as page:
        kinds = page.eval_on_selector_all(
            "[data-picture]", "nodes => nodes.map(node => node.dataset.picture)"
        )
        assert sorted(set(kinds)) == [
            *("candles", "coverage", "lateness", "ledger", "lifecycle", "timeline")
        ]
        # The picture of the candles is for paper and for readers without scripts.
        expect(page.locator("[data-picture=candles]").first).to_be_hidden()
        for picture in page.locator("[data-picture]:not([data-picture=candles]) svg").all():
            size = picture.bounding_box()
            assert size is not None
            assert size["width"] > 600
            assert size["height"] > 100
            assert picture.get_attribute("aria-label")
        # Every colour of a picture is one of the page's.
        assert page.evaluate(
            "[...document.querySelectorAll('[data-picture] svg *')].every(node =>"
            " ['fill', 'stroke'].every(name => !(node.getAttribute(name) || '').startsWith('#')))"
        )


def test_dark_mode_changes_page_and_pictures(browser: Browser, reports: dict[str, Path]) -> None:
    probe = (
        "[document.body, document.querySelector('[data-picture=candles] svg path[fill^=var]')]"
        ".map(node => getComputedStyle(node)).map(s => s.backgroundColor + s.fill)"
    )
    seen = []
    for scheme in ("light", "dark"):
        with opened(browser, reports["valid"] / "report.html", color_scheme=scheme) as page:
            seen.append(page.evaluate(probe))
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] != seen[1][1]


def test_a_difference_opens_to_both_sides_cause_and_trades(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["valid"] / "report.html") as page:
        button = page.get_by_role("button", name="Evidence of difference 1", exact=True)
        button.focus()
        page.keyboard.press("Enter")
        detail = page.locator("#difference-1-detail")
        expect(button).to_have_attribute("aria-expanded", "true")
        expect(detail).to_contain_text("Ours − exchange's")
        expect(detail).to_contain_text("−0.25")
        expect(detail).to_contain_text("−15893.475")
        expect(detail).to_contain_text("Cause: ")
        expect(detail).to_contain_text("3 trades")
        expect(detail).to_contain_text("5182009434")
        page.keyboard.press("Enter")
        expect(detail).to_have_count(0)


def test_an_unexplained_difference_opens_to_the_trades_in_its_time(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["invalid"] / "report.html") as page:
        page.get_by_role("button", name="Evidence of difference 1", exact=True).click()
        detail = page.locator("#difference-1-detail")
        expect(detail).to_contain_text("No cause was proved for this difference.")
        expect(detail).to_contain_text("24 trades in its time, 24 of them applied. Listed are 12:")
        trades = detail.locator(".trades")
        expect(trades.locator("caption")).to_contain_text("12 trades listed")
        expect(trades.locator("tbody tr")).to_have_count(12)
        expect(trades).to_contain_text("2024-05-15 00:00:11")
        page.locator("[data-viewer=differences]").get_by_label("Text").fill("7000002011")
        expect(page.locator("[data-viewer=differences] tbody tr.row")).to_have_count(1)


def test_filters_narrow_and_pages_turn(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["valid"] / "report.html") as page:
        viewer = page.locator("[data-viewer=differences]")
        status = viewer.get_by_role("status")
        held = int((status.text_content() or "").split()[0].replace(",", ""))
        viewer.get_by_role("button", name="Last", exact=True).click()
        last = f"Evidence of difference {held}"
        expect(viewer.get_by_role("button", name=last, exact=True)).to_be_visible()
        viewer.get_by_label("Symbol").select_option(label_of(viewer, "Symbol", "BRAVOUSDT"))
        viewer.get_by_label("Interval").select_option(label_of(viewer, "Interval", "3m"))
        rows = viewer.locator("tbody tr.row")
        assert 0 < rows.count() < held
        for text in rows.all_text_contents():
            assert "BRAVOUSDT" in text
            assert "3m" in text
        viewer.get_by_label("Text").fill("no such thing")
        expect(rows).to_have_count(0)
        expect(status).to_contain_text("0 of")


def label_of(viewer: Any, control: str, name: str) -> str:
    """Return the value of the option that begins with a name."""
    options = viewer.get_by_label(control).locator("option")
    return str(options.filter(has_text=name).first.get_attribute("value"))


def test_a_link_opens_its_difference(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["invalid"] / "report.html", "#difference-234") as page:
        expect(page.locator("#difference-234-detail")).to_be_visible()
        # The page takes the focus a moment after the browser has jumped to the anchor.
        page.wait_for_timeout(200)
        focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused == "Evidence of difference 234"


def test_hostile_names_are_shown_and_do_nothing(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["hostile"] / "report.html") as page:
        expect(page.locator("header")).to_contain_text("<script>alert(1)</script>")
        for button in page.locator(".viewer .expand").all()[:30]:
            button.click()
        assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_prints(browser: Browser, reports: dict[str, Path], scheme: str) -> None:
    with opened(browser, reports["valid"] / "report.html", color_scheme=scheme) as page:
        page.emulate_media(media="print", color_scheme=scheme)  # type: ignore[arg-type]
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert ink == "rgb(23, 27, 33)"
        assert page.locator(".filters").first.is_hidden()
        paper = page.pdf(format="A4")
        assert paper.startswith(b"%PDF")
        assert paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") > 3


def test_a_folded_table_is_made_when_it_is_opened(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["valid"] / "report.html") as page:
        rows = page.locator("[data-viewer=ledger] tr.row")
        assert rows.count() == 0
        page.locator("details:has([data-viewer=ledger]) > summary").click()
        expect(rows.first).to_be_visible()
    with opened(browser, reports["valid"] / "report.html", "#line-3") as page:
        expect(page.locator("#line-3")).to_be_visible()


def test_paper_has_the_evidence_of_each_difference(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["valid"] / "report.html") as page:
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("tr.detail[id^=difference-]").count() == 40
        # A table of more than a page that nobody opened stays out of it.
        assert page.locator("[data-viewer=ledger] tr.row").count() == 0
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.locator("tr.detail[id^=difference-]").count() == 0
        assert page.locator("[data-viewer=differences] tr.row").count() == 20


def test_without_scripts_the_figures_are_there(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["valid"] / "report.html", java_script_enabled=False) as page:
        expect(page.locator("h1")).to_contain_text("valid")
        expect(page.locator("noscript p").first).to_contain_text("differences.parquet")


def test_the_index_is_searched_sorted_and_filtered(
    browser: Browser, reports: dict[str, Path]
) -> None:
    index = build_index(reports["valid"].parent)
    with opened(browser, index) as page:
        names = page.locator("#runs-table tbody tr:visible th")
        verdicts = page.locator("#runs-table tbody tr:visible td:nth-child(2)")
        count = names.count()
        assert count == len(reports)
        page.get_by_role("button", name="Verdict").click()
        assert verdicts.all_inner_texts() == sorted(verdicts.all_inner_texts())
        page.get_by_role("button", name="Verdict").click()
        assert verdicts.all_inner_texts() == sorted(verdicts.all_inner_texts(), reverse=True)
        chosen = page.locator(".filters label", has_text="Verdict").locator("select")
        chosen.select_option("unknown")
        assert set(verdicts.all_inner_texts()) == {"unknown"}
        chosen.select_option("")
        whole = page.locator("#runs-table tbody tr").all_inner_texts()
        page.locator(".filters input").fill("UNKNOWN")
        shown = [text for text in whole if "unknown" in text.lower()]
        assert 0 < len(shown) < count
        assert page.locator("#runs-table tbody tr:visible").all_inner_texts() == shown
        assert page.get_by_role("status").inner_text() == f"{len(shown)} of {count} runs"
        assert violations(page) == []
