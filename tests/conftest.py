"""Every replay that any test runs must balance its ledger; one browser for all that need one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from kline_harness.ledger import Equation, judge
from kline_harness.replay import finished_run
from kline_harness.verdict import Verdict
from playwright.sync_api import Browser, expect, sync_playwright

# How long an example takes says more of the machine than of the code. The suite draws the same
# examples each time, so that a red run is a change's; `--hypothesis-profile=search` draws others.
settings.register_profile("suite", settings(), deadline=None, derandomize=True)
settings.register_profile("search", settings(), deadline=None, derandomize=False)
settings.load_profile("suite")
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker for tests whose replays lose something on purpose; let programs be ended.

    The width of this terminal, which the readline library puts into the environment of every
    program that is started, is none that a user asked for. What runs in the background ignores
    Ctrl-C, and so would every program that it starts; a signal that is caught has its default
    there. Source: execve(2).
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
        os.unsetenv(name)
    config.addinivalue_line("markers", "unbalanced: a replay's ledger does not balance, as planned")


@pytest.fixture(autouse=True)
def ledgers(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[list[Equation]]]:
    """Collect the ledger of every replay, and assert after the test that each balances."""
    seen: list[list[Equation]] = []

    def judged(equations: Iterable[Equation]) -> Verdict:
        seen.append(list(equations))
        return judge(seen[-1])

    monkeypatch.setattr(finished_run, "judge", judged)
    yield seen
    if request.node.get_closest_marker("unbalanced") is None:
        wrong = [equation for one in seen for equation in one if not equation.balanced]
        assert wrong == [], "a replay's ledger does not balance"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium, the one at CHROMIUM or Debian's.

    There can be one of its drivers in a process: a second one finds the loop of the first.
    """
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not Path(path).exists():
        pytest.skip(f"no Chromium at {path}: name one in CHROMIUM")
    with sync_playwright() as playwright:
        # What a page comes to on a busy machine it comes to later.
        expect.set_options(timeout=120_000)
        chromium = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield chromium
        chromium.close()
