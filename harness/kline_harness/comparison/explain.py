"""Explains differences: the smallest set of causes that fits, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from kline_harness.comparison.agreed import Agreed
from kline_harness.comparison.budget import within_budget
from kline_harness.comparison.causes.registry import (
    CAUSES,
    SET_SIZE_MAX,
    UNRECORDED,
    Cause,
    proof_states,
    undone,
)
from kline_harness.comparison.causes.straddling_aggregate import Options, solve
from kline_harness.comparison.causes.trade_kinds import KindOfTrade
from kline_harness.comparison.compare import Comparison, Proof, ReferenceKlines, SeriesResult
from kline_harness.comparison.contradictions import without_contradicted
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.differing_kline import (
    DifferingKline,
    Hypothesis,
    KlineContext,
    make_case,
)
from kline_harness.comparison.exchange_rows import ExchangeRows
from kline_harness.comparison.extent import CLOSE_TIME
from kline_harness.comparison.grounds import with_bearing
from kline_harness.comparison.habits import of_one_habit
from kline_harness.comparison.proof import proof_of
from kline_harness.comparison.retained_trades import RetainedTrades
from kline_harness.trade_ids import Gaps


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What explanations may call upon.

    `evidence`, `coverage` and `undone` (what was kept of the feed as it was before a fault, by
    the fault's name) are by symbol; `references` are those that were compared, in their order.
    """

    evidence: Mapping[str, RetainedTrades]
    coverage: Mapping[str, Coverage]
    references: Sequence[ReferenceKlines]
    undone: Mapping[str, Sequence[tuple[str, RetainedTrades]]] = field(default_factory=dict)


def explain(found: Comparison, witnesses: Witnesses) -> Comparison:
    """Return the comparison with an explanation for every difference that has one.

    What rests on trades that nobody saw is not believed where the exchange's klines of another
    interval contradict it.
    """
    gaps = {symbol: one.runs.gaps() for symbol, one in witnesses.evidence.items()}
    theirs = ExchangeRows(witnesses.references)
    results = list(found.series)
    agreed = {symbol: Agreed() for symbol in witnesses.evidence}
    # What a short interval settles holds for the longer ones.
    for place in sorted(range(len(results)), key=lambda n: results[n].interval.length_ns or 2**63):
        result = results[place]
        if result.differences and result.symbol in witnesses.evidence:
            known = agreed[result.symbol]
            cases = list(_cases(place, result, witnesses, gaps[result.symbol], theirs, known))
            proofs = explain_series(cases)
            opens = theirs.opens(place)
            proofs = of_one_habit(result, cases, proofs, opens)
            known.learn(proofs)
            explained = zip((case.kline for case in cases), proofs, strict=True)
            # A row can be there twice, so klines are distinguished as objects.
            proof_of_kline = {id(kline): proof for kline, proof in explained}
            differences = tuple(
                replace(kline, proof=proof_of_kline.get(id(kline))) for kline in result.differences
            )
            results[place] = replace(result, differences=differences)
    return with_bearing(without_contradicted(replace(found, series=tuple(results)), theirs))


def _cases(
    place: int,
    result: SeriesResult,
    witnesses: Witnesses,
    gaps: Gaps,
    theirs: ExchangeRows,
    agreed: Agreed,
) -> Iterator[DifferingKline]:
    """Yield the differences of a series with all that is known of each."""
    windows = witnesses.coverage.get(result.symbol, Coverage(()))
    faults = tuple(witnesses.undone.get(result.symbol, ()))
    for kline in result.differences:
        if CLOSE_TIME in kline.fields:
            # No trade makes a close time: nothing that happened to trades explains another.
            continue
        open_ns, absent = kline.open_time_ns, kline.theirs is None
        context = KlineContext(
            windows, theirs.previous_close(place, open_ns), undone=faults, agreed=agreed
        )
        # A file may lack the row that another one has.
        context = replace(context, alternatives=tuple(theirs.alternatives(place, open_ns)))
        if absent:
            absence, quiet = theirs.absence(place, open_ns), theirs.states_quiet(place)
            omits = theirs.omits_quiet(place)
            context = replace(context, absence=absence, states_quiet=quiet, omits_quiet=omits)
        else:
            context = replace(context, row=theirs.row_place(place, open_ns))
        if not kline.whole:
            context = replace(context, busiest=theirs.busiest(place, open_ns))
        if not kline.whole or gaps.touching(open_ns, kline.close_time_ns):
            context = replace(context, prices=theirs.price_range(place, open_ns))
        yield make_case(kline, witnesses.evidence[result.symbol], gaps, context)


def explain_series(
    cases: Sequence[DifferingKline], causes: Sequence[Cause] = CAUSES
) -> list[Proof | None]:
    """Explain the klines of one series, by open time; None for one that cannot be.

    Splits at boundaries come first: they hold for neighbours together, which nothing else has to.
    Then come single causes, splits together with other causes, and sets of causes; of those the
    smaller set wins.
    """
    proofs: list[Proof | None] = [None] * len(cases)
    # Ours must be the kline of the trades it says it applied: else no cause can be tried.
    able = [place for place, case in enumerate(cases) if case.start().is_ours(case)]
    able = _split(cases, able, proofs, lambda _, start: [start])
    left = []
    for place in able:
        case = cases[place]
        able_alone = [cause for cause in causes if cause not in UNRECORDED or not _counted(case)]
        state = next(proof_states(case, case.start(), (1,), able_alone), None)
        if state is None:
            left.append(place)
        else:
            proofs[place] = proof_of(case, state)
    splits = _splits_with_causes(cases, able, left, proofs, causes)
    for place in left:
        case, split = cases[place], splits.get(place)
        most = SET_SIZE_MAX if split is None else min(SET_SIZE_MAX, len(names(split[0])) - 1)
        state = next(proof_states(case, case.start(), range(2, most + 1), causes), None)
        if state is not None:
            proofs[place] = proof_of(case, state)
        elif split is not None:
            proofs[place] = proof_of(case, *split)
    return within_budget(cases, proofs)


def _split(
    cases: Sequence[DifferingKline],
    places: Sequence[int],
    proofs: list[Proof | None],
    options: Options,
) -> list[int]:
    """Prove what splits at boundaries prove; return the places that are left."""
    splits = solve([cases[place] for place in places], options)
    for number, split in splits.items():
        proofs[places[number]] = proof_of(cases[places[number]], *split)
    return [place for number, place in enumerate(places) if number not in splits]


def _splits_with_causes(
    cases: Sequence[DifferingKline],
    able: Sequence[int],
    left: Sequence[int],
    proofs: list[Proof | None],
    causes: Sequence[Cause],
) -> dict[int, tuple[Hypothesis, tuple[DifferingKline, ...]]]:
    """Return the splits that explain what is `left`, by place, together with other causes.

    A neighbour that an excess explains alone can be part of a split too: it is explained so then.
    """
    needed = {cases[place].kline.open_time_ns for place in left}
    pool = {cases[p].kline.open_time_ns: p for p in able if p in left or _unrecorded(proofs[p])}
    near = _near([cases[place] for place in pool.values()], needed)
    unrecorded = [cause for cause in causes if cause in UNRECORDED]
    found = solve(near, lambda case, start: changed(case, start, (0, 1, 2), causes), unrecorded)
    splits = {
        pool[near[number].kline.open_time_ns]: split
        for number, split in found.items()
        if any(member.kline.open_time_ns in needed for member in split[1])
    }
    for place, split in splits.items():
        if proofs[place] is not None:
            proofs[place] = proof_of(cases[place], *split)
    return splits


def _near(cases: Sequence[DifferingKline], needed: set[int]) -> list[DifferingKline]:
    """Return the cases of those runs of neighbours that hold a needed one."""
    runs: list[list[DifferingKline]] = []
    for case in cases:
        if runs and runs[-1][-1].kline.close_time_ns == case.kline.open_time_ns:
            runs[-1].append(case)
        else:
            runs.append([case])
    return [
        case for run in runs if any(one.kline.open_time_ns in needed for one in run) for case in run
    ]


def _counted(case: DifferingKline) -> bool:
    """Tell whether a trade is inside of a kind that a shorter interval has proved to differ.

    What is left over then is not known before these are undone.
    """
    kinds = [
        kind
        for cause in CAUSES
        if isinstance(cause, KindOfTrade) and cause.name in case.context.agreed.proved
        for kind in cause.kinds
    ]
    return bool(kinds) and bool(np.any(case.inside & np.isin(case.rows.kind, kinds)))


def _unrecorded(proof: Proof | None) -> bool:
    """Tell whether an explanation rests on trades that nobody saw."""
    unrecorded = {name for cause in UNRECORDED for name in cause.name.split("+")}
    return proof is not None and bool(unrecorded & set(proof.cause.split("+")))


def changed(
    case: DifferingKline, start: Hypothesis, sizes: Iterable[int], causes: Sequence[Cause] = CAUSES
) -> Iterator[Hypothesis]:
    """Yield every state of a case with some causes undone that are not settled otherwise."""
    able = [cause for cause in causes if cause.applies(case)]
    for size in sizes:
        for chosen in combinations(able, size):
            for state in undone(case, start, chosen):
                if state.settled is start.settled:
                    yield state


def names(state: Hypothesis) -> tuple[str, ...]:
    """Return the causes undone, each once, in their order."""
    return tuple(dict.fromkeys(name for name, _ in state.undone))
