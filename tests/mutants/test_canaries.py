"""Every canary dies, by the check that has to kill it."""

from __future__ import annotations

import pytest

from harness.canaries.registry import CANARIES, CHECKS
from harness.explore.canary_runs import run_canary


@pytest.mark.parametrize("name", CANARIES)
def test_canary_is_killed_by_its_check(name: str) -> None:
    killing = run_canary(CANARIES[name])
    assert killing.killed, killing.killed_by


def test_every_check_has_canaries_of_its_own() -> None:
    expected = {canary.expected for canary in CANARIES.values() if canary.probe is None}
    assert expected == set(CHECKS)
