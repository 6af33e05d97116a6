"""What each fault did to the results, and which findings name it: had effect, detected, missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.checks.partners import (
    NOBODY,
    KeptBySeries,
    StoredBySeries,
    are_repeated,
    equal_rows,
    partner_rows,
)
from kline_harness.checks.stored import stored_rows
from kline_harness.columns import join_instruments, same_rows
from kline_harness.comparison.series_rows import chunks
from kline_harness.comparison.stored import Stored
from kline_harness.faults.consumers import ConsumerFault
from kline_harness.faults.fault import Fault
from kline_harness.faults.record import FaultRecord
from kline_harness.faults.ticks import TickFault
from kline_harness.faults.trades import TradeFault
from kline_harness.kept_klines import KeptKlines
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.ledger import TradeAccount
from kline_harness.run_rows import FaultRow
from kline_harness.simulation.records import ChannelRecord
from kline_harness.units import BoolArray
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "faults"
NOT_CHECKED = ("faults that the harness did not inject itself",)


@dataclass(frozen=True, slots=True)
class Effect:
    """How a run differs from the same run without a fault.

    `klines` published with other fields, missing or extra; `late` published after the grace only
    because of the fault; `stored` rows that differ; `undelivered` values by consumer.
    """

    klines: int = 0
    late: int = 0
    stored: int = 0
    undelivered: int = 0

    @property
    def any(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.klines or self.late or self.stored or self.undelivered)

    def to_dict(self) -> dict[str, int]:
        """Return what is not zero."""
        counts = {
            "klines": self.klines,
            "late": self.late,
            "stored": self.stored,
            "undelivered": self.undelivered,
        }
        return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """One fault of a run: what it changed, what came of it, and the findings that name it."""

    fault: Fault
    record: FaultRecord
    effect: Effect
    detected_by: tuple[str, ...]

    @property
    def missed(self) -> bool:
        """Tell whether it had an effect that no finding names."""
        return self.effect.any and not self.detected_by

    def strikes(self, symbols: Collection[str]) -> bool:
        """Tell whether it strikes one of some symbols: a fault that names no trades strikes all."""
        return bool(symbols) and (
            not self.record.trades or not self.record.trades.keys().isdisjoint(symbols)
        )

    def to_dict(self) -> FaultRow:
        """Return the outcome as a row of run.json."""
        changed = {
            "trades_struck": self.record.trade_count,
            "ticks_struck": len(self.record.ticks_ns),
        }
        return {
            "fault": self.fault.KIND,
            "effect": {name: n for name, n in changed.items() if n} | self.effect.to_dict(),
            "detected_by": list(self.detected_by),
            "had_effect": self.effect.any,
            "from_ns": self.record.from_ns,
            "to_ns": self.record.to_ns,
        }


@dataclass(frozen=True, slots=True)
class Results:
    """What a run came to: the finals published, the rows stored, and what did not arrive."""

    klines: KeptKlines
    stored: Stored
    undelivered: int

    @staticmethod
    def of(klines: KeptKlines, stored: Stored, channels: Iterable[ChannelRecord]) -> Results:
        """Gather the results of a run."""
        lost = (c.published - one.delivered for c in channels for one in c.consumers)
        return Results(klines, stored, sum(lost))


def faults_verdict(outcomes: Iterable[FaultOutcome], uncompared: Collection[str] = ()) -> Verdict:
    """Judge detection: valid if every effect is named by a finding; an effect unseen is a miss.

    Klines that a fault changed are known not to be those of the market. Of `uncompared` symbols
    nothing says which ones, so that the run is in doubt.
    """
    findings, counts = [], {"injected": 0, "had_effect": 0, "detected": 0, "without_effect": 0}
    for outcome in outcomes:
        counts["injected"] += 1
        counts["had_effect" if outcome.effect.any else "without_effect"] += 1
        counts["detected"] += outcome.effect.any and not outcome.missed
        if outcome.missed:
            kind, severity = "missed", Severity.ERROR
        elif outcome.effect.klines and outcome.strikes(uncompared):
            kind, severity = "changed_klines_not_compared", Severity.DOUBT
        elif outcome.effect.any:
            continue
        else:
            kind, severity = "no_effect", Severity.NOTICE
        evidence = {"fault": outcome.fault.KIND, **outcome.to_dict()["effect"]}
        at_ns = outcome.record.from_ns
        findings.append(Finding(CHECK, kind, severity, at_ns=at_ns, evidence=evidence))
    return Verdict.of(CHECK, counts, findings, NOT_CHECKED)


def effect_of(faulty: Results, clean: Results, grace_ns: int) -> Effect:
    """Compare two runs of one scenario, some klines at a time."""
    klines, late = _published(faulty.klines, clean.klines, grace_ns)
    stored = _stored(StoredBySeries(faulty.stored), StoredBySeries(clean.stored))
    undelivered = max(0, faulty.undelivered - clean.undelivered)
    return Effect(klines, late, stored, undelivered)


def _published(ours: KeptKlines, theirs: KeptKlines, grace_ns: int) -> tuple[int, int]:
    """Count the finals that differ or that one side lacks, and those that only ours has late."""
    klines, late, alike = 0, 0, _alike(ours, theirs)
    for number in range(alike):
        found = _counted(ours.piece(number), theirs.piece(number), grace_ns)
        klines, late = klines + found[0], late + found[1]
    if alike == max(ours.blocks, theirs.blocks):
        return klines, late
    ours, theirs = ours.after(alike), theirs.after(alike)
    partner = partner_rows(KeptBySeries(ours), KeptBySeries(theirs))
    klines += len(ours) + len(theirs) - 2 * int(np.count_nonzero(partner != NOBODY))
    start = 0
    for batch in ours.pieces():
        rows = partner[start : start + len(batch)]
        start += len(batch)
        has = rows != NOBODY
        if has.any():
            found = _counted(batch.take(has), theirs.take(rows[has]), grace_ns)
            klines, late = klines + found[0], late + found[1]
    return klines, late


def _alike(ours: KeptKlines, theirs: KeptKlines) -> int:
    """Return how many pieces at the beginning are of the same series and open times."""
    pairs = zip(ours.pieces(), theirs.pieces(), strict=False)
    alike = takewhile(lambda pair: same_rows(*map(_keys, pair)), pairs)
    return sum(1 for _ in alike)


def _keys(batch: KlineBatch) -> KlineBatch:
    """Return rows of which only the series and the open time are left."""
    nothing = np.zeros(len(batch), dtype=np.int8)
    names = set(batch.column_names()) - {"symbol", "interval", "open_time_ns"}
    return batch.with_columns(dict.fromkeys(names, nothing))


def _counted(ours: KlineBatch, theirs: KlineBatch, grace_ns: int) -> tuple[int, int]:
    """Count the pairs that differ, and those of which only ours is late."""
    both = join_instruments([ours, theirs])
    ours, theirs = ours.over(both), theirs.over(both)
    unequal = [getattr(ours, name) != getattr(theirs, name) for name in FIELDS]
    differ = np.any(np.array(unequal, dtype=np.bool_), axis=0)
    late = _late(ours, grace_ns) & ~_late(theirs, grace_ns)
    return int(np.count_nonzero(differ)), int(np.count_nonzero(late))


def _late(table: KlineBatch, grace_ns: int) -> BoolArray:
    late: BoolArray = table.at_ns - table.close_time_ns() > grace_ns
    return late


def _stored(ours: StoredBySeries, theirs: StoredBySeries) -> int:
    """Count the rows that only one side has, whenever and by whatever they were published."""
    partner = partner_rows(ours, theirs)
    equal = equal_rows(ours, theirs, partner, when=False)
    if not are_repeated(ours) and not are_repeated(theirs):
        return len(ours) + len(theirs) - 2 * int(np.count_nonzero(equal))
    # Rows of one open time may have changed places.
    met = np.zeros(len(theirs), dtype=np.bool_)
    met[partner[equal]] = True
    left = _timeless(ours, np.flatnonzero(~equal)), _timeless(theirs, np.flatnonzero(~met))
    return ((left[0] - left[1]) + (left[1] - left[0])).total()


def _timeless(side: StoredBySeries, rows: NDArray[Any]) -> Counter[tuple[Any, ...]]:
    """Count some stored rows without when and by what they were published."""
    some = (side.take(rows[part]) for part in chunks(len(rows)))
    return Counter(row[:-2] for table in some for row in stored_rows(table))


def named_by(
    fault: Fault,
    record: FaultRecord,
    findings: Iterable[Finding],
    accounts: Mapping[str, TradeAccount],
) -> tuple[str, ...]:
    """Return the findings that name a fault's work, as ``check.kind``, each once."""
    ids = {symbol: set(struck) for symbol, struck in record.trades.items()}
    ticks = set(record.ticks_ns)
    detected = set()
    for finding in findings:
        name = f"{finding.check}.{finding.kind}"
        if isinstance(fault, TradeFault):
            struck = ids.get(finding.symbol or "")
            hit = bool(struck) and _names_trade(finding, struck or set(), accounts)
        elif isinstance(fault, TickFault):
            hit = finding.check == "clock" and finding.at_ns is not None
            hit = hit and (finding.at_ns in ticks or name in fault.TOLD_BY)
        elif isinstance(fault, ConsumerFault):
            consumer = finding.evidence.get("consumer", finding.check)
            hit = name in fault.TOLD_BY and consumer == fault.consumer
        else:
            hit = record.acted and name in fault.TOLD_BY
        if hit:
            detected.add(name)
    return tuple(sorted(detected))


def _names_trade(finding: Finding, struck: set[int], accounts: Mapping[str, TradeAccount]) -> bool:
    """Tell whether a finding on the feed, or on the fate of trades, is about one of some ids."""
    evidence = finding.evidence
    if finding.check == "trades":
        account = accounts[finding.symbol or ""]
        return not struck.isdisjoint(account.ids(finding.kind, finding.interval))
    if finding.check != "feed":
        return False
    if evidence.get("trade_id") in struck or evidence.get("previous_id") in struck:
        return True
    if "first_id" in evidence:
        return any(evidence["first_id"] <= one <= evidence["last_id"] for one in struck)
    return False
