"""The names of aggregators: the exact one's, and those that packages register."""

from __future__ import annotations

from importlib.metadata import entry_points

GROUP = "kline_harness.aggregators"
EXACT = "exact"


def expected_names() -> str:
    """Say what the name of an aggregator can be; those registered are asked for by their names."""
    known = sorted({EXACT, *(one.name for one in entry_points(group=GROUP))})
    return f"{', '.join(known)}, module:Class, file.py:Class or process:COMMAND"
