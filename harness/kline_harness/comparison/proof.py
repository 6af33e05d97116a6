"""A proof as data: what was undone, the kline that made, and what it takes to do it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from kline_harness.comparison.causes.straddling_aggregate import neighbours
from kline_harness.comparison.compare import Proof
from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis, texts
from kline_harness.comparison.retention import among
from kline_harness.units import Int64Array, decimal_text


def proof_of(
    case: DifferingKline, state: Hypothesis, chain: Sequence[DifferingKline] = ()
) -> Proof:
    """Return the proof that a state explains a case.

    `causes` holds each cause's evidence, `kline` the recomputed fields, `equal` whether they are
    the exchange's; where equality cannot be asked, `settled` says what the cause rests on, and it
    is consistent, not proved.
    `inputs` is what the trades alone do not tell.
    """
    names = tuple(dict.fromkeys(name for name, _ in state.undone))
    evidence: dict[str, Any] = {
        "causes": [{"cause": name, **detail} for name, detail in state.undone],
        "kline": texts(state.values(case)),
        "equal": state.equals_theirs(case),
    }
    if state.settled is not None:
        evidence["settled"] = dict(state.settled)
    evidence["inputs"] = _inputs(case, chain)
    consistent = state.settled is not None or state.doubt is not None
    return Proof("+".join(names), evidence, consistent, state.doubt)


def _inputs(case: DifferingKline, chain: Sequence[DifferingKline]) -> dict[str, Any]:
    kline, context = case.kline, case.context
    near = [
        list(window)
        for window in context.coverage.windows
        if window[0] <= kline.close_time_ns and window[1] >= kline.open_time_ns
    ]
    refused = case.evidence.plan.refused
    inputs: dict[str, Any] = {
        "compared": list(kline.compared),
        "whole": kline.whole,
        "coverage_ns": near,
        "ids_stated": case.evidence.plan.ids_stated,
        "published_ns": kline.published_ns,
        "late_ids": _near((case, *chain), case.late_ids),
        "refused_ids": _near((case, *chain), refused.other),
    }
    if kline.theirs is not None and kline.ours is not None:
        inputs["row"] = {
            "last": context.row.last,
            "repeated": context.row.repeated,
            "following": texts(context.row.following),
        }
        if context.row.last and context.row.claimed:
            inputs["row"]["claimed"] = True
    if kline.theirs is None:
        inputs["absence"] = asdict(context.absence)
        inputs["states_quiet"] = context.states_quiet
        inputs["omits_quiet"] = context.omits_quiet
    if not kline.whole:
        inputs["busiest"] = {name: decimal_text(value) for name, value in context.busiest.items()}
    inputs["agreed"] = context.agreed.near(kline.open_time_ns, kline.close_time_ns)
    if context.previous_close is not None:
        inputs["previous_close"] = decimal_text(context.previous_close)
    if context.alternatives:
        others = [[one.source, texts(one.values), one.later] for one in context.alternatives]
        inputs["alternatives"] = others
    if chain:
        inputs["chain"] = neighbours(chain)
    return inputs


def _near(cases: Sequence[DifferingKline], ids: Int64Array) -> list[int]:
    """Return those of some ids that the cases' trades have."""
    there = [case.rows.trade_id[among(case.rows.trade_id, ids)] for case in cases]
    found: list[int] = np.unique(np.concatenate(there)).tolist()
    return found
