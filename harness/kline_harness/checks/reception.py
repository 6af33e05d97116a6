"""The check of recordings: the receiver's clock, and latencies measured from it."""

from __future__ import annotations

from collections.abc import Sequence

from kline_harness.simulation.feed import Reception
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "reception"
NOT_CHECKED = ("the fastest way from the exchange: it looks like a clock offset",)


def reception_verdict(receptions: Sequence[Reception]) -> Verdict:
    """Tell how recordings were received: the receiver's clock, and latencies measured from it."""
    findings = [
        Finding(CHECK, "received", Severity.NOTICE, evidence=reception.to_dict())
        for reception in receptions
    ]
    findings += [
        Finding(
            CHECK,
            "arrived_before_traded",
            Severity.NOTICE,
            evidence={"path": reception.path, "trades": reception.early},
        )
        for reception in receptions
        if reception.early
    ]
    counts = {
        "recordings": len(receptions),
        "latency_max_ns": max((r.latency_max_ns for r in receptions), default=0),
    }
    return Verdict.of(CHECK, counts, findings, NOT_CHECKED)
