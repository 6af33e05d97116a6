"""Findings are words: what a replay and an inspection print of their evidence."""

from __future__ import annotations

import pytest
from kline_harness.finding_text import evidence_text

from tests.replays import ROOT, command

ZOO = ROOT / "fixtures" / "zoo"


def test_evidence_of_every_shape_is_words() -> None:
    evidence = {
        "open_time_ns": 1_715_731_200_000_000_000,
        "silence_ns": 90_000_000_000,
        "BTC_USDT.csv": {"volume": "1.5", "next_row": {"open": "2"}},
        "rows": [{"line": 3, "ids": [7, 8]}, {"line": 4, "ids": []}],
        "days": [],
    }
    assert evidence_text(evidence) == (
        "open time 2024-05-15T00:00:00Z, silence 90 s, "
        "BTC_USDT.csv (volume 1.5, next row (open 2)), "
        "rows (line 3, ids 7 8) (line 4, ids none), days none"
    )


@pytest.mark.parametrize("case", ["time-backwards", "levels-disagree"])
def test_what_an_inspection_shows_is_words(case: str) -> None:
    shown = command("inspect", ZOO / case).output
    assert " (" in shown
    assert not set("{}'") & set(shown)
    assert "time 2024-05-15T" in shown
    assert "_ns" not in shown


def test_what_a_value_is_held_against_stands_with_it() -> None:
    evidence = {"volume": "61.2", "count": 97, "volume_exact": "61.1", "count_exact": 95}
    assert evidence_text(evidence) == "volume: exact 61.1, ours 61.2, count: exact 95, ours 97"
    evidence = {"children": "1m", "low": "5", "low_of_children": "4"}
    assert evidence_text(evidence) == "children 1m, low: shorter klines 4, ours 5"
    # Alone it is a value as any other.
    assert evidence_text({"volume_exact": "61.1"}) == "volume exact 61.1"
