"""What is known of a run's channels before it begins."""

from __future__ import annotations

from kline_harness.replay.scenario import Audit, Scenario
from kline_harness.simulation.broadcast import rounded_capacity
from kline_harness.simulation.channels import BROADCAST


def channel_notices(scenario: Scenario, symbols: int) -> list[str]:
    """Say which channels are too small for so many symbols, and what it would take.

    At midnight one tick ends a kline of each symbol and interval and begins the next, at one
    instant, before any receiver runs: that is one final and two events for each, and the event of
    the tick itself.
    """
    channels, notices = scenario.channels, []
    finals = symbols * len(scenario.intervals)
    events = 2 * finals + 1
    who = f"{symbols:,} symbols of {len(scenario.intervals)} intervals"
    held, takes = rounded_capacity(channels.klines), rounded_capacity(finals)
    if channels.design == BROADCAST and finals > held:
        notices.append(
            f"the channel of finals holds {held:,} klines, and {who} end {finals:,} at midnight: "
            "its consumers will miss klines, which leaves the run invalid; a scenario with "
            f"[channels] klines = {takes} would hold them"
        )
    held, takes = rounded_capacity(channels.life), rounded_capacity(events)
    if scenario.audit is Audit.FULL and channels.life_published and events > held:
        notices.append(
            f"the lifecycle channel holds {held:,} events, and {who} have {events:,} at midnight: "
            "its checker will miss events, which leaves the verdict unknown; a scenario with "
            f"[channels] life = {takes} would hold them, --audit off does without the checker"
        )
    return notices
