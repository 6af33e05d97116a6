"""Files that were given and left out."""

from __future__ import annotations

from kline_harness.verdict import Finding, Severity

# How what a file of another symbol than the given one holds begins.
OF_ANOTHER = "the symbol "


def file_without_klines(check: str, name: str, holds: str) -> Finding:
    """Tell of a file that was given as the exchange's klines and left out, for a check."""
    sentence = f"{name}, given as the exchange's klines, holds none ({holds}) and was left out"
    if holds.startswith(OF_ANOTHER):
        sentence = f"{name} holds {holds}, which is not the given one, and was left out"
    evidence = {"sentence": sentence, "file": name, "holds": holds}
    return Finding(check, "file_without_klines", Severity.NOTICE, evidence=evidence)
