"""Quiet, lost or silent: what trade ids and the other symbols say of klines without trades."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kline_harness.checks.stretches import (
    SILENCE_MIN_NS,
    Silences,
    Stretch,
    absent,
    halted,
    lost,
    silent,
)
from kline_harness.comparison.compare import Comparison, ReferenceKlines
from kline_harness.comparison.retention import among
from kline_harness.comparison.series_rows import distinct
from kline_harness.comparison.stored import Stored
from kline_harness.id_rule import IdRule, are_too_many
from kline_harness.interval import Interval, parse_interval
from kline_harness.tape import Tape
from kline_harness.trade_ids import Gap, Gaps, IdBook, IdRuns
from kline_harness.units import BoolArray, Int64Array
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "continuity"
NOT_CHECKED = (
    "trades before the first and after the last recorded one",
    "sources without raw trade ids",
)
_COUNTS = ("quiet", "id_gaps", "missing_ids", "lost_stretches", "lost_klines", "silences")
_SHOWN = 20
_NAMED = 3
_TOO_MUCH = "insurance fund and ADL trades, which use up an id each, do not make such gaps"
_NO_RULES: Mapping[str, IdRule] = {}
_NO_TIMES: Int64Array = np.empty(0, dtype=np.int64)


class ContinuityWatch:
    """Watches the feed's trades: which ids are missing and when nothing traded at all."""

    def __init__(self) -> None:
        self._ids = IdBook()
        self._silences = Silences()
        self._claimed: tuple[int, int] | None = None

    def add(self, tape: Tape) -> None:
        """Take the next chunk, in the order of the feed."""
        self._ids.add(tape)
        self._silences.add(tape)

    def verdict(
        self,
        stored: Stored,
        intervals: Sequence[Interval],
        comparison: Comparison | None = None,
        references: Sequence[ReferenceKlines] = (),
        unnumbered: Collection[str] = (),
        claimed: tuple[int, int] | None = None,
        rules: Mapping[str, IdRule] = _NO_RULES,
    ) -> Verdict:
        """Judge klines without trades by the ids around them.

        Contiguous ids: quiet, only counted. Missing ids: the klines are made of nothing, an
        error unless every one of them is identical to the exchange's; that a difference is
        explained, be it by these very ids, does not bring the trades back. One id alone stays
        in doubt: a fund trade uses one up and is in no kline. Missing ids between
        trades of neighbouring klines are a doubt unless klines that are identical to the
        exchange's lie over them, or the symbol's source leaves such ids out by its own `rules`
        (without one as archives of futures), in which case many single ones are a doubt.
        Of `unnumbered` symbols, whose source states no ids, quiet and lost look alike, and no id
        is known to be missing. `claimed` is the time that the files' names claim: the silences
        at its edges count too.
        """
        self._claimed = claimed
        counts = dict.fromkeys(_COUNTS, 0)
        findings: list[Finding] = []
        known = _Known(comparison, references)
        for symbol, runs in sorted(self._ids.runs.items()):
            gaps = runs.gaps()
            interval = _finest(stored, symbol, intervals)
            quiet = _NO_TIMES if interval is None else stored.quiet_opens_ns(symbol, interval.text)
            counts["quiet"] += len(quiet)
            if symbol in unnumbered and len(quiet):
                findings.append(_not_stated(symbol, len(quiet)))
            counts["id_gaps"] += len(gaps)
            counts["missing_ids"] += gaps.missing
            if len(gaps):
                stated = rules.get(symbol, IdRule.FUND_TRADES)
                rule = IdRule.UNKNOWN if symbol in unnumbered else stated
                findings.append(_missing(symbol, gaps, runs, known.cleared(symbol, gaps), rule))
            for gap, opens in _lost(gaps, quiet):
                assert interval is not None
                counts["lost_stretches"] += 1
                counts["lost_klines"] += len(opens)
                findings.append(_lost_stretch(symbol, interval, gap, opens, known))
        counts["quiet"] -= counts["lost_klines"]
        counts["symbols"] = len(self._ids.runs)
        counts["silences"] = len(self._silences.within(claimed))
        findings += self._silent()
        return Verdict.of(CHECK, counts, findings, NOT_CHECKED)

    def stretches(
        self,
        judged: Verdict,
        stored: Stored,
        intervals: Sequence[Interval],
        references: Sequence[ReferenceKlines] = (),
        unnumbered: Collection[str] = (),
    ) -> list[Stretch]:
        """Return where klines without trades are halted, lost or silent; all others are quiet.

        `judged` is the verdict on the same klines. One symbol alone is quiet, not silent.
        """
        found = list(lost(judged.findings))
        counted: dict[str, list[ReferenceKlines]] = {symbol: [] for symbol in self._ids.runs}
        for one in references:
            # Sources without counts leave quiet klines out as well.
            if "count" in one.fields and len(one.rows):
                counted.setdefault(one.symbol, []).append(one)
        for symbol, runs in self._ids.runs.items():
            interval = _finest(stored, symbol, intervals)
            windows = absent(counted[symbol])
            if windows and interval is not None and symbol not in unnumbered:
                found += halted(symbol, windows, stored, interval, runs)
            if len(self._ids.runs) > 1:
                found += silent(symbol, counted[symbol], self._silences.within(self._claimed))
        return sorted(found, key=lambda one: (one.symbol, one.from_ns, one.why.value))

    def _silent(self) -> Iterator[Finding]:
        found = self._silences.within(self._claimed)
        if not found:
            return
        evidence: dict[str, Any] = {
            "symbols": len(self._ids.runs),
            "stretches": len(found),
            "longer_than_ns": SILENCE_MIN_NS,
            "longest_ns": max(end - start for start, end in found),
            "first_stretches": [list(stretch) for stretch in found[:_SHOWN]],
        }
        yield Finding(CHECK, "feed_silent", Severity.NOTICE, at_ns=found[0][0], evidence=evidence)


class _Known:
    """What the exchange's files say of single klines."""

    def __init__(
        self, comparison: Comparison | None, references: Sequence[ReferenceKlines]
    ) -> None:
        # By symbol and interval: one symbol is asked for at a time, and there may be many.
        self._opens: dict[str, dict[str, Int64Array]] = {}
        self._differing: dict[str, dict[str, Int64Array]] = {}
        series = () if comparison is None else comparison.series
        for result, reference in zip(series, references, strict=True):
            if "count" not in reference.fields:
                continue
            text = result.interval.text
            differing = [d.open_time_ns for d in result.differences]
            for book, times in (
                (self._opens, reference.rows.opens_ns()),
                (self._differing, np.array(differing, dtype=np.int64)),
            ):
                mine = book.setdefault(result.symbol, {})
                known = mine.get(text, _NO_TIMES)
                mine[text] = np.union1d(known, times) if len(known) else distinct(times)

    def clears(self, symbol: str, interval: Interval, opens: Int64Array) -> bool:
        """Tell whether every kline is as the exchange has it.

        So it is where a longer kline around it is, for that has the same trades.
        """
        for text, known in self._opens.get(symbol, {}).items():
            frame = parse_interval(text)
            if interval.refines(frame):
                wider = frame.open_times_ns(opens)
                if np.all(among(wider, known) & ~among(wider, self._differing[symbol][text])):
                    return True
        return False

    def cleared(self, symbol: str, gaps: Gaps) -> BoolArray:
        """Mark the gaps over which every kline of some interval is as the exchange has it."""
        found = np.zeros(len(gaps), dtype=np.bool_)
        low, high = np.minimum(gaps.from_ns, gaps.to_ns), np.maximum(gaps.from_ns, gaps.to_ns)
        for text, known in self._opens.get(symbol, {}).items():
            frame = parse_interval(text)
            if frame.length_ns is None or len(known) == 0:
                continue
            differing = self._differing[symbol][text]
            differing = differing[among(differing, known)]
            first, last = frame.open_times_ns(low), frame.open_times_ns(high)
            there = _between(known, first, last) - _between(differing, first, last)
            found |= there == (last - first) // frame.length_ns + 1
        return found


def _between(times: Int64Array, first: Int64Array, last: Int64Array) -> Int64Array:
    """Count the times from each first to each last one."""
    return np.searchsorted(times, last, side="right") - np.searchsorted(times, first)


def _finest(stored: Stored, symbol: str, intervals: Sequence[Interval]) -> Interval | None:
    return next((i for i in intervals if (symbol, i.text) in stored.rows), None)


def _lost(gaps: Gaps, quiet: Int64Array) -> Iterator[tuple[Gap, Int64Array]]:
    """Yield each gap of ids with the klines without trades that lie over it."""
    low, high = np.minimum(gaps.from_ns, gaps.to_ns), np.maximum(gaps.from_ns, gaps.to_ns)
    first = np.searchsorted(quiet, low, side="right")
    stop = np.searchsorted(quiet, high, side="left")
    rows = np.flatnonzero(stop > first)
    for row, gap in zip(rows.tolist(), gaps.take(rows), strict=True):
        yield gap, quiet[first[row] : stop[row]]


def _not_stated(symbol: str, quiet: int) -> Finding:
    evidence = {"quiet_klines": quiet}
    return Finding(CHECK, "ids_not_stated", Severity.NOTICE, symbol, evidence=evidence)


def _missing(symbol: str, gaps: Gaps, runs: IdRuns, cleared: BoolArray, rule: IdRule) -> Finding:
    """Tell of missing ids; `cleared` gaps have identical klines over them."""
    explained = gaps.explained_by(rule)
    lost = ~cleared & ~explained
    many = are_too_many(int(np.count_nonzero(explained & ~cleared)), runs.count())
    if many and rule is not IdRule.UNKNOWN:
        lost = ~cleared
    is_doubt = bool(lost.any())
    reason = "every kline over them is as the exchange has it"
    if is_doubt:
        why = rule.value if rule is not IdRule.FUND_TRADES else _TOO_MUCH
        reason = f"{why}, and no identical kline of the exchange's shows that nothing was lost"
    elif not cleared.all():
        reason = rule.value
    evidence = {
        "sentence": f"{_named(gaps, lost if is_doubt else ~lost)}; {reason}",
        "reason": reason,
        "gaps": len(gaps),
        "missing_ids": gaps.missing,
        "first_gaps": [gap.to_dict() for gap in gaps.first(_SHOWN)],
    }
    severity = Severity.DOUBT if is_doubt else Severity.NOTICE
    return Finding(CHECK, "missing_trade_ids", severity, symbol, evidence=evidence)


def _named(gaps: Gaps, first: BoolArray) -> str:
    """Say how many ids are missing, and name the `first` of them."""
    some = gaps.take(np.flatnonzero(first)[:_NAMED])
    ids = [f"{g.after_id + 1}{f' to {g.before_id - 1}' if g.missing > 1 else ''}" for g in some]
    if len(gaps) > len(some):
        ids.append(f"{len(gaps) - len(some):,} more gaps")
    many = "id is" if gaps.missing == 1 else "ids are"
    return f"{gaps.missing:,} trade {many} missing ({', '.join(ids)})"


def _lost_stretch(
    symbol: str, interval: Interval, gap: Gap, opens: Int64Array, known: _Known
) -> Finding:
    cleared = known.clears(symbol, interval, opens)
    severity = Severity.NOTICE if cleared else Severity.ERROR
    if severity is Severity.ERROR and gap.missing == 1:
        severity = Severity.DOUBT
    evidence = {
        **gap.to_dict(),
        "flat_klines": len(opens),
        "last_open_time_ns": int(opens[-1]),
        "identical_to_exchange": cleared,
    }
    return Finding(
        CHECK, "lost_stretch", severity, symbol, interval.text, int(opens[0]), evidence=evidence
    )
