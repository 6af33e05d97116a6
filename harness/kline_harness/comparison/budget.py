"""What several klines of one series may rest on together, be it possible for each alone."""

from __future__ import annotations

from collections.abc import Sequence

from kline_harness.comparison.compare import Proof
from kline_harness.comparison.differing_kline import DifferingKline
from kline_harness.trade_ids import Gap

_LOST = "missing_trade_ids"
_FORMING = "forming_row"


def within_budget(
    cases: Sequence[DifferingKline], proofs: Sequence[Proof | None]
) -> list[Proof | None]:
    """Return the explanations of one series' klines, by open time, that hold together.

    A missing id explains one trade, once. A file is saved once, so one row of it can have been
    forming: its last one, if any, else the only one that would be.
    """
    return _rows_saved_once(cases, _ids_used_once(cases, proofs))


def _ids_used_once(
    cases: Sequence[DifferingKline], proofs: Sequence[Proof | None]
) -> list[Proof | None]:
    """Give each missing id to one kline, those first that can wait the least."""
    left: dict[Gap, int] = {}
    kept = list(proofs)
    for place, (case, proof) in enumerate(zip(cases, proofs, strict=True)):
        needed = 0 if proof is None else _needed(proof)
        for gap in sorted(case.gaps, key=lambda gap: (max(gap.from_ns, gap.to_ns), gap.after_id)):
            taken = min(needed, left.setdefault(gap, gap.missing))
            left[gap] -= taken
            needed -= taken
        if needed:
            kept[place] = None
    return kept


def _needed(proof: Proof) -> int:
    """Return how many missing ids an explanation takes; at an edge nobody can say."""
    causes = proof.evidence["causes"]
    if any(one["cause"] == "edge" for one in causes):
        return 0
    lost = [one for one in causes if one["cause"] == _LOST and "unrecorded_volume" in one]
    return sum(int(one.get("unrecorded_count", 1)) for one in lost)


def _rows_saved_once(
    cases: Sequence[DifferingKline], proofs: Sequence[Proof | None]
) -> list[Proof | None]:
    forming = [
        place
        for place, proof in enumerate(proofs)
        if proof is not None and _FORMING in proof.cause.split("+")
    ]
    last = [place for place in forming if cases[place].context.row.last]
    believed = last or (forming if len(forming) == 1 else [])
    return [
        None if place in forming and place not in believed else proof
        for place, proof in enumerate(proofs)
    ]
