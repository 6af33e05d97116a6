"""Checks that are no consumers: what became of the trades, and how they were received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kline_harness.ledger import TradeAccount
from kline_harness.replay.explaining import Aftermath
from kline_harness.simulation.feed import Reception
from kline_harness.verdict import Finding, Severity, Verdict

_IDS_SHOWN = 20


def trades_verdict(
    accounts: Mapping[str, TradeAccount],
    after: Aftermath,
    touching: Sequence[Mapping[str, Any]] = (),
) -> Verdict:
    """Tell which trades are in no kline, or not in every interval's.

    `touching` are files without trade ids that meet at one instant (`Numbering.touching`).
    """
    findings = [
        Finding("trades", "files_meet_without_ids", Severity.DOUBT, pair["symbol"], evidence=pair)
        for pair in touching
    ]
    counts = {"received": 0, "late": 0, "duplicate": 0, "rejected": 0, "unmapped": 0}
    for symbol, account in accounts.items():
        counts["received"] += account.received
        classes = {"duplicate": account.duplicate, "unmapped": account.unmapped}
        classes |= {f"rejected_{kind}": ids for kind, ids in account.rejected.items()}
        for name, ids in classes.items():
            counts[name.split("_")[0]] += len(ids)
            if ids:
                findings.append(_ids_finding(name, ids, symbol, None, {}))
        for interval, series in account.series.items():
            counts["late"] += len(series.late)
            if series.late:
                lateness = after.late_evidence(symbol, interval, series.late)
                findings.append(_ids_finding("late", series.late, symbol, interval, lateness))
    return Verdict.of("trades", counts, findings)


def _ids_finding(
    kind: str, ids: list[int], symbol: str, interval: str | None, more: Mapping[str, Any]
) -> Finding:
    evidence = {"trades": len(ids), "first_ids": ids[:_IDS_SHOWN], **more}
    return Finding("trades", kind, Severity.NOTICE, symbol, interval, evidence=evidence)


def reception_verdict(receptions: Sequence[Reception]) -> Verdict:
    """Tell how recordings were received: the receiver's clock, and latencies measured from it."""
    findings = [
        Finding("reception", "received", Severity.NOTICE, evidence=reception.to_dict())
        for reception in receptions
    ]
    counts = {
        "recordings": len(receptions),
        "latency_max_ns": max((r.latency_max_ns for r in receptions), default=0),
    }
    not_checked = ("the fastest way from the exchange: it looks like a clock offset",)
    return Verdict.of("reception", counts, findings, not_checked)
