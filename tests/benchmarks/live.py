"""A replay at full speed with its live page open in a browser, and without: the same run, timed.

    python -m tests.benchmarks.live [--trades 3000000] [--rounds 5] [--symbols 1]

Both are watched, and held until the page is there: what is timed is from the moment that time may
pass to the end of the replay, report included. Rounds of both kinds take turns.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from kline_harness.live.watched import Watched
from kline_harness.replay import replay
from kline_harness.replay.assembly import Substitutions
from kline_harness.replay.scenario import Scenario
from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks.day import write_day


def timed(files: list[Path], out: Path, browser: Browser | None) -> tuple[float, float]:
    """Return how long the replay took once it might begin, and its CPU, the server's included."""
    with Watched("max", 0, held=True, opens=False) as watched:
        ended: list[tuple[float, float]] = []

        def run() -> None:
            replay(
                Scenario(),
                files,
                [],
                out,
                command="kline-harness replay",
                substitutions=Substitutions(feed=watched.pace.pieces),
                watch=watched.observer,
            )
            ended.append((time.perf_counter(), time.process_time()))

        thread = threading.Thread(target=run)
        thread.start()
        with page_of(browser, watched.server.url):
            # The worker of the expectations is ready by then in both.
            time.sleep(8)
            begin, cpu = time.perf_counter(), time.process_time()
            loop = watched.pace.loop
            assert loop is not None
            loop.call_soon_threadsafe(watched.pace.resume)
            thread.join()
    return ended[0][0] - begin, ended[0][1] - cpu


@contextmanager
def page_of(browser: Browser | None, url: str) -> Iterator[None]:
    """Open the page, where there is a browser; at the end it must have come as far as the run."""
    if browser is None:
        yield
        return
    page = browser.new_page()
    page.goto(url)
    yield
    page.wait_for_timeout(300)
    shown = page.locator("#now").inner_text()
    assert shown >= "2024-05-15 23:59:59", shown
    page.close()


def main() -> None:
    """Print both times and their quotient."""
    parser = argparse.ArgumentParser()
    trades = int(os.environ.get("BENCH_TRADES", 3_000_000))
    parser.add_argument("--trades", type=int, default=trades)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    folder = Path(os.environ.get("BENCH_DIR", ".benchmarks"))
    files = [write_day(folder, given.trades)]
    found: dict[str, list[tuple[float, float]]] = {"without": [], "with": []}
    with sync_playwright() as playwright, TemporaryDirectory() as out:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        for number in range(given.rounds):
            for name, one in (("without", None), ("with", browser)):
                took, cpu = timed(files, Path(out) / f"{name}-{number}", one)
                found[name].append((took, cpu))
                print(f"{name:8} {took:6.2f} s, {cpu:6.2f} s of CPU", flush=True)
        browser.close()
    for place, what in enumerate(("s", "s of CPU")):
        without, shown = (sorted(one[place] for one in found[name]) for name in found)
        for word, choose in (("median", median), ("least", min)):
            quotient = choose(shown) / choose(without)
            print(f"{word} {choose(without):.2f} and {choose(shown):.2f} {what}: {quotient:.2f}")


if __name__ == "__main__":
    main()
