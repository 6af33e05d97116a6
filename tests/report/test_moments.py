"""Candles, the moment that drives the page, and one difference after another, in a browser."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from kline_harness.kline import FIELDS
from playwright.sync_api import Browser, expect

from tests.report.pages import blocks
from tests.report.test_in_browser import opened

pytestmark = pytest.mark.browser
SHOWN = ("open", "high", "low", "close", "volume", "count")


def plain(value: object) -> str:
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text


def test_the_candles_hold_every_stored_value_as_it_is_stored(reports: dict[str, Path]) -> None:
    stored = {
        (row["symbol"], row["interval"], int(row["open_time"].timestamp())): row
        for row in pq.read_table(reports["valid"] / "klines/part-00000.parquet").to_pylist()
    }
    found = 0
    for one in blocks(reports["valid"] / "report.html")["candles"]["series"]:
        held = 0
        for first, step, texts in one["runs"]:
            for place, text in enumerate(texts):
                row = stored[one["symbol"], one["interval"], first + place * step]
                values: list[str] = []
                for value in text.split(" "):
                    values.append(values[-1] if value == "=" else value)
                assert values == [plain(row[name]) for name in SHOWN]
                held += 1
        own = [key for key in stored if key[:2] == (one["symbol"], one["interval"])]
        assert one["total"] == len(own)
        assert held <= len(own)
        found += held
    assert found > 3_000


def test_every_difference_of_a_symbol_is_marked_also_those_on_other_pages(
    reports: dict[str, Path],
) -> None:
    found = blocks(reports["invalid"] / "report.html")
    held = len(found["differences"]["rows"])
    more = [mark for one in found["candles"]["series"] for mark in one["more"]]
    assert sorted(mark[2] for mark in more) == list(range(held + 1, 4001))


def test_the_first_difference_is_in_view_and_the_next_is_a_button_away(
    browser: Browser, reports: dict[str, Path]
) -> None:
    page_file = reports["valid"] / "report.html"
    data = blocks(page_file)["differences"]
    row = data["rows"][0]
    ours = row[5].split(" ")
    with opened(browser, page_file) as page:
        candles = page.locator("[data-candles]")
        values = candles.locator(".candles-values")
        expect(values).to_contain_text(f"{data['symbols'][row[0]]} {data['intervals'][row[1]]}")
        expect(values.locator("tbody tr").first).to_contain_text(ours[0])
        expect(values.locator(".bad")).to_contain_text("difference: ")
        expect(candles.locator("canvas").first).to_be_visible()
        before = values.locator("caption").inner_text()
        candles.get_by_role("button", name="Next difference").click()
        assert values.locator("caption").inner_text() != before
        # A kline that does not differ has the same values on both sides.
        page.locator(".candles-picture").focus()
        page.keyboard.press("ArrowRight")
        sides = [one.split("\t")[1:] for one in values.locator("tbody tr").all_inner_texts()]
        assert sides[0] == sides[1]
        # Another interval, at the same time.
        candles.get_by_label("Interval").select_option("1h")
        expect(values).to_contain_text(" 1h, opened ")


def test_opening_a_difference_moves_candles_and_moment_and_the_address(
    browser: Browser, reports: dict[str, Path]
) -> None:
    page_file = reports["valid"] / "report.html"
    data = blocks(page_file)["differences"]
    with opened(browser, page_file, "#difference-24") as page:
        for number in (24, 25):
            row = data["rows"][number - 1]
            expect(page.locator(f"#difference-{number}-detail")).to_be_visible()
            name = f"{data['symbols'][row[0]]} {data['intervals'][row[1]]}"
            expect(page.locator(".candles-values caption")).to_contain_text(name)
            status = page.locator("[data-moments] [role=status]")
            expect(status).to_contain_text("Differences that open here")
            assert page.locator("[data-moments]").get_attribute("data-at") == str(row[2])
            assert page.url.endswith(f"#difference-{number}")
            if number == 24:
                page.locator("#difference-24-detail button", has_text="Next").click()
        page.locator("#difference-25 button").focus()
        page.keyboard.press("k")
        expect(page.locator("#difference-24-detail")).to_be_visible()
        page.get_by_role("button", name="Copy link").click()
        field = page.get_by_label("Address")
        copied = page.get_by_role("button", name="Copied")
        expect(field.or_(copied)).to_be_visible()


def test_a_moment_shows_its_findings_and_moves_the_line_in_every_picture_of_time(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["invalid"] / "report.html") as page:
        slider = page.locator("[data-moments] input")
        status = page.locator("[data-moments] [role=status]")
        lines = page.locator(".moment-line")
        assert lines.count() == page.locator("figure[data-from]").count() >= 3
        before = lines.first.get_attribute("d")
        slider.focus()
        page.keyboard.press("End")
        assert lines.first.get_attribute("d") != before
        expect(status).to_contain_text("2024-05-15 23:")
        # A click into a picture chooses the moment that it shows there.
        picture = page.locator("[data-picture=timeline] svg")
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        assert box is not None
        picture.click(position={"x": box["width"] * 0.5325, "y": 20})
        expect(status).to_contain_text(re.compile("2024-05-15 (11:5|12:0)"))
        expect(page.locator(".candles-values caption")).to_contain_text(
            re.compile("2024-05-15 (11:|12:0)")
        )
        expect(status.get_by_text("klines to")).not_to_have_count(0)


def test_what_is_filtered_is_saved_as_csv_and_json(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["valid"] / "report.html") as page:
        viewer = page.locator("[data-viewer=differences]")
        viewer.get_by_label("Text").fill("BRAVOUSDT")
        expected = [
            row
            for row in pq.read_table(reports["valid"] / "differences.parquet").to_pylist()
            if row["symbol"] == "BRAVOUSDT"
        ]
        texts = {}
        for kind in ("CSV", "JSON"):
            with page.expect_download() as download:
                viewer.get_by_role("button", name=f"Save these differences as {kind}").click()
            assert download.value.suggested_filename == f"differences.{kind.lower()}"
            texts[kind] = Path(download.value.path()).read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(texts["CSV"])))
    assert len(rows) == len(expected) == len(json.loads(texts["JSON"])) > 0
    by_time = {(row["interval"], row["open_time"].timestamp()): row for row in expected}
    for row, same in zip(rows, json.loads(texts["JSON"]), strict=True):
        assert row == {name: "" if value is None else value for name, value in same.items()}
        at = row["open_time"].replace("Z", "+00:00")
        want = by_time[row["interval"], datetime.fromisoformat(at).timestamp()]
        for name in FIELDS:
            for side in ("ours", "theirs"):
                value = want[f"{side}_{name}"]
                assert row[f"{side}_{name}"] == ("" if value is None else plain(value))


def test_a_term_leads_to_its_meaning(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["valid"] / "report.html") as page:
        term = page.locator("#comparison-table .term", has_text="proved")
        assert "with a cause undone" in (term.get_attribute("title") or "")
        term.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#term-proved")).to_be_visible()
        expect(page.locator("#term-proved")).to_contain_text("with a cause undone")
