"""A run against its case and its baseline: every difference is a problem that names itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kline_harness.comparison.compare import Comparison, Difference, text_of
from kline_harness.gate.canonical import digest, escape, fields_of, time_text
from kline_harness.gate.days import Days
from kline_harness.gate.results import Problem, ProblemKind
from kline_harness.gate.snapshot import CASE, COUNTERS, DAY, DIFFERENCE, DIGEST, INPUT, Snapshot
from kline_harness.gate.suite import SuiteCase
from kline_harness.kline import FIELDS
from kline_harness.nouns import counted
from kline_harness.replay import Outcome
from kline_harness.verdict import Validity

_KINDS = {
    CASE: ProblemKind.VERDICT,
    COUNTERS: ProblemKind.COUNTER,
    DIFFERENCE: ProblemKind.DIFFERENCE,
    INPUT: ProblemKind.INPUT,
}
_NO_PAIRS: Mapping[str, str] = {}
_NOT_ALLOWED = ", which the case does not allow"
_EDITED = "the baseline's klines are not those of its own digest, so it was edited"


def judge_expectations(
    case: SuiteCase, validity: Validity, sentence: str, comparison: Comparison | None
) -> Iterator[Problem]:
    """Hold a run or a comparison to what its case expects, baseline aside: verdict and causes.

    What would allow a cause is said once.
    """
    if validity is not case.verdict:
        yield Problem(
            ProblemKind.VERDICT,
            f"verdict {validity.value}, expected {case.verdict.value}: {sentence}",
            before=case.verdict.value,
            now=validity.value,
        )
    comparison = comparison or Comparison()
    said: set[str] = set()
    for difference in comparison.differences:
        if difference.proof is None and case.verdict is not Validity.INVALID:
            cause = f"none found ({difference.category.value})"
            yield from _against_exchange(difference, ProblemKind.EXCHANGE, cause, "")
        elif difference.proof is not None:
            # Several causes together are joined; each has to be allowed.
            word = difference.category.value
            causes = difference.proof.cause.split("+")
            refused = [c for c in causes if not {c, f"{word}:{c}"} & set(case.allow)]
            if refused:
                cause = f"{difference.proof.cause} ({word})"
                kind = ProblemKind.EXPLANATION
                for problem in _against_exchange(difference, kind, cause, _NOT_ALLOWED):
                    if said.issuperset(refused):
                        yield problem
                        continue
                    said.update(refused)
                    message = f"{problem.message} (allow = {json.dumps(refused)} would)"
                    yield replace(problem, message=message)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What today's aggregator makes of the baseline's versions of the inputs.

    `catalogued` says whether the inputs are the catalogue's; `klines` is None where the versions
    are not kept, or nothing asks for them.
    """

    catalogued: bool = False
    klines: Days | None = None

    def input_changed(self, names: Iterable[str]) -> str:
        """Say that some inputs are other ones."""
        what = "the archive" if self.catalogued else "the input"
        return f"{what} changed: input {', '.join(names)} is not the baseline's"


def changed_inputs(before: Snapshot, now: Snapshot, role: str = "trades") -> tuple[str, ...]:
    """Return the names of files of trades, or of klines, that are not the baseline's."""
    old, new = before.words(INPUT), now.words(INPUT)
    return tuple(
        sorted(
            " ".join(name)
            for name in old.keys() | new.keys()
            if old.get(name) != new.get(name)
            and role in (old.get(name, _NO_PAIRS).get("role"), new.get(name, {}).get("role"))
        )
    )


def judge_baseline(
    before: Snapshot, now: Snapshot, outcome: Outcome, earlier: Earlier
) -> Iterator[Problem]:
    """Hold a run to its baseline: klines first, then what else is not the same."""
    causes = _Causes.of(before, now, outcome.comparison, earlier)
    yield from _both_changed(before, causes)
    yield from _only_theirs(before, now, causes)
    yield from _klines(before, now, causes)
    order = (CASE, DIFFERENCE, DAY, "series", COUNTERS, INPUT)
    keys = before.figures.keys() | now.figures.keys()
    for key in sorted(keys, key=lambda key: (order.index(key.split(" ")[0]), key)):
        yield from _figure(key, before.figures.get(key), now.figures.get(key))


def _named(difference: Difference) -> str:
    """Return the class of a difference, and its cause if it has one."""
    proof, word = difference.proof, difference.category.value
    return word if proof is None else f"{word}, cause {proof.cause}"


def _against_exchange(
    difference: Difference, kind: ProblemKind, cause: str, hint: str
) -> Iterator[Problem]:
    """Yield a problem for each field in which a kline is not the exchange's."""
    symbol, interval = difference.symbol, difference.interval.text
    open_time = time_text(difference.open_time_ns)
    place = f"{symbol} {interval} {open_time}"
    ours, theirs = difference.ours, difference.theirs
    if ours is None or theirs is None:
        lacking, having = ("ours", "exchange") if ours is None else ("exchange", "ours")
        message = f"{place}: {having} has this kline, {lacking} has not; cause: {cause}{hint}"
        yield Problem(kind, message, symbol, interval, open_time, cause=cause)
        return
    for name in difference.fields:
        before, after = text_of(name, theirs[name]), text_of(name, ours[name])
        message = f"{place} {name}: exchange {before}, ours {after}; cause: {cause}{hint}"
        yield Problem(kind, message, symbol, interval, open_time, name, before, after, cause)


@dataclass(frozen=True, slots=True)
class _Causes:
    """What is known of why a kline changed.

    `inputs` are files that are not the baseline's; `differing` what a kline is against the
    exchange's; `compared` the series of which every kline was compared.
    """

    inputs: tuple[str, ...] = ()
    differing: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    compared: frozenset[tuple[str, str]] = frozenset()
    earlier: Earlier = field(default_factory=Earlier)

    @staticmethod
    def of(
        before: Snapshot, now: Snapshot, comparison: Comparison | None, earlier: Earlier
    ) -> _Causes:
        found = comparison or Comparison()
        differing = {
            (escape(d.symbol), d.interval.text, time_text(d.open_time_ns)): (_named(d))
            for d in found.differences
        }
        compared = frozenset(
            (escape(series.symbol), series.interval.text)
            for series in found.series
            if series.uncompared == 0
        )
        # The exchange's files do not make our klines.
        return _Causes(changed_inputs(before, now), differing, compared, earlier)

    @property
    def input_changed(self) -> str:
        return self.earlier.input_changed(self.inputs)

    def why(self, place: tuple[str, str, str], edited: bool, was: str | None) -> str:
        if edited:
            reason = _EDITED
        elif self.inputs:
            reason = self._of_another_input(place, was)
        else:
            reason = "our output changed: the same inputs now give another result"
        against = self.differing.get(place)
        if against is None:
            against = "identical" if place[:2] in self.compared else "not compared"
        return f"{reason}; against the exchange's: {against}"

    def _of_another_input(self, place: tuple[str, str, str], was: str | None) -> str:
        """Tell the archive's change from ours by what the baseline's versions give today."""
        if self.earlier.klines is None:
            return f"{self.input_changed}, and its version is not kept: our output may have too"
        symbol, interval, open_time = place
        day = self.earlier.klines.get(f"{symbol},{interval},{open_time[:10]}", ())
        again = [line for line in day if line.split(",", 3)[2] == open_time]
        if again == ([] if was is None else [was]):
            return f"{self.input_changed}, whose version still gives the baseline's kline"
        return (
            f"our output changed: the baseline's version of {', '.join(self.inputs)} now gives "
            "another kline too"
        )


def _both_changed(before: Snapshot, causes: _Causes) -> Iterator[Problem]:
    """Tell of our own changes where the archive changed too, and so may hide them."""
    again = causes.earlier.klines
    if again is None or again == before.klines:
        return
    changed = 0
    for day in before.klines.keys() | again.keys():
        odd = set(before.klines.get(day, ())) ^ set(again.get(day, ()))
        changed += len({line.rsplit(",", len(FIELDS))[0] for line in odd})
    message = (
        f"both changed: {causes.input_changed}, and our output of the baseline's version is "
        f"another one in {counted(changed, 'kline')}"
    )
    yield Problem(ProblemKind.KLINE, message, cause=message)


def _only_theirs(before: Snapshot, now: Snapshot, causes: _Causes) -> Iterator[Problem]:
    """Tell of other klines of the exchange where ours are as they were."""
    names = changed_inputs(before, now, "klines")
    if names and before.klines == now.klines:
        message = (
            f"{causes.earlier.input_changed(names)}; it holds the exchange's klines, and ours are "
            "the baseline's"
        )
        yield Problem(ProblemKind.INPUT, message, cause=message)


def _klines(before: Snapshot, now: Snapshot, causes: _Causes) -> Iterator[Problem]:
    digests = {",".join(key): pairs.get(DIGEST) for key, pairs in before.words(DAY).items()}
    for day in sorted(before.klines.keys() | now.klines.keys()):
        symbol, interval, date = day.split(",")
        old, new = before.klines.get(day), now.klines.get(day)
        place = f"{symbol} {interval} {date}"
        stated = digests.get(day)
        if old == new:
            if new is not None and stated != digest(new):
                message = (
                    f"{place}: baseline digest {stated}, but its klines and this run's have "
                    f"{digest(new)}; cause: {_EDITED}"
                )
                yield Problem(ProblemKind.BASELINE, message, symbol, interval, cause=_EDITED)
        elif old is None or new is None:
            yield _whole_day(place, old, new, stated)
        else:
            edited = stated != digest(old)
            yield from _day(symbol, interval, old, new, edited, causes)


def _whole_day(
    place: str, old: tuple[str, ...] | None, new: tuple[str, ...] | None, stated: str | None
) -> Problem:
    """Tell of a day that only one side has klines of."""
    symbol, interval, _ = place.split(" ")
    if old is None and stated is not None:
        message = f"{place}: baseline digest {stated}, but the baseline has no klines of this day"
        return Problem(ProblemKind.BASELINE, message, symbol, interval, cause=_EDITED)
    counts = [counted(len(lines), "kline") if lines else "none" for lines in (old, new)]
    message = f"{place}: baseline {counts[0]}, now {counts[1]}"
    return Problem(ProblemKind.KLINE, message, symbol, interval, before=counts[0], now=counts[1])


def _day(
    symbol: str,
    interval: str,
    old: Iterable[str],
    new: Iterable[str],
    edited: bool,
    causes: _Causes,
) -> Iterator[Problem]:
    """Yield a problem for each kline of a day that is not there twice, field by field."""
    before, now = _by_open_time(old), _by_open_time(new)
    for open_time, nth in sorted(before.keys() | now.keys()):
        was, is_ = before.get((open_time, nth)), now.get((open_time, nth))
        if was == is_:
            continue
        cause = causes.why((symbol, interval, open_time), edited, was)
        place = f"{symbol} {interval} {open_time}" + (f" (copy {nth + 1})" if nth else "")
        if was is None or is_ is None:
            words = ("no such kline", "one") if was is None else ("a kline", "none")
            message = f"{place}: baseline {words[0]}, now {words[1]}; cause: {cause}"
            yield Problem(ProblemKind.KLINE, message, symbol, interval, open_time, cause=cause)
            continue
        left, right = fields_of(was), fields_of(is_)
        for name in FIELDS:
            if left[name] != right[name]:
                message = (
                    f"{place} {name}: baseline {left[name]}, now {right[name]}; cause: {cause}"
                )
                place_of = (symbol, interval, open_time, name)
                yield Problem(ProblemKind.KLINE, message, *place_of, left[name], right[name], cause)


def _by_open_time(lines: Iterable[str]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for line in lines:
        open_time, nth = line.split(",", 3)[2], 0
        while (open_time, nth) in found:
            nth += 1
        found[open_time, nth] = line
    return found


def _figure(
    key: str, before: Mapping[str, str] | None, now: Mapping[str, str] | None
) -> Iterator[Problem]:
    """Yield a problem for a line that is not the same; a day's digest is the klines' matter."""
    if before == now:
        return
    word, *places = key.split(" ")
    kind = _KINDS.get(word, ProblemKind.FIGURE)
    where = dict(zip(("symbol", "interval", "open_time"), places, strict=False))
    if word == DAY:
        where.pop("open_time")
    elif word not in (DIFFERENCE, "series"):
        where = {}
    name = " ".join(places) if word not in (CASE, COUNTERS) else ""
    label = f"{word} {name}".strip()
    if before is None or now is None:
        side = "not in the baseline" if before is None else "only in the baseline"
        shown = ", ".join(f"{k} {v}" for k, v in (now or before or {}).items())
        yield Problem(kind, f"{label}: {side}: {shown}", **where)
        return
    cause = now.get("cause") or before.get("cause")
    end = f"; cause: {cause}" if cause and kind is ProblemKind.DIFFERENCE else ""
    side = "exchange's " if kind is ProblemKind.DIFFERENCE else ""
    for pair in [*before, *(name for name in now if name not in before)]:
        old, new = before.get(pair), now.get(pair)
        if old == new or (word == DAY and pair == DIGEST):
            continue
        absent = "as ours" if kind is ProblemKind.DIFFERENCE else "none"
        message = f"{label}: {side}{pair}: baseline {old or absent}, now {new or absent}{end}"
        yield Problem(kind, message, **where, field=pair, before=old, now=new, cause=cause)
