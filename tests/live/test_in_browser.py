"""The live page in a real browser, beside a replay that goes on."""

from __future__ import annotations

import os
import signal
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kline_harness.live.server import LiveServer
from kline_harness.verdict import Finding
from playwright.sync_api import Browser, Page, expect

from tests.live.live_replay import ALFA, BRAVO, MINUTES, live, replayed
from tests.report.test_in_browser import violations

pytestmark = pytest.mark.browser
MIDNIGHT_MS = 1_715_731_200_000
GAP = "#findings li:has-text('trade ids missing')"


@contextmanager
def page_at(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """Open the page, which must print nothing, raise nothing, and ask its own server alone."""
    trouble: list[str] = []
    context = browser.new_context(**options)
    page = context.new_page()
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda one: trouble.append(one.url) if not one.url.startswith(url) else None)
    page.goto(url)
    expect(page.locator("#now")).not_to_be_empty()
    yield page
    context.close()
    assert trouble == []


def now(page: Page) -> str:
    return page.locator("#now").inner_text()


def reach(page: Page, instant: str) -> None:
    """Wait until virtual time has come so far."""
    end = time.monotonic() + 30
    while now(page) < instant:
        assert time.monotonic() < end, now(page)
        page.wait_for_timeout(10)


def figure(page: Page, name: str) -> int:
    return int(page.locator(f"[data-figure='{name}']").inner_text().replace(",", ""))


def choose_speed(page: Page, speed: str) -> None:
    page.get_by_label("Speed").select_option(speed)


def lost_trades() -> tuple[int, int, int, int]:
    """Return, by the file itself, what the outage takes: ids, and the times in ms around it."""
    with zipfile.ZipFile(ALFA) as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()[1:]
    trades = [[int(text) for text in line.split(",")[3:6]] for line in lines]
    before = [one for one in trades if one[2] < MIDNIGHT_MS + 2 * 60_000][-1]
    after = next(one for one in trades if one[2] >= MIDNIGHT_MS + 4 * 60_000)
    return before[1] + 1, after[0] - 1, before[2], after[2]


def minute_of(ms: int) -> str:
    minute = (ms - MIDNIGHT_MS) // 60_000
    return f"00:{minute:02d}:00"


def test_a_gap_is_seen_within_a_second_named_and_marked(browser: Browser, tmp_path: Path) -> None:
    first, last, before_ms, after_ms = lost_trades()
    assert last - first > 5
    with live(tmp_path, "60") as run, page_at(browser, run.url) as page:
        # The first trade after the outage shows that others are missing.
        seconds = (after_ms - MIDNIGHT_MS) // 1000 + 1
        reach(page, f"2024-05-15 00:{seconds // 60:02d}:{seconds % 60:02d}")
        begin = time.monotonic()
        gap = page.locator(GAP)
        expect(gap).to_have_count(1)
        seen = time.monotonic() - begin
        # A busy machine draws late: so many pictures are half a second where it is not.
        page.evaluate(
            "() => new Promise(done => { let left = 30;"
            " const next = () => left-- ? requestAnimationFrame(next) : done(); next(); })"
        )
        assert seen < 1 or seen < 2 * (time.monotonic() - begin - seen)
        expect(gap).to_contain_text(f"ALFAUSDT 1m 2024-05-15T{minute_of(before_ms)}Z")
        expect(gap).to_contain_text(f"{last - first + 1} trades missing (ids {first} to {last})")
        gap.get_by_role("button").click()
        values = page.locator(".candles-values")
        expect(values.locator("caption")).to_contain_text(f"{minute_of(before_ms)} UTC")
        expect(values.locator("p")).to_contain_text("gap: ALFAUSDT")
        # The candles without trades are held against the exchange's while it goes on.
        unlike = page.locator("#findings li", has_text="unlike the exchange's")
        expect(unlike.filter(has_text="00:03:00Z")).to_have_count(1)
        unlike.filter(has_text="00:03:00Z").get_by_role("button").click()
        expect(values.locator("tbody tr")).to_have_count(2)
        expect(values.locator("p")).to_contain_text("unexplained difference")


def test_pause_step_speed_and_the_next_finding(browser: Browser, tmp_path: Path) -> None:
    with live(tmp_path, "60", held=True) as run, page_at(browser, run.url) as page:
        pause = page.locator("#pause")
        expect(pause).to_have_text("Resume")
        expect(page.locator("#phase")).to_have_text("Held")
        begun = now(page)
        page.wait_for_timeout(300)
        assert now(page) == begun
        for ticks in (1, 2):
            page.get_by_role("button", name="Step one tick").click()
            expect(page.locator("[data-figure=ticks]")).to_have_text(str(ticks))
            expect(page.locator("#phase")).to_have_text("Held")
            # The first boundary after the first trade is that of 00:01; a tick tells each.
            assert now(page).startswith(f"2024-05-15 00:0{ticks}:00")
        page.get_by_role("button", name="Run to the next finding").click()
        expect(page.locator(GAP)).to_have_count(0)
        expect(page.locator("#count")).not_to_have_text("No findings")
        expect(page.locator("#phase")).to_have_text("Held")
        assert "2024-05-15 00:03:00" <= now(page) <= "2024-05-15 00:05:59"
        choose_speed(page, "3600")
        pause.click()
        expect(pause).to_have_text("Pause")
        reach(page, "2024-05-15 00:20")
        pause.click()
        expect(page.locator("#phase")).to_have_text("Held")
        choose_speed(page, "max")
        pause.click()
        expect(page.locator("#phase")).to_have_text("Invalid")
        expect(page.locator("#sentence")).to_contain_text("Invalid: ")


def test_two_pages_show_one_run(browser: Browser, tmp_path: Path) -> None:
    files = (ALFA, BRAVO, MINUTES)
    with (
        live(tmp_path, "600", files=files) as run,
        page_at(browser, run.url) as one,
        page_at(browser, run.url) as other,
    ):
        expect(one.locator("[data-figure='pages open']")).to_have_text("2")
        other.get_by_label("Symbol").fill("bravousdt")
        other.get_by_label("Symbol").press("Enter")
        expect(other.locator(".candles-values caption")).to_contain_text("BRAVOUSDT 1m")
        other.locator("#candles").get_by_label("Interval").select_option("5m")
        expect(other.locator(".candles-values caption")).to_contain_text("BRAVOUSDT 5m")
        expect(one.locator(".candles-values caption")).to_contain_text("ALFAUSDT 1m")
        one.get_by_role("button", name="Pause").click()
        expect(other.locator("#phase")).to_have_text("Held")
        assert now(one) == now(other)
        # One that comes later catches up from a snapshot.
        with page_at(browser, run.url) as third:
            expect(third.locator("#phase")).to_have_text("Held")
            assert now(third) == now(one)
            assert figure(third, "finals published") == figure(one, "finals published")
            assert third.locator("#count").inner_text() == one.locator("#count").inner_text()


def test_whatever_is_clicked_the_run_folder_is_that_of_replay(
    browser: Browser, tmp_path: Path
) -> None:
    with live(tmp_path, "60") as run:
        with page_at(browser, run.url) as page:
            page.get_by_role("button", name="Pause").click()
            expect(page.locator("#phase")).to_have_text("Held")
            ticks = figure(page, "ticks")
            page.get_by_role("button", name="Step one tick").click()
            expect(page.locator("[data-figure=ticks]")).to_have_text(str(ticks + 1))
            page.get_by_role("button", name="Run to the next finding").click()
            expect(page.locator("#count")).not_to_have_text("No findings")
            expect(page.locator("#phase")).to_have_text("Held")
            page.get_by_role("button", name="Resume").click()
            page.locator("#strip").click(position={"x": 20, "y": 20})
            choose_speed(page, "3600")
            reach(page, "2024-05-15 01")
            # The page is gone in the middle of it.
        run.stop()
    replayed(tmp_path / "plain", tmp_path / "scenario.toml", [ALFA, MINUTES])
    assert contents(run.out) == contents(tmp_path / "plain")


def test_a_browser_that_is_killed_changes_nothing(browser: Browser, tmp_path: Path) -> None:
    with live(tmp_path, "600") as run:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        killed = browser.browser_type.launch(executable_path=path, args=["--no-sandbox"])
        page = killed.new_page()
        page.goto(run.url)
        expect(page.locator(GAP)).to_have_count(1)
        session = killed.new_browser_cdp_session()
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        os.kill(next(one["id"] for one in processes if one["type"] == "browser"), signal.SIGKILL)
        assert run.watched.server.nobody.wait(60)
        run.stop()
    replayed(tmp_path / "plain", tmp_path / "scenario.toml", [ALFA, MINUTES])
    assert contents(run.out) == contents(tmp_path / "plain")


def test_a_page_connects_again_by_itself_and_catches_up(browser: Browser, tmp_path: Path) -> None:
    with live(tmp_path, "max") as run:
        run.thread.join(60)
        server = LiveServer(0, run.watched.pace)
        server.start()
        run.watched.model.phase = "running"
        server.show(run.watched.model)
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator("#count")).not_to_have_text("No findings")
        page.locator("#candles").get_by_label("Interval").select_option("5m")
        expect(page.locator(".candles-values caption")).to_contain_text("ALFAUSDT 5m")
        listed = page.locator("#count").inner_text()
        server.stop()
        expect(page.locator("#notice")).to_have_text("Not connected: trying again.")
        expect(page.locator("#phase")).to_have_text("Not connected")
        again = LiveServer(server.port, run.watched.pace)
        again.start()
        again.show(run.watched.model)
        expect(page.locator("#phase")).to_have_text("Invalid")
        expect(page.locator("#notice")).to_be_hidden()
        expect(page.locator("#count")).to_have_text(listed)
        expect(page.locator(".candles-values caption")).to_contain_text("ALFAUSDT 5m")
        context.close()
        again.stop()


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a run folder but the one that has the clock's values."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "timings.json"]
    assert len(paths) >= 6
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_click_on_the_strip_moves_the_candles(browser: Browser, tmp_path: Path) -> None:
    with live(tmp_path, "max") as run, page_at(browser, run.url) as page:
        expect(page.locator("#phase")).to_have_text("Invalid")
        box = page.locator("#strip").bounding_box()
        assert box is not None
        page.locator("#strip").click(position={"x": box["width"] / 2, "y": 30})
        expect(page.locator(".candles-values caption")).to_contain_text("2024-05-15 12:0")
        page.locator("#strip").focus()
        page.keyboard.press("Home")
        expect(page.locator(".candles-values caption")).to_contain_text("2024-05-15 00:00")
        assert "2024-05-15 00:00:00" in str(page.locator("#strip").get_attribute("aria-valuetext"))


def test_a_click_on_the_strip_shows_what_everything_was_then(
    browser: Browser, tmp_path: Path
) -> None:
    given = '#consumers [data-consumer="completeness"] td:nth-of-type(2)'
    with live(tmp_path, "max") as run, page_at(browser, run.url) as page:
        expect(page.locator("#phase")).to_have_text("Invalid")
        present = page.locator(given).text_content()
        pictured = page.locator("#life").inner_html()
        page.locator("#strip").focus()
        page.keyboard.press("Home")
        page.keyboard.press("PageDown")
        note = page.locator("#consumers-title + .as-of")
        expect(note).to_contain_text("As it was at 2024-05-15 0")
        # The first key's moment is shown until the second one's has come.
        page.wait_for_function(
            "note => !note.textContent.includes(' 00:0')", arg=note.element_handle(), timeout=60_000
        )
        both = "given => [document.querySelector('#consumers-title + .as-of'),"
        both += " document.querySelector(given)].map(one => one.textContent)"
        said, then = page.evaluate(both, given)
        at = said.removeprefix("As it was at ")[11:16]
        # A kline of each minute that was over, and of each five; the last come with the next ones.
        minutes = int(at[:2]) * 60 + int(at[3:])
        assert minutes > 9
        assert 0 <= minutes + minutes // 5 - int(then) <= 2, (at, then)
        assert page.locator("#life").inner_html() != pictured
        expect(page.locator("#ledger")).to_contain_text("on the way")
        page.get_by_role("button", name="Newest").click()
        expect(page.locator(given)).to_have_text(str(present))
        expect(note).to_be_hidden()


def test_it_is_accessible_and_fits(browser: Browser, tmp_path: Path) -> None:
    """Light and dark, on a desktop and a phone, while it runs and when it is over."""
    with live(tmp_path, "600") as run, page_at(browser, run.url) as page:
        expect(page.locator(GAP)).to_have_count(1)
        page.get_by_role("button", name="Pause").click()
        looks(page)
        run.stop()
        expect(page.locator("#phase")).to_have_text("Invalid")
        looks(page)


def looks(page: Page) -> None:
    for scheme, width in (("light", 1280), ("dark", 1280), ("dark", 360), ("light", 360)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 780})
        page.wait_for_timeout(100)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_everything_is_done_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    with live(tmp_path, "600") as run, page_at(browser, run.url) as page:
        expect(page.locator(GAP)).to_have_count(1)
        stops = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            stops.add(
                page.evaluate("document.activeElement.id || document.activeElement.className")
            )
        assert {"pause", "step", "finding", "speed", "strip", "symbol", "found"} <= stops
        assert "candles-picture" in stops
        page.locator("#pause").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#phase")).to_have_text("Held")


def test_hostile_names_are_shown_and_do_nothing(browser: Browser, tmp_path: Path) -> None:
    """Texts of findings come from files; the page sets them as text."""
    with live(tmp_path, "600") as run, page_at(browser, run.url) as page:
        with run.watched.model.lock:
            entries = run.watched.model.findings.entries
            evidence = {"sentence": "<img src=x onerror=alert(1)>"}
            entries.add(Finding("own", "<b>", symbol="<script>", evidence=evidence))
        expect(page.locator("#findings")).to_contain_text("<img src=x onerror=alert(1)>")
        assert page.locator("img").count() == 0
