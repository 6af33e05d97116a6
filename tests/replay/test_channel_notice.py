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


@pytest.mark.parametrize(
    ("channel", "said", "capacities", "check", "verdict"),
    [
        # Two symbols of twelve intervals end 24 klines at midnight, and have 49 events.
        ("klines", "the channel of finals holds 16 klines", (16, 32), "writer", "invalid"),
        ("life", "the lifecycle channel holds 32 events", (32, 64), "lifecycle", "unknown"),
    ],
)
def test_what_will_be_missed_is_said_and_comes_true(
    channel: str, said: str, capacities: tuple[int, int], check: str, verdict: str, tmp_path: Path
) -> None:
    days = sorted(UM_DAY.glob("*-aggTrades-2024-05-15.zip"))
    for capacity, says in zip(capacities, (True, False), strict=True):
        small = tmp_path / f"{capacity}.toml"
        small.write_text(f"expectations = false\n[channels]\n{channel} = {capacity}\n")
        ran = replay(tmp_path / str(capacity), *days, "--scenario", small)
        assert (f"notice: {said}" in ran.output) is says
        assert (ran.check(check)["verdict"] == verdict) is says
