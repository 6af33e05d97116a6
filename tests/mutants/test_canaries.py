"""Every canary dies, by the check that has to kill it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kline_harness.canaries.registry import CANARIES, CHECKS
from kline_harness.explore.canary_runs import run_canary
from kline_harness.explore.tables import canary_table


@pytest.mark.parametrize("name", CANARIES)
def test_canary_is_killed_by_its_check(name: str) -> None:
    killing = run_canary(CANARIES[name])
    assert killing.killed, killing.killed_by


def test_every_check_has_canaries_of_its_own() -> None:
    expected = {canary.expected for canary in CANARIES.values() if canary.probe is None}
    assert expected == set(CHECKS)


def test_the_table_of_the_documents_is_up_to_date() -> None:
    table, planted, killed = canary_table()
    text = Path("docs/canaries.md").read_text(encoding="utf-8")
    assert planted == killed
    assert table in text, "run scripts/make_tables"
