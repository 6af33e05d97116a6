"""What a page may come to, whatever the run: elements, bytes, and where the first difference is.

The runs are real ones: the bundled day, klagg with faults, forty symbols; an invented run has
every kind of difference. That of 500 symbols is in `test_report.py`, without a browser.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from kline_harness.cli import run
from playwright.sync_api import Browser

from tests.replays import UM_DAY, UM_STREAM
from tests.report.test_in_browser import opened, violations

pytestmark = [pytest.mark.browser, pytest.mark.unbalanced]
ELEMENTS, BYTES, FIRST_DIFFERENCE_PX = 5_000, 1_500_000, 1_600
FAULTS = """
aggregator = "klagg"
seed = 7
expectations = false
[[faults]]
kind = "drop_trades"
rate = 0.05
[[faults]]
kind = "duplicate_trades"
rate = 0.05
[[faults]]
kind = "consumer_crashed"
consumer = "writer"
at = 2024-05-15T11:59:00Z
restart = 2024-05-15T12:00:30Z
"""


def replayed(out: Path, *arguments: str | Path) -> Path:
    run(["replay", *map(str, arguments), "--quiet", "--out", str(out)])
    return out


def day(out: Path) -> Path:
    klines = [path for path in sorted(UM_DAY.glob("*.zip")) if "rades" not in path.name]
    plain = out.with_name("plain.toml")
    plain.write_text("expectations = false\n")
    trades = sorted(UM_DAY.glob("*-aggTrades-*.zip"))
    return replayed(out, *trades, "--klines", *klines, "--scenario", plain)


def faults(out: Path) -> Path:
    scenario = out.with_name("faults.toml")
    scenario.write_text(FAULTS)
    klines = UM_STREAM / "ALFAUSDT-1m-2024-05-15.csv"
    trades = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
    return replayed(out, trades, "--klines", klines, "--scenario", scenario)


def symbols(out: Path) -> Path:
    """Replay an hour of 40 symbols whose klines of the exchange are ours, five of them changed."""
    plain, trades = out.with_name("plain.toml"), []
    plain.write_text("expectations = false\n")
    for number in range(40):
        path = out.with_name(f"S{number:02}USDT-aggTrades-2024-05-15.csv")
        rows = (
            f"{one},{100 + one % 7}.5,1.25,{one},{one},{1_715_731_200_000 + one * 90_000},true\n"
            for one in range(1, 40)
        )
        path.write_text("".join(rows))
        trades.append(path)
    intervals = ("--intervals", "1m,5m,15m,1h")
    source = replayed(out.with_name("source"), *trades, *intervals, "--scenario", plain)
    run(["export", str(source), "klines", "--out", str(out.with_name("klines"))])
    for number in range(5):
        file = out.with_name("klines") / f"S{number:02}USDT-1m.csv"
        lines = list(csv.reader(file.read_text().splitlines()))
        lines[20][5] = "77"
        with file.open("w", newline="") as changed:
            csv.writer(changed).writerows(lines)
    klines = ("--klines", out.with_name("klines"))
    return replayed(out, *trades, *klines, *intervals, "--scenario", plain)


@pytest.mark.parametrize("make", [day, faults, symbols], ids=lambda make: make.__name__)
def test_a_real_run_stays_within_the_page_s_budgets(
    browser: Browser, tmp_path: Path, make: type[Path]
) -> None:
    within_budgets(browser, make(tmp_path / "run"), make is not day)


def test_an_invalid_run_stays_within_the_page_s_budgets(
    browser: Browser, reports: dict[str, Path]
) -> None:
    within_budgets(browser, reports["invalid"], True)


def within_budgets(browser: Browser, folder: Path, differs: bool) -> None:
    file = folder / "report.html"
    assert file.stat().st_size < BYTES
    with opened(browser, file, viewport={"width": 1280, "height": 900}) as page:
        assert page.evaluate("document.querySelectorAll('*').length") < ELEMENTS
        if differs:
            first = page.locator("#difference-1").bounding_box()
            assert first is not None
            assert first["y"] < FIRST_DIFFERENCE_PX
        assert page.evaluate("document.documentElement.scrollWidth") == 1280
        assert violations(page) == []
