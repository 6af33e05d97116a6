"""Every replay that any test runs must balance its ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import settings
from kline_harness.ledger import Equation, judge
from kline_harness.replay import finished_run
from kline_harness.verdict import Verdict

# How long an example takes says more of the machine than of the code.
settings.register_profile("suite", settings(), deadline=None)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker for tests whose replays lose something on purpose."""
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
