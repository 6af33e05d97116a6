"""Of some findings only the first are kept: what is printed tells how many there were."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from kline_harness.checks import channels

from tests.replays import UM_DAY, replay


def test_a_kind_with_two_severities_is_counted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel of one final loses klines to the writer (errors) and to the audit (doubts)."""
    small = tmp_path / "small.toml"
    small.write_text("expectations = false\n[channels]\nklines = 1\n")
    days = sorted(UM_DAY.glob("*-aggTrades-2024-05-15.zip"))
    whole = replay(tmp_path / "whole", *days, "--scenario", small)
    counts = Counter((one["kind"], one["severity"]) for one in whole.findings())
    lost = counts["klines_lost", "error"]
    assert lost == counts["klines_lost", "doubt"] > 200
    assert _told(whole.output) == {(lost - 3, lost, "all")}
    monkeypatch.setattr(channels, "_RUNS_TOLD", 100)
    cut = replay(tmp_path / "cut", *days, "--scenario", small)
    assert _told(cut.output) == {(lost - 3, lost, "100 of them")}
    assert cut.exit_code == whole.exit_code == 1


def _told(output: str) -> set[tuple[int, int, str]]:
    lines = re.findall(r"and ([\d,]+) more of channels klines_lost \(([\d,]+); (.*) in ", output)
    assert len(lines) == 2
    return {(int(more), int(total), where) for more, total, where in lines}
