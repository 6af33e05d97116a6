"""Files whose names contradict each other, or their rows: which is right is not known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kline_harness.run_rows import InputRow
from kline_harness.verdict import Finding, Severity, Verdict


def names_contradict(check: str, files: Iterable[InputRow]) -> Iterator[Finding]:
    """Yield, for a check, each thing of which the names of a file, or name and rows, differ."""
    for file in files:
        symbols = file.get("symbols", ())
        symbol = symbols[0] if len(symbols) == 1 else None
        for words in file.get("contradictions", ()):
            sentence = f"{file['path']}: {words}; one of them is wrong"
            evidence = {"sentence": sentence, "file": file["path"]}
            yield Finding(check, "names_contradict", Severity.DOUBT, symbol, evidence=evidence)


def with_names(verdict: Verdict, misnamed: Iterable[Finding]) -> Verdict:
    """Return a verdict on files that doubts those whose names contradict something."""
    findings = (*verdict.findings, *misnamed)
    return Verdict.of(verdict.check, verdict.counts, findings, verdict.not_checked)
