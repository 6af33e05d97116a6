"""Trades of a kind that a source counts or leaves out: in every kline alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kline_harness.comparison.causes.registry import CAUSES
from kline_harness.comparison.causes.trade_kinds import KindOfTrade
from kline_harness.comparison.compare import Proof, SeriesResult
from kline_harness.comparison.differing_kline import DifferingKline
from kline_harness.tape import TradeKind
from kline_harness.units import Int64Array


def of_one_habit(
    result: SeriesResult,
    cases: Sequence[DifferingKline],
    proofs: Sequence[Proof | None],
    opens: Int64Array,
) -> list[Proof | None]:
    """Return the explanations of one series, in doubt where other klines of it deny them.

    One that rests on a kind of trade that the exchange counts, or leaves out, is denied by a
    kline with such a trade that is equal as it is. `opens` are the exchange's open times.
    """
    found = list(proofs)
    for cause in CAUSES:
        if not isinstance(cause, KindOfTrade):
            continue
        places = [n for n, proof in enumerate(proofs) if proof is not None and _has(proof, cause)]
        if not places or "count" not in cases[places[0]].kline.compared:
            continue
        kinds = {kind for place in places for kind in _kinds(proofs[place], cause)}
        others = _equal_with(result, cases[places[0]], kinds, opens)
        if others:
            doubt = f"{others:,} of its klines with such trades are equal without it"
            for place in places:
                proof = found[place]
                if proof is not None:
                    found[place] = replace(proof, consistent=True, doubt=proof.doubt or doubt)
    return found


def _has(proof: Proof, cause: KindOfTrade) -> bool:
    return cause.name in proof.cause.split("+")


def _kinds(proof: Proof | None, cause: KindOfTrade) -> set[TradeKind]:
    """Return the kinds of trades that an explanation by a cause is about."""
    causes = () if proof is None else proof.evidence["causes"]
    listed = [one.get("first_trades", ()) for one in causes if one["cause"] == cause.name]
    return {TradeKind[trade["kind"]] for trades in listed for trade in trades}


def _equal_with(
    result: SeriesResult, case: DifferingKline, kinds: set[TradeKind], opens: Int64Array
) -> int:
    """Return how many klines of both sides with a trade of some kinds are equal as they are."""
    times, kind = case.evidence.odd
    mine = np.unique(result.interval.open_times_ns(times[np.isin(kind, list(kinds))]))
    differing = np.array([one.open_time_ns for one in result.differences], dtype=np.int64)
    return int(np.count_nonzero(np.isin(mine, opens) & ~np.isin(mine, differing)))
