"""The pages of a campaign: worst first, in words that add up, usable by every reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kline_harness.campaign.campaign_file import SymbolFiles, Variant
from kline_harness.campaign.campaign_folder import CampaignFolder
from kline_harness.campaign.day_cache import Reading
from kline_harness.campaign.tasks import run_symbol
from kline_harness.interval import parse_intervals
from kline_harness.replay import Scenario
from kline_harness.report import build_campaign
from playwright.sync_api import Browser

from tests.campaign.days import rows_of, write_days
from tests.campaign.test_law import minute_klines
from tests.report.test_in_browser import opened, violations


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A campaign's folder: a run with one wrong kline after many doubtful ones, one without."""
    out = tmp_path_factory.mktemp("pages")
    places = CampaignFolder(out)
    scenario = Scenario(intervals=parse_intervals("1m,1h"), expectations=False)
    runs = []
    for name, wrong in (("ALFAUSDT", 590), ("BETAUSDT", -1)):
        days = rows_of(name, 2, 900)
        trades = write_days(out / "data", name, days)
        klines = minute_klines(out / "data" / f"{name}-1m-2024-07-01.csv", days[0], wrong)
        symbol = SymbolFiles(name, None, tuple(trades), (klines,))
        answer = run_symbol(places, symbol, Variant("exact", scenario), Reading(), report=False)
        assert answer.failure is None
        runs.append(answer.plain)
    failed = {"name": "<b>GAMA", "error": "line 3: expected <true>", "exit_code": 2}
    results = {
        "verdict": "failed",
        "trades": 1,
        "klines": 1,
        "failed": [failed],
        "runs": runs,
    }
    build_campaign(out, results)
    return out, results


def cells(page: str) -> list[str]:
    return re.findall(r'<td class="day (\w+)">', page)


def test_what_the_first_page_says(built: tuple[Path, Mapping[str, Any]]) -> None:
    out, results = built
    page = (out / "index.html").read_text("utf-8")
    assert "3 runs over 2 days" in page
    assert [run["verdict"] for run in results["runs"]] == ["invalid", "unknown"]
    sentence = "Failed: 1 of 3 runs came to nothing; 1 is invalid; 1 is unknown."
    assert f'<p class="sentence">{sentence}</p>' in page
    assert "&lt;b&gt;GAMA" in page
    assert "<b>GAMA" not in page
    assert cells(page)[:2] == ["invalid", "unknown"]
    # Days with something wrong come before days that are open, however much is open of those.
    days = re.findall(r'href="days/(\w+)-exact-2024-07\.html#(2024-07-\d\d)">2024', page)
    assert days[0] == ("ALFAUSDT", "2024-07-01")
    counts = results["runs"][0]["days"]["2024-07-01"]
    assert counts["unexplained"] == 1
    assert f"klines: 1 unexplained, {counts['consistent']:,} consistent" in page


def test_the_worst_of_a_day_is_listed_however_late_it_is(
    built: tuple[Path, Mapping[str, Any]],
) -> None:
    out, results = built
    # More are consistent than a day's list holds.
    assert results["runs"][0]["days"]["2024-07-01"]["consistent"] > 50
    page = (out / "days" / "ALFAUSDT-exact-2024-07.html").read_text("utf-8")
    rows = re.findall(r"<td>(unexplained|consistent)</td>", page)
    assert rows == ["unexplained", *["consistent"] * 49]
    assert "The worst 50 of each are listed" in page
    assert page.index("ALFAUSDT 1m") < page.index('id="2024-07-02"')


def test_many_days_are_months_and_pages_that_are_no_more_are_removed(
    built: tuple[Path, Mapping[str, Any]], tmp_path: Path
) -> None:
    out, results = built
    days = {
        f"2024-{month:02}-{day:02}": {"trades": 1} for month in (4, 5, 6) for day in range(1, 29)
    }
    days["2024-05-03"] = {"trades": 2, "error": 1}
    runs = []
    for run in results["runs"]:
        runs.append({**run, "days": days})
        folder = tmp_path / "runs" / run["name"]
        folder.mkdir(parents=True)
        for name in ("findings.ndjson", "differences.parquet"):
            (folder / name).write_bytes((out / "runs" / run["name"] / name).read_bytes())
    (tmp_path / "days").mkdir()
    stale = tmp_path / "days" / "OLDUSDT-exact-2024-07.html"
    stale.write_text("old")
    build_campaign(tmp_path, {**results, "failed": [], "verdict": "invalid", "runs": runs})
    page = (tmp_path / "index.html").read_text("utf-8")
    assert cells(page) == ["valid", "invalid", "valid"] * 2
    assert 'href="days/ALFAUSDT-exact-2024-05.html" title="29 trades, 1 error"' in page
    assert 'href="days/ALFAUSDT-exact-2024-05.html#2024-05-03">' in page
    assert not stale.exists()
    assert len(list((tmp_path / "days").glob("*.html"))) == 6


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "days/ALFAUSDT-exact-2024-07.html"])
def test_pages_are_for_every_reader(
    browser: Browser, built: tuple[Path, Mapping[str, Any]], name: str, scheme: str
) -> None:
    phone = {"width": 360, "height": 740}
    with opened(browser, built[0] / name, color_scheme=scheme, viewport=phone) as page:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.browser
def test_a_cell_leads_to_its_day(browser: Browser, built: tuple[Path, Mapping[str, Any]]) -> None:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((built[0] / "index.html").as_uri())
    page.get_by_role("link", name="2024-07-01: invalid").first.click()
    assert page.url.endswith("days/ALFAUSDT-exact-2024-07.html#2024-07-01")
    page.get_by_role("link", name="2024-07-02: unknown").click()
    assert page.url.endswith("#2024-07-02")
    context.close()
