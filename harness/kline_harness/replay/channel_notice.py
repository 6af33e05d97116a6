"""What is known of a run's channels before it begins."""

from __future__ import annotations

from kline_harness.replay.scenario import Audit, Scenario
from kline_harness.simulation.broadcast import rounded_capacity


def lifecycle_notice(scenario: Scenario, symbols: int) -> str | None:
    """Say that the lifecycle channel is too small for so many symbols, and what it would take.

    At midnight one tick ends a kline of each symbol and interval and begins the next: two events
    for each, and the tick's own, at one instant, before any receiver runs.
    """
    channels = scenario.channels
    if scenario.audit is not Audit.FULL or not channels.life_published:
        return None
    events = 2 * symbols * len(scenario.intervals) + 1
    capacity, takes = rounded_capacity(channels.life), rounded_capacity(events)
    if events <= capacity:
        return None
    return (
        f"the lifecycle channel holds {capacity:,} events, and {symbols:,} symbols of "
        f"{len(scenario.intervals)} intervals have {events:,} at midnight: its checker will miss "
        f"events, which leaves the verdict unknown; a scenario with [channels] life = {takes} "
        "would hold them, --audit off does without the checker"
    )
