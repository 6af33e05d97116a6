"""Findings of a bulk check: all counted, the first of each kind kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.interval import INTERVALS
from kline_harness.kline import KlineBatch
from kline_harness.verdict import OMITTED, Finding, Severity

FINDINGS_PER_KIND = 1_000


class FindingLog:
    """Collects findings by their position in the stream, whatever order they are found in.

    A defect in every kline would make millions of findings: of each kind the `limit` first by
    position are kept, the rest only counted, and a notice says how many.
    """

    def __init__(self, check: str, limit: int = FINDINGS_PER_KIND) -> None:
        self.check = check
        self.counts: dict[str, int] = {}
        self._limit = limit
        self._kept: dict[str, list[tuple[int, Finding]]] = {}
        self._bound: dict[str, int] = {}

    def add(self, position: int, finding: Finding) -> None:
        """Record one finding."""
        self.counts[finding.kind] = self.counts.get(finding.kind, 0) + 1
        if position < self._bound.get(finding.kind, position + 1):
            self._keep(position, finding)

    def add_rows(
        self,
        kind: str,
        rows: NDArray[np.intp],
        positions: NDArray[Any],
        make: Callable[[int], Finding],
    ) -> None:
        """Record a finding of one kind for each row; `positions` are those of all rows.

        `make` builds the finding of a row and is called only for those that can be kept.
        """
        if len(rows) == 0:
            return
        self.counts[kind] = self.counts.get(kind, 0) + len(rows)
        rows = rows[np.argsort(positions[rows], kind="stable")][: self._limit]
        for row in rows.tolist():
            position = int(positions[row])
            if position >= self._bound.get(kind, position + 1):
                break
            self._keep(position, make(row))

    def _keep(self, position: int, finding: Finding) -> None:
        kept = self._kept.setdefault(finding.kind, [])
        kept.append((position, finding))
        if len(kept) >= 2 * self._limit:
            kept.sort(key=_position)
            del kept[self._limit :]
            self._bound[finding.kind] = kept[-1][0]

    def findings(self) -> list[Finding]:
        """Return the kept findings in the order of the stream, then what was left out."""
        merged: list[tuple[int, Finding]] = []
        # A lag lies before the row delivered at its position.
        for kind in sorted(self._kept, key=lambda kind: (kind != "lagged", kind)):
            merged += sorted(self._kept[kind], key=_position)[: self._limit]
        merged.sort(key=_position)
        return [finding for _, finding in merged] + list(self._omissions())

    def _omissions(self) -> list[Finding]:
        omitted = {
            kind: count - min(count, self._limit)
            for kind, count in sorted(self.counts.items())
            if count > self._limit
        }
        if not omitted:
            return []
        return [Finding(self.check, OMITTED, Severity.NOTICE, evidence=omitted)]


def kline_finding(
    check: str,
    kind: str,
    klines: KlineBatch,
    row: int,
    evidence: Mapping[str, Any],
    severity: Severity = Severity.ERROR,
) -> Finding:
    """Return a finding about one row of klines."""
    return Finding(
        check,
        kind,
        severity,
        klines.symbol_text(row),
        INTERVALS[int(klines.interval[row])].text,
        int(klines.open_time_ns[row]),
        int(klines.at_ns[row]),
        evidence,
    )


def _position(entry: tuple[int, Finding]) -> int:
    return entry[0]
