"""Finals held to those that a second aggregator makes of the same feed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kline_harness.checks.finding_log import kline_finding
from kline_harness.columns import concat, join_instruments, same_rows
from kline_harness.interfaces import Aggregator, FeedSlice
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.verdict import Finding, Verdict

CHECK = "reference"
NOT_CHECKED = ("whether the feed is right: both aggregators are given the same",)
FINDINGS_PER_KIND = 100
_IDS = ("first_trade_id", "last_trade_id")
_WHEN = ("at_ns", "trigger")

Key = tuple[str, int, int, int]


def reference_check(
    published: KlineBatch, feed: Sequence[FeedSlice], end_ns: int, second: Aggregator
) -> Verdict:
    """Compare finals with those of an independent aggregator on the same feed, field by field."""
    expected = run_through(second, feed, end_ns)
    findings: list[Finding] = []
    if not same_rows(published, expected):
        findings = _differences(published, expected)
    counts = {"klines": len(published), "expected": len(expected)}
    return Verdict.of(CHECK, counts, findings, NOT_CHECKED)


def run_through(aggregator: Aggregator, feed: Iterable[FeedSlice], end_ns: int) -> KlineBatch:
    """Return the finals that an aggregator makes of a feed."""
    emissions = [aggregator.advance(piece) for piece in feed]
    emissions.append(aggregator.finish(end_ns))
    return joined([emission.klines for emission in emissions])


def joined(tables: Sequence[KlineBatch]) -> KlineBatch:
    """Return finals as one table."""
    filled = [table for table in tables if len(table)]
    return concat(filled) if filled else KlineBatch.empty()


def _differences(published: KlineBatch, expected: KlineBatch) -> list[Finding]:
    both = join_instruments([published, expected])
    ours, theirs = published.over(both), expected.over(both)
    our_rows, their_rows = keyed(ours), keyed(theirs)
    findings = _findings(ours, "kline_extra", [our_rows[k] for k in our_rows.keys() - their_rows])
    findings += _findings(
        theirs, "kline_missing", [their_rows[k] for k in their_rows.keys() - our_rows]
    )
    groups = (("kline_differs", (*FIELDS, *_IDS)), ("published_otherwise", _WHEN))
    for kind, names in groups:
        wrong = {
            row: [n for n in names if getattr(ours, n)[row] != getattr(theirs, n)[their_rows[key]]]
            for key, row in our_rows.items()
            if key in their_rows
        }
        rows = [row for row, fields in wrong.items() if fields]
        findings += _findings(ours, kind, rows, wrong)
    return findings


def keyed(table: KlineBatch) -> dict[Key, int]:
    """Return each row by symbol, interval, open time, and how often that came before."""
    rows: dict[Key, int] = {}
    identities = zip(
        table.symbol.tolist(), table.interval.tolist(), table.open_time_ns.tolist(), strict=True
    )
    for row, (symbol, interval, open_ns) in enumerate(identities):
        text, again = table.instruments[symbol].symbol, 0
        while (text, interval, open_ns, again) in rows:
            again += 1
        rows[text, interval, open_ns, again] = row
    return rows


def _findings(
    table: KlineBatch, kind: str, rows: list[int], fields: dict[int, list[str]] | None = None
) -> list[Finding]:
    return [
        kline_finding(CHECK, kind, table, row, {} if fields is None else {"fields": fields[row]})
        for row in sorted(rows)[:FINDINGS_PER_KIND]
    ]
