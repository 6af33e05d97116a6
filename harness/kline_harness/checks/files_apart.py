"""Files without trade ids that do not follow each other: what lies between them is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from kline_harness.checks.borne_out import borne_out
from kline_harness.checks.files import CHECK, FileWatch, edge_limit_ns, minutes_text
from kline_harness.comparison.compare import Comparison, ReferenceKlines
from kline_harness.units import utc_text
from kline_harness.verdict import Finding, Severity, Verdict


def apart(watches: Sequence[FileWatch]) -> Iterator[tuple[FileWatch, FileWatch, int]]:
    """Yield neighbours of one symbol between which nothing was traded for too long, and how long.

    The limit in nanoseconds is that of an edge of a named day. Trade ids, where a source states
    them, tell whether anything was lost there, and no such file is yielded.
    """
    known = [one for one in watches if not one.ids_stated and one.span is not None]
    limit_ns = edge_limit_ns(max((one.silence_ns for one in known), default=0))
    for first, second in pairwise(sorted(known, key=lambda one: (one.span or (0, 0), one.name))):
        assert first.last_ns is not None
        assert second.first_ns is not None
        silence_ns = second.first_ns - first.last_ns
        if silence_ns > limit_ns:
            yield first, second, silence_ns


def with_apart(
    verdict: Verdict,
    watches: Sequence[FileWatch],
    found: Comparison,
    references: Sequence[ReferenceKlines],
) -> Verdict:
    """Return a verdict on files that doubts each such silence which no klines bear out."""
    findings = (*verdict.findings, *_findings(watches, borne_out(found, references)[0]))
    return Verdict.of(verdict.check, verdict.counts, findings, verdict.not_checked)


def _findings(
    watches: Sequence[FileWatch], reached: Mapping[str, tuple[int, int]]
) -> Iterator[Finding]:
    symbols = sorted({one.symbol for one in watches})
    for symbol in symbols:
        for first, second, silence_ns in apart([one for one in watches if one.symbol == symbol]):
            low, high = reached.get(symbol, (second.first_ns or 0, 0))
            is_borne_out = low <= (first.last_ns or 0) and high >= (second.first_ns or 0)
            severity = Severity.NOTICE if is_borne_out else Severity.DOUBT
            evidence = evidence_of(first, second, silence_ns)
            yield Finding(CHECK, "files_apart", severity, symbol, evidence=evidence)


def evidence_of(first: FileWatch, second: FileWatch, silence_ns: int) -> dict[str, Any]:
    """Say between which files nothing was traded, and for how long."""
    sentence = (
        f"{first.name} ends at {utc_text(first.last_ns or 0)} and {second.name} begins "
        f"{minutes_text(silence_ns)} later; their source states no trade ids to tell quiet from "
        "a file that was not given"
    )
    names = [first.name, second.name]
    return {"sentence": sentence, "files": names, "silence_ns": silence_ns}
