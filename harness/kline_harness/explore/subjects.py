"""What is explored, by name: an aggregator of the harness, or one with a planted defect."""

from __future__ import annotations

from dataclasses import replace

from kline_harness.canaries.plant import NOTHING, Plant
from kline_harness.canaries.rare import RARE
from kline_harness.canaries.registry import CANARIES
from kline_harness.errors import UsageError
from kline_harness.replay.scenario import Scenario


def subject(name: str, base: Scenario) -> tuple[Scenario, Plant]:
    """Return the scenario and the plant of a subject.

    ``exact`` and ``klagg`` are aggregators; ``canary:NAME`` and ``rare:NAME`` plant a defect.

    Raises UsageError for a name that does not exist.
    """
    sort, _, defect = name.partition(":")
    if sort == "rare" and defect in RARE:
        return base, RARE[defect]
    if sort == "canary" and defect in CANARIES:
        return base, CANARIES[defect].plant
    if defect:
        known = [f"rare:{one}" for one in RARE] + [f"canary:{one}" for one in CANARIES]
        raise UsageError(f"unknown subject {name!r}: expected one of {', '.join(known)}")
    scenario = replace(base, aggregator=name)
    scenario.make_aggregator(())
    return scenario, NOTHING
