"""After a simulation: the trades that differences, late trades and mismatches are about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np

from kline_harness.arrow import int64_of
from kline_harness.comparison.bins import diagnosed
from kline_harness.comparison.compare import Comparison, Difference, ReferenceKlines
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.differing_kline import (
    TRADES_SHOWN,
    DifferingKline,
    Hypothesis,
    KlineContext,
    make_case,
    trade_evidence,
)
from kline_harness.comparison.explain import Witnesses, explain
from kline_harness.comparison.pairs import compare
from kline_harness.comparison.retained_trades import RetainedTrades, TradeCollector
from kline_harness.comparison.retention import Refused, RetentionPlan, among, retention_plan
from kline_harness.comparison.row_numbers import with_rows
from kline_harness.comparison.series_rows import opens_ns
from kline_harness.comparison.stored import Stored
from kline_harness.comparison.trades_within import with_trades
from kline_harness.interval import parse_interval
from kline_harness.kline import FIELDS
from kline_harness.ledger import TradeAccount
from kline_harness.tape import Tape, TradeKind
from kline_harness.verdict import Finding, Severity, Verdict

MISMATCH = "cross_interval_mismatch"
RECONCILED = "cross_interval_late"
FAULTS = "faults and outages"
# The same rule among the expectations.
LOWER_KLINES = "equals_lower_klines"


@dataclass(slots=True)
class PostRun:
    """What is known after a run, and of its trades those that matter, read a second time.

    The second pass over the trades happens only where something has to be explained, and a third
    one, for the trades of what could not be, only where something was not.
    """

    stored: Stored
    accounts: Mapping[str, TradeAccount]
    comparison: Comparison | None = None
    references: Sequence[ReferenceKlines] = ()
    evidence: Mapping[str, RetainedTrades] = field(default_factory=dict)
    _apart: list[Finding] = field(default_factory=list)

    @staticmethod
    def of(
        stored: Stored,
        accounts: Mapping[str, TradeAccount],
        references: Sequence[ReferenceKlines],
        coverage: Mapping[str, Coverage],
        mismatches: Iterable[Finding],
        reread: Callable[[], Iterator[tuple[Tape, Tape]]],
        *,
        faulty: bool,
        unnumbered: Collection[str] = (),
        fields: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
        exact: bool = False,
    ) -> PostRun:
        """Compare with the references, if any, and explain what differs.

        `reread` gives the trades as the aggregator got them, each time with those that it would
        have got, had none been kept from it; only if `faulty` they are not the same. The source
        of `unnumbered` symbols states no trade ids. `fields` are those that a series of ours
        states, where it does not state all. References that are `exact` klines of the same trades
        are not looked into for other rules.
        """
        after = PostRun(stored, accounts, references=references)
        if references:
            after.comparison = compare(stored, references, coverage, fields)
        klines = [] if after.comparison is None else after.comparison.differences
        klines += [kline for finding in mismatches if (kline := _kline(finding)) is not None]
        plans, by_symbol = {}, dict[str, list[Difference]]()
        for kline in klines:
            by_symbol.setdefault(kline.symbol, []).append(kline)
        for symbol, account in sorted(accounts.items()):
            mine = by_symbol.get(symbol, [])
            refused = Refused.of(account)
            if mine or refused.any():
                one = retention_plan(mine, refused, stored)
                plans[symbol] = replace(one, ids_stated=symbol not in unnumbered)
        if not plans:
            return after
        after.evidence, before = _collected(plans, reread(), faulty=faulty)
        if after.comparison is not None:
            undone = {symbol: [(FAULTS, kept)] for symbol, kept in before.items()}
            witnesses = Witnesses(after.evidence, coverage, references, undone)
            explained = explain(after.comparison, witnesses)
            kept_out = {symbol: one.refused for symbol, one in plans.items()}
            if not exact:
                explained = diagnosed(
                    explained, references, lambda: (given for given, _ in reread()), stored
                )
            found = with_trades(explained, kept_out, (given for given, _ in reread()))
            after.comparison = with_rows(found, unnumbered)
        return after

    def late_evidence(self, symbol: str, interval: str, ids: Sequence[int]) -> dict[str, Any]:
        """Return late trades as data: how long after their kline was final each arrived."""
        kept = self.evidence.get(symbol)
        if kept is None:
            return {}
        listed = np.unique(np.array(ids, dtype=np.int64))
        late = among(kept.rows.trade_id, listed) & (kept.rows.kind == TradeKind.MARKET)
        rows = np.flatnonzero(late)
        lateness = kept.rows.arrival_ns[rows] - self._final_ns(symbol, interval, kept.rows, rows)
        shown = trade_evidence(kept.rows, rows)
        return {
            "first_trades": shown["first_trades"],
            "lateness_ns": lateness[:TRADES_SHOWN].tolist(),
            "lateness_max_ns": int(lateness.max()) if len(lateness) else 0,
        }

    def _final_ns(self, symbol: str, interval: str, trades: Tape, rows: Any) -> Any:
        """Return when each trade's kline was published: its close time where it never was."""
        frame = parse_interval(interval)
        opens = frame.open_times_ns(trades.event_time_ns[rows])
        final = frame.close_times_ns(trades.event_time_ns[rows])
        table = self.stored.series(symbol, interval, ("open_time", "finalized_at"))
        if table.num_rows == 0:
            return final
        ours = opens_ns(table)
        published = int64_of(table["finalized_at"])
        place = np.minimum(np.searchsorted(ours, opens), len(ours) - 1)
        return np.where(ours[place] == opens, published[place], final)

    def reconciled(self, verdict: Verdict) -> Verdict:
        """Return a verdict whose mismatches that late trades make up are notices naming them.

        A higher kline has the trades that were late only for the lower ones: it must be made of
        its own trades, the roll-up of the lower ones of the same without the late.
        """
        kinds = [finding.kind for finding in verdict.findings]
        if kinds.count(MISMATCH) != verdict.counts.get(MISMATCH, kinds.count(MISMATCH)):
            # Some were only counted: nobody can say what they are.
            return verdict
        findings = [
            self._reconcile(finding) if finding.kind == MISMATCH else finding
            for finding in verdict.findings
        ]
        apart = [finding for finding in findings if finding.kind == RECONCILED]
        named = len(apart)
        if not named:
            return verdict
        if all(finding.kind != MISMATCH for finding in findings):
            self._apart += apart
        counts = dict(verdict.counts)
        counts[MISMATCH] = counts.get(MISMATCH, named) - named
        counts[RECONCILED] = named
        return Verdict.of(verdict.check, counts, findings, verdict.not_checked)

    def reconciled_expectations(self, verdict: Verdict) -> Verdict:
        """Return the verdict of the expectations with the same mismatches as notices.

        Only where the streaming audit found as many and every one of them is made up of late
        trades; `reconciled` comes first.
        """
        findings = []
        for finding in verdict.findings:
            place = (finding.symbol, finding.interval, finding.open_time_ns)
            known = [(one.symbol, one.interval, one.open_time_ns) for one in self._apart]
            same = finding.evidence.get("unexpected_count") == len(known) and place in known
            if finding.kind == LOWER_KLINES and same:
                ids = [t["id"] for one in self._apart for t in one.evidence["first_trades"]]
                evidence = {**finding.evidence, "late_ids": sorted(set(ids))[:TRADES_SHOWN]}
                finding = replace(finding, severity=Severity.NOTICE, evidence=evidence)
            findings.append(finding)
        return Verdict.of(verdict.check, verdict.counts, findings, verdict.not_checked)

    def _reconcile(self, finding: Finding) -> Finding:
        kline, kept = _kline(finding), self.evidence.get(finding.symbol or "")
        if kline is None or kept is None:
            return finding
        case = make_case(kline, kept, kept.runs.gaps(), KlineContext())
        lower = kept.plan.refused.late.get(str(finding.evidence["children"]))
        own = case.start()
        if lower is None:
            return finding
        missed = own.included & among(own.rows.trade_id, lower) & case.inside
        if not missed.any() or not _holds(finding, case, own, missed):
            return finding
        evidence = {**finding.evidence, **trade_evidence(own.rows, missed)}
        return replace(finding, kind=RECONCILED, severity=Severity.NOTICE, evidence=evidence)


def _collected(
    plans: Mapping[str, RetentionPlan], pairs: Iterable[tuple[Tape, Tape]], *, faulty: bool
) -> tuple[dict[str, RetainedTrades], dict[str, RetainedTrades]]:
    """Collect what the plans name, and, if `faulty`, the same of all that could have been given."""
    alone = {
        symbol: replace(one, refused=Refused(duplicate=one.refused.duplicate))
        for symbol, one in plans.items()
    }
    given, whole = TradeCollector(plans), TradeCollector(alone if faulty else {})
    for got, could_have in pairs:
        given.add(got)
        whole.add(could_have)
    return given.evidence(), whole.evidence()


def _holds(finding: Finding, case: DifferingKline, own: Hypothesis, missed: Any) -> bool:
    """Tell whether a mismatch is the missed trades and nothing else, in all nine fields."""
    whole = own.values(case)
    parts = replace(own, included=own.included & ~missed).values(case)
    if whole is None or parts is None:
        return False
    for name in FIELDS:
        if name not in finding.evidence:
            if whole[name] != parts[name]:
                return False
            continue
        stated = (finding.evidence[name], finding.evidence[f"{name}_of_children"])
        if (whole[name], parts[name]) != tuple(Decimal(text) for text in stated):
            return False
    return True


def _kline(finding: Finding) -> Difference | None:
    """Return the kline that a finding is about, to collect its trades."""
    if finding.symbol is None or finding.interval is None or finding.open_time_ns is None:
        return None
    interval = parse_interval(finding.interval)
    close_ns = interval.close_time_ns(finding.open_time_ns)
    return Difference(
        finding.symbol,
        interval,
        finding.open_time_ns,
        close_ns,
        None,
        None,
        (),
        (),
        whole=True,
        source="",
        published_ns=finding.at_ns,
    )
