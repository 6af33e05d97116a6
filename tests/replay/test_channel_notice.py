"""What a run says of its channels before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from kline_harness.interval import DEFAULT_INTERVALS
from kline_harness.replay.channel_notice import lifecycle_notice
from kline_harness.replay.scenario import Audit, Scenario
from kline_harness.simulation.channels import ChannelOptions

from tests.replays import UM_DAY, replay

SCENARIO = Scenario(intervals=DEFAULT_INTERVALS)


def test_the_first_number_of_symbols_that_is_too_many() -> None:
    """12 intervals: 24 events a symbol and the tick's own; 170 make 4,081, 171 make 4,105."""
    assert lifecycle_notice(SCENARIO, 170) is None
    told = lifecycle_notice(SCENARIO, 171)
    assert told is not None
    assert "holds 4,096 events" in told
    assert "have 4,105 at midnight" in told
    assert "life = 8192" in told


@pytest.mark.parametrize(
    "scenario",
    [
        replace(SCENARIO, audit=Audit.OFF),
        replace(SCENARIO, channels=ChannelOptions(life=16_384)),
        replace(SCENARIO, channels=ChannelOptions(life_published=False)),
    ],
)
def test_nothing_is_said_where_nothing_is_missed(scenario: Scenario) -> None:
    assert lifecycle_notice(scenario, 500) is None


def test_it_is_said_and_comes_true(tmp_path: Path) -> None:
    """Two symbols of twelve intervals have 49 events at midnight: 32 are too few, 64 are enough."""
    days = sorted(UM_DAY.glob("*-aggTrades-2024-05-15.zip"))
    for capacity, says in ((32, True), (64, False)):
        small = tmp_path / f"{capacity}.toml"
        small.write_text(f"expectations = false\n[channels]\nlife = {capacity}\n")
        ran = replay(tmp_path / str(capacity), *days, "--scenario", small)
        assert ("notice: the lifecycle channel holds 32 events" in ran.output) is says
        assert (ran.check("lifecycle")["verdict"] == "unknown") is says
