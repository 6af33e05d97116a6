"""Explains differences: the smallest set of causes that proves, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from kline_harness.comparison.case import Case, Context, State, make_case
from kline_harness.comparison.causes import CAUSES, SET_SIZE_MAX, Cause, proof_states, undone
from kline_harness.comparison.compare import Comparison, Proof, Reference
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.extent import CLOSE_TIME
from kline_harness.comparison.proof import proof_of
from kline_harness.comparison.straddling import Options, solve
from kline_harness.comparison.theirs import Theirs
from kline_harness.comparison.trades_of import Evidence


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What explanations may call upon.

    `evidence`, `coverage` and `undone` (what was kept of the feed as it was before a fault, by
    the fault's name) are by symbol; `references` are those that were compared, in their order.
    """

    evidence: Mapping[str, Evidence]
    coverage: Mapping[str, Coverage]
    references: Sequence[Reference]
    undone: Mapping[str, Sequence[tuple[str, Evidence]]] = field(default_factory=dict)


def explain(found: Comparison, witnesses: Witnesses) -> Comparison:
    """Return the comparison with a proof for every difference that has one."""
    gaps = {symbol: one.runs.gaps() for symbol, one in witnesses.evidence.items()}
    theirs = Theirs(witnesses.references)
    results = []
    for place, result in enumerate(found.series):
        evidence = witnesses.evidence.get(result.symbol)
        if evidence is None or not result.differences:
            results.append(result)
            continue
        windows = witnesses.coverage.get(result.symbol, Coverage(()))
        faults = tuple(witnesses.undone.get(result.symbol, ()))
        cases, able = [], []
        for place_in, kline in enumerate(result.differences):
            if CLOSE_TIME in kline.fields:
                # No trade makes a close time: nothing that happened to trades explains another.
                continue
            able.append(place_in)
            context = Context(
                windows,
                theirs.previous_close(place, kline.open_time_ns),
                tuple(theirs.alternatives(place, kline.open_time_ns)),
                faults,
            )
            cases.append(make_case(kline, evidence, gaps[result.symbol], context))
        differences = list(result.differences)
        for place_in, proof in zip(able, explain_series(cases), strict=True):
            differences[place_in] = replace(differences[place_in], proof=proof)
        results.append(replace(result, differences=tuple(differences)))
    return replace(found, series=tuple(results))


def explain_series(cases: Sequence[Case], causes: Sequence[Cause] = CAUSES) -> list[Proof | None]:
    """Explain the klines of one series, by open time; None for one that cannot be.

    Splits at boundaries come first: they hold for neighbours together, which nothing else has to.
    Then come single causes, splits beside other causes, pairs and triples; of those the smaller
    set wins.
    """
    proofs: list[Proof | None] = [None] * len(cases)
    # Ours must be the kline of the trades it says it applied: else nothing can be told.
    able = [place for place, case in enumerate(cases) if case.start().is_ours(case)]
    able = _split(cases, able, proofs, lambda case: [case.start()])
    left = []
    for place in able:
        case = cases[place]
        state = next(proof_states(case, case.start(), (1,), causes), None)
        if state is None:
            left.append(place)
        else:
            proofs[place] = proof_of(case, state)
    splits = solve([cases[place] for place in left], lambda case: changed(case, (0, 1, 2), causes))
    for number, place in enumerate(left):
        case, split = cases[place], splits.get(number)
        most = SET_SIZE_MAX if split is None else min(SET_SIZE_MAX, len(names(split[0])) - 1)
        state = next(proof_states(case, case.start(), range(2, most + 1), causes), None)
        if state is not None:
            proofs[place] = proof_of(case, state)
        elif split is not None:
            proofs[place] = proof_of(case, *split)
    return proofs


def _split(
    cases: Sequence[Case], places: Sequence[int], proofs: list[Proof | None], options: Options
) -> list[int]:
    """Prove what splits at boundaries prove; return the places that are left."""
    splits = solve([cases[place] for place in places], options)
    for number, split in splits.items():
        proofs[places[number]] = proof_of(cases[places[number]], *split)
    return [place for number, place in enumerate(places) if number not in splits]


def changed(case: Case, sizes: Iterable[int], causes: Sequence[Cause] = CAUSES) -> Iterator[State]:
    """Yield every state of a case with some causes undone that are not settled otherwise."""
    able = [cause for cause in causes if cause.applies(case)]
    for size in sizes:
        for chosen in combinations(able, size):
            for state in undone(case, case.start(), chosen):
                if state.settled is None:
                    yield state


def names(state: State) -> tuple[str, ...]:
    """Return the causes undone, each once, in their order."""
    return tuple(dict.fromkeys(name for name, _ in state.undone))
