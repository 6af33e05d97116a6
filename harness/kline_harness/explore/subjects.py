"""What is explored: an aggregator by its name, or with parts that stand in for a run's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kline_harness.replay.assembly import NONE, Substitutions
from kline_harness.replay.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Explored:
    """An aggregator by its `name`; `substitutions` are for trying the search on broken parts."""

    name: str
    substitutions: Substitutions = NONE

    def scenario(self, base: Scenario) -> Scenario:
        """Return a scenario of this subject.

        Raises UsageError for an aggregator that does not exist.
        """
        if self.substitutions != NONE:
            return base
        # Tables of another aggregator's own say nothing of this one.
        own = base.subject if base.aggregator == self.name else None
        scenario = replace(base, aggregator=self.name, subject=own)
        scenario.make_aggregator(())
        return scenario
