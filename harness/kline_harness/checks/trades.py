"""The check of the trades: which are in no kline, or not in every interval's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from kline_harness.comparison.post_run import PostRun
from kline_harness.ledger import TradeAccount
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "trades"
NOT_CHECKED = ("whether a trade is in the right kline, with the right price and quantity",)
_IDS_SHOWN = 20
_NOTHING: Mapping[tuple[str, str], int] = {}
_NONE: Mapping[str, tuple[int, int]] = {}


def trades_verdict(
    accounts: Mapping[str, TradeAccount],
    after: PostRun,
    published: int,
    touching: Sequence[Mapping[str, Any]] = (),
    kept_back: Mapping[tuple[str, str], int] = _NOTHING,
    out_of_nothing: Mapping[str, tuple[int, int]] = _NONE,
    uncompared: Collection[str] = (),
) -> Verdict:
    """Tell which trades are in no kline, or not in every interval's.

    Where none of a symbol's trades was applied, or no kline was `published`, nothing was checked.
    `touching` are files without trade ids that meet at one instant (`Numbering.touching`).
    `kept_back` are trades that never reached the aggregator, by symbol and reason, of symbols of
    which nothing was compared: nobody knows which klines lack them. `out_of_nothing` are, by
    symbol, the trades that outages kept back, all of them, and the klines published all the same.
    Of `uncompared` symbols no kline of the exchange's tells which of two trades of one id is true.
    """
    findings = [
        Finding(CHECK, "files_meet_without_ids", Severity.DOUBT, pair["symbol"], evidence=pair)
        for pair in touching
    ]
    findings += [_nothing_received(symbol, *both) for symbol, both in out_of_nothing.items()]
    counts = {"received": 0, "late": 0, "duplicate": 0, "rejected": 0, "unmapped": 0}
    for symbol, account in accounts.items():
        counts["received"] += account.received
        applied = any(series.applied for series in account.series.values())
        if account.received and not applied:
            findings.append(_nothing_applied(symbol, account))
        classes = {"duplicate": account.duplicate, "unmapped": account.unmapped}
        classes |= {f"rejected_{kind}": ids for kind, ids in sorted(account.rejected.items())}
        findings += _conflicts(symbol, after, symbol in uncompared)
        for name, ids in classes.items():
            counts[name.split("_")[0]] += len(ids)
            if ids:
                findings.append(_ids_finding(name, ids, symbol, None, {}))
        for interval, series in account.series.items():
            counts["late"] += len(series.late)
            if series.late:
                lateness = after.late_evidence(symbol, interval, series.late)
                findings.append(_ids_finding("late", series.late, symbol, interval, lateness))
    for (symbol, reason), count in sorted(kept_back.items()):
        lost = {"trades": count, "reason": reason}
        findings.append(Finding(CHECK, "kept_back", Severity.DOUBT, symbol, evidence=lost))
    if published == 0:
        evidence = {"sentence": "no kline became final, so that nothing could be checked"}
        findings.append(Finding(CHECK, "no_klines", Severity.DOUBT, evidence=evidence))
    return Verdict.of(CHECK, counts, findings, NOT_CHECKED)


def _conflicts(symbol: str, after: PostRun, is_open: bool) -> Iterator[Finding]:
    """Yield what of a symbol's repeated ids states something else than the trade applied."""
    kept = after.evidence.get(symbol)
    if kept is None or len(kept.conflicts) == 0:
        return
    ids = kept.conflicts.tolist()
    sentence = (
        f"{len(ids):,} trade ids come again with another price, quantity, time or side "
        f"({', '.join(map(str, ids[:_IDS_SHOWN]))}{' ...' if len(ids) > _IDS_SHOWN else ''}); "
        "the first trade of each was applied"
    )
    evidence = {"sentence": sentence, "trades": len(ids), "first_ids": ids[:_IDS_SHOWN]}
    severity = Severity.DOUBT if is_open else Severity.NOTICE
    yield Finding(CHECK, "duplicate_conflict", severity, symbol, evidence=evidence)


def _nothing_applied(symbol: str, account: TradeAccount) -> Finding:
    reasons = {f"rejected ({name})": len(ids) for name, ids in account.rejected.items() if ids}
    reasons |= {"duplicates": len(account.duplicate), "of no symbol": len(account.unmapped)}
    listed = ", ".join(f"{count:,} {name}" for name, count in reasons.items() if count)
    sentence = f"none of {account.received:,} trades is in a kline{': ' if listed else ''}{listed}"
    evidence = {"sentence": sentence, "received": account.received}
    return Finding(CHECK, "nothing_applied", Severity.DOUBT, symbol, evidence=evidence)


def _nothing_received(symbol: str, trades: int, klines: int) -> Finding:
    sentence = (
        f"{klines:,} klines were published of a symbol of which the aggregator received no trade; "
        f"the source holds {trades:,}"
    )
    evidence = {"sentence": sentence, "klines": klines, "trades": trades}
    return Finding(CHECK, "nothing_received", symbol=symbol, evidence=evidence)


def _ids_finding(
    kind: str, ids: list[int], symbol: str, interval: str | None, more: Mapping[str, Any]
) -> Finding:
    evidence = {"trades": len(ids), "first_ids": ids[:_IDS_SHOWN], **more}
    return Finding(CHECK, kind, Severity.NOTICE, symbol, interval, evidence=evidence)
