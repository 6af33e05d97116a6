"""Defects counted by kind, with the first few of each kept."""

from __future__ import annotations

from typing import Any

from kline_harness.inspection.kinds import KINDS
from kline_harness.verdict import Finding

EXAMPLES_MAX = 5


class Tally:
    """Counts what an inspection meets; memory does not grow with it."""

    def __init__(self, check: str, symbol: str | None = None, interval: str | None = None) -> None:
        self._check = check
        self._symbol = symbol
        self._interval = interval
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[dict[str, Any]]] = {}

    def add(self, kind: str, count: int, *examples: dict[str, Any]) -> None:
        """Count a defect so many times; `examples` show some of them, numbers and text only."""
        if count:
            self._counts[kind] = self._counts.get(kind, 0) + count
            kept = self._examples.setdefault(kind, [])
            kept.extend(examples[: EXAMPLES_MAX - len(kept)])

    def room(self, kind: str) -> int:
        """Return how many more examples of a kind will be kept."""
        return EXAMPLES_MAX - len(self._examples.get(kind, ()))

    def count(self, kind: str) -> int:
        """Return how often a kind was counted."""
        return self._counts.get(kind, 0)

    def findings(self) -> tuple[Finding, ...]:
        """Return a finding for each kind met, in the order of `KINDS`."""
        return tuple(self._finding(kind) for kind in KINDS if kind in self._counts)

    def _finding(self, kind: str) -> Finding:
        examples = self._examples[kind]
        first_open = examples[0].get("open_time_ns") if examples else None
        return Finding(
            self._check,
            kind,
            KINDS[kind].severity,
            self._symbol,
            self._interval,
            first_open,
            evidence={"count": self._counts[kind], "examples": examples},
        )
