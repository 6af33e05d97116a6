"""The one place that wires a run: scenario and files in, outcome and run folder out."""

from __future__ import annotations

from kline_harness.replay.run import Outcome, replay
from kline_harness.replay.scenario import Audit, Scenario

__all__ = ["Audit", "Outcome", "Scenario", "replay"]
