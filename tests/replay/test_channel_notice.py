"""What a run says of its channels before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from kline_harness.interval import DEFAULT_INTERVALS
from kline_harness.replay.channel_notice import channel_notices
from kline_harness.replay.scenario import Audit, Scenario
from kline_harness.simulation.channels import ChannelOptions

from tests.replays import UM_DAY, replay

SCENARIO = Scenario(intervals=DEFAULT_INTERVALS)


def test_the_first_number_of_symbols_that_is_too_many() -> None:
    """12 intervals: 24 events a symbol and the tick's own; 170 make 4,081, 171 make 4,105."""
    assert channel_notices(SCENARIO, 170) == []
    (told,) = channel_notices(SCENARIO, 171)
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
    assert channel_notices(scenario, 500) == []


def test_the_first_number_of_symbols_whose_finals_are_too_many() -> None:
    """12 intervals: 1,365 symbols end 16,380 klines at midnight, 1,366 end 16,392."""
    roomy = replace(SCENARIO, channels=ChannelOptions(life=65_536))
    assert channel_notices(roomy, 1365) == []
    (told,) = channel_notices(roomy, 1366)
    assert "holds 16,384 klines" in told
    assert "end 16,392 at midnight" in told
    assert "klines = 32768" in told


def test_the_finals_that_are_missed_are_said_and_come_true(tmp_path: Path) -> None:
    """Two symbols of twelve intervals end 24 klines at midnight: 16 are too few, 32 are enough."""
    days = sorted(UM_DAY.glob("*-aggTrades-2024-05-15.zip"))
    for capacity, says in ((16, True), (32, False)):
        small = tmp_path / f"{capacity}.toml"
        small.write_text(f"expectations = false\n[channels]\nklines = {capacity}\n")
        ran = replay(tmp_path / str(capacity), *days, "--scenario", small)
        assert ("notice: the channel of finals holds 16 klines" in ran.output) is says
        assert (ran.check("writer")["verdict"] == "invalid") is says


def test_it_is_said_and_comes_true(tmp_path: Path) -> None:
    """Two symbols of twelve intervals have 49 events at midnight: 32 are too few, 64 are enough."""
    days = sorted(UM_DAY.glob("*-aggTrades-2024-05-15.zip"))
    for capacity, says in ((32, True), (64, False)):
        small = tmp_path / f"{capacity}.toml"
        small.write_text(f"expectations = false\n[channels]\nlife = {capacity}\n")
        ran = replay(tmp_path / str(capacity), *days, "--scenario", small)
        assert ("notice: the lifecycle channel holds 32 events" in ran.output) is says
        assert (ran.check("lifecycle")["verdict"] == "unknown") is says
