"""What shorter intervals have settled, to which the longer ones of the same trades are held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kline_harness.comparison.compare import Proof


@dataclass(frozen=True, slots=True)
class Split:
    """A part of an aggregate on the other side of a boundary; see `straddling.Flow`."""

    boundary_ns: int
    trade_id: int
    count: int
    quantity: Decimal
    into_next: bool


@dataclass(slots=True)
class Agreed:
    """The splits by boundary, the trades after which files were saved, by id, and proved causes."""

    splits: dict[int, Split] = field(default_factory=dict)
    saved_after: list[int] = field(default_factory=list)
    proved: set[str] = field(default_factory=set)

    def learn(self, proofs: Sequence[Proof | None]) -> None:
        """Take what the explanations of a series have settled."""
        for proof in proofs:
            if proof is not None and not proof.consistent:
                self.proved.update(proof.cause.split("+"))
            for one in () if proof is None else proof.evidence["causes"]:
                self._learn(one)

    def _learn(self, evidence: Mapping[str, Any]) -> None:
        if evidence["cause"] == "straddling_aggregate":
            self.splits.setdefault(
                evidence["boundary_ns"],
                Split(
                    evidence["boundary_ns"],
                    evidence["aggregate_id"],
                    evidence["moved_raw_trades"],
                    Decimal(evidence["moved_quantity"]),
                    evidence["moved_into_next"],
                ),
            )
        after = evidence.get("saved_after_id")
        if after is not None and after not in self.saved_after:
            self.saved_after.append(after)

    def near(self, start_ns: int, end_ns: int) -> dict[str, Any]:
        """Return as data what concerns a time, its boundaries included."""
        splits = [
            [s.boundary_ns, s.trade_id, s.count, f"{s.quantity:f}", s.into_next]
            for s in self.splits.values()
            if start_ns <= s.boundary_ns <= end_ns
        ]
        return {
            "splits": splits,
            "saved_after": list(self.saved_after),
            "proved": sorted(self.proved),
        }

    @staticmethod
    def of(stored: Mapping[str, Any]) -> Agreed:
        """Take what `near` returned."""
        splits = [Split(a, b, c, Decimal(d), e) for a, b, c, d, e in stored["splits"]]
        by_boundary = {one.boundary_ns: one for one in splits}
        return Agreed(by_boundary, list(stored["saved_after"]), set(stored["proved"]))
