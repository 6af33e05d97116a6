"""The exchange's closed klines in recordings that were given for their trades."""

from __future__ import annotations

from collections.abc import Mapping

from kline_harness.checks.files import CHECK
from kline_harness.verdict import Finding, Severity, Verdict


def with_closed_klines(verdict: Verdict, recordings: Mapping[str, int]) -> Verdict:
    """Return a verdict that names the recordings whose own closed klines were not compared."""
    findings = list(verdict.findings)
    for name, count in sorted(recordings.items()):
        sentence = f"{name} has {count:,} closed klines, not compared: give it as --klines too"
        evidence = {"sentence": sentence, "file": name, "klines": count}
        findings.append(Finding(CHECK, "klines_not_compared", Severity.NOTICE, evidence=evidence))
    return Verdict.of(CHECK, verdict.counts, findings, verdict.not_checked)
