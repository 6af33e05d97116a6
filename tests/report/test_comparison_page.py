"""A comparison of files has a page: the same as a replay's, without what was not replayed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.replays import ROOT, command
from tests.report.test_in_browser import opened, violations
from tests.run_files import whole_run

CASE = ROOT / "fixtures" / "cases" / "case03"
OURS, THEIRS = CASE / "HENUSDT-1m-ours.csv", CASE / "HENUSDT-1m.csv"


@pytest.mark.browser
def test_compare_writes_a_page_of_its_differences(browser: Browser, tmp_path: Path) -> None:
    page_folder = tmp_path / "compared"
    ran = command("compare", OURS, "--klines", THEIRS, "--page", page_folder)
    assert ran.exit_code == 1
    assert f"{page_folder / 'report.html'}\n" in ran.output
    found = whole_run(page_folder)
    assert found["verdict"] == "invalid"
    assert [row["path"] for row in found["inputs"]] == [OURS.name, THEIRS.name]
    with opened(browser, page_folder / "report.html") as page:
        assert page.locator("[data-figure=unexplained]").inner_text() == "25"
        assert page.locator("#difference-1").count() == 1
        assert page.locator("[data-candles] canvas").count() > 0
        sections = page.locator("main > section").evaluate_all("all => all.map(one => one.id)")
        for absent in ("ledger", "lifecycle", "timeline", "lateness", "expectations"):
            assert absent not in sections
        assert violations(page) == []
    before = (page_folder / "report.html").read_bytes()
    command("report", page_folder)
    assert (page_folder / "report.html").read_bytes() == before


def test_a_page_takes_the_place_of_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    ran = command("compare", OURS, "--klines", THEIRS, "--page", tmp_path / "mine")
    assert ran.exit_code == 2
    assert "expected a run folder or nothing, found something else" in ran.output
    assert [one.name for one in (tmp_path / "mine").iterdir()] == ["notes.txt"]
