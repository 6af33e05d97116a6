"""A count leads to the rows that it counts, and an address says what is chosen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kline_harness.report.differences import DifferenceRow
from kline_harness.report.evidence import Chunk
from kline_harness.report.links import links_of
from kline_harness.run_rows import EquationRow, FindingRow
from playwright.sync_api import Browser, Locator, Page, expect

from tests.report.test_in_browser import opened

NONE9 = (None,) * 9


def missing(symbol: str, interval: str = "1m") -> DifferenceRow:
    return DifferenceRow(symbol, interval, 0, "missing", (), NONE9, ("5",) * 9, None, None, None)


def found(kind: str) -> FindingRow:
    return {"check": "writer", "kind": kind, "severity": "error", "evidence": {}}


def chunks(differences: int, findings: int) -> dict[str, list[Chunk]]:
    """Return the rows of the report itself, so many of each table."""
    return {
        "differences": [Chunk("differences", 1, ("",) * differences, {})],
        "findings": [Chunk("findings", 1, ("",) * findings, {})],
        "ledger": [Chunk("ledger", 1, ("",) * 3, {})],
    }


def test_several_rows_are_chosen_one_is_opened() -> None:
    rows = [missing("A&B"), missing("A&B"), missing("C", "1h")]
    links = links_of(rows, [found("gap"), found("gap"), found("late")], (), chunks(3, 3), ())
    assert links.difference("missing") == "#differences?class=missing"
    told = "#differences?class=missing&symbol=A%26B&interval=1m"
    assert links.difference("missing", "A&B", "1m") == told
    assert links.difference("missing", "C", "1h") == "#difference-3"
    assert links.difference("extra") == links.difference("missing", "C", "1m") == ""
    assert links.finding("writer", "gap") == "#findings?check=writer&kind=gap"
    assert links.detected("writer.late") == "#finding-3"
    assert links.detected("nothing") == ""


def test_rows_of_another_page_are_reached_by_the_number_of_the_first() -> None:
    rows, kinds = [missing("A"), missing("B"), missing("B")], [found("late"), *[found("gap")] * 2]
    links = links_of(rows, kinds, (), chunks(1, 1), ())
    assert links.difference("missing") == "#differences?class=missing"
    assert links.difference("missing", "B", "1m") == "#difference-2"
    assert links.finding("writer", "gap") == "#finding-2"


def line(law: str, subject: str, *, balanced: bool = True) -> EquationRow:
    parts = {"all": 3 if balanced else 2}
    return {"law": law, "subject": subject, "total": 3, "parts": parts, "balanced": balanced}


def test_what_a_check_counted_leads_to_where_it_stands() -> None:
    ledger = [
        *(line("trades received", "A 1m"), line("trades received", "A 1h")),
        line("klines_written", "writer", balanced=False),
    ]
    kinds, pages = [found("gap"), found("gap")], chunks(1, 2)
    links = links_of([missing("A")], kinds, ledger, pages, ("timeline", "comparison"))
    assert links.line("trades received") == "#ledger?law=trades+received"
    assert links.line("trades received", "A 1h") == "#line-3"
    # What does not balance has the first numbers.
    assert links.unbalanced("klines_written") == "#line-1"
    assert links.unbalanced("trades received") == links.line("no such law") == ""
    told = links.looked_at
    assert told("writer", "gap") == "#findings?check=writer&kind=gap"
    assert told("writer", "committed") == "#line-1"
    assert told("writer", "flushes") == "#timeline"
    assert told("trades", "received") == "#ledger?law=trades+received"
    assert told("comparison", "missing") == "#difference-1"
    assert told("comparison", "identical") == "#comparison"
    # A section that a page lacks, and a check of somebody's own.
    assert told("lifecycle", "events") == told("mine", "seen") == ""


def shown(page: Page, kind: str) -> Locator:
    return page.locator(f"[data-viewer={kind}] tbody tr.row")


@pytest.mark.browser
def test_every_count_of_differences_and_findings_leads_to_its_rows(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["valid"] / "report.html") as page:
        for kind, places in {
            "differences": "[data-figure] a, #comparison-table td a",
            "findings": ".wrong a, #check-table td a, #fault-table td a",
        }.items():
            status = page.locator(f"[data-viewer={kind}]").get_by_role("status")
            links = page.locator(places).locator(f"xpath=self::a[contains(@href, '#{kind}?')]")
            assert links.count() > 0
            for link in links.all():
                count = (link.text_content() or "").split()[0]
                link.click()
                expect(status).to_contain_text(f"{count} ")
                assert page.evaluate("location.hash") == link.get_attribute("href")
                expect(page.locator(f"[data-viewer={kind}]")).to_be_in_viewport()


@pytest.mark.browser
@pytest.mark.parametrize("name", ["valid", "invalid", "hostile", "unknown"])
def test_every_link_of_a_page_leads_somewhere(
    browser: Browser, reports: dict[str, Path], name: str
) -> None:
    with opened(browser, reports[name] / "report.html") as page:
        page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
        page.wait_for_function("!document.querySelector('details .viewer:empty')")
        hrefs = page.eval_on_selector_all(
            "main a[href^='#'], header a[href^='#']", "nodes => nodes.map(one => one.hash)"
        )
        anchors = {address.partition("?")[0] for address in hrefs}
        rows = {address for address in anchors if re.fullmatch(r"#[a-z]+-\d+", address)}
        lost = [one for one in anchors - rows if page.locator(one).count() != 1]
        assert lost == []
        for cell in ("#law-table td", "#check-table .part .number", "#transition-table td.number"):
            counts = page.locator(cell).filter(has_text=re.compile(r"[1-9]"))
            assert counts.count() == counts.locator("a").count() > 0


@pytest.mark.browser
def test_the_lines_of_a_law_are_chosen(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["valid"] / "report.html") as page:
        row = page.locator("#law-table tbody tr", has_text="received").first
        count = row.locator("td a").first.text_content() or ""
        row.locator("td a").first.click()
        status = page.locator("[data-viewer=ledger]").get_by_role("status")
        expect(status).to_have_text(re.compile(rf"^{count} of \d+ lines"))
        expect(shown(page, "ledger").first).to_be_in_viewport()


@pytest.mark.browser
def test_an_address_chooses_what_is_listed_and_a_choice_sets_the_address(
    browser: Browser, reports: dict[str, Path]
) -> None:
    asked = "#differences?symbol=BRAVOUSDT&interval=3m"
    with opened(browser, reports["valid"] / "report.html", asked) as page:
        rows, viewer = shown(page, "differences"), page.locator("[data-viewer=differences]")
        assert 0 < rows.count() < 40
        for text in rows.all_text_contents():
            assert "BRAVOUSDT" in text
            assert "3m" in text
        viewer.get_by_label("Symbol").select_option("")
        assert page.evaluate("location.hash") == "#differences?interval=3m"
        viewer.get_by_label("Interval").select_option("")
        assert page.evaluate("location.hash") == "#differences"
