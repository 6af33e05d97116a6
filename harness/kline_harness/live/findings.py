"""What is found while a run goes on: by its two audits, in its trades, against the exchange."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.checks.kline_sanity import field_text
from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.columns import Rows, concat
from kline_harness.finding_text import evidence_text, place_text
from kline_harness.id_rule import IdRule
from kline_harness.interfaces import FeedSlice
from kline_harness.interval import CODE, Interval, parse_interval
from kline_harness.kline import Emission, KlineBatch
from kline_harness.live.klines import GivenKlines
from kline_harness.pending_rows import Pending
from kline_harness.tape import Tape, TradeKind
from kline_harness.trade_ids import Gap, IdBook
from kline_harness.units import NS_PER_SECOND
from kline_harness.verdict import OMITTED, Finding, Severity

TRADES = "trades"
# Of each check and kind so many are listed; all are counted.
LISTED_MAX = 1_000
# Finals that are held to the exchange's klines at once.
_ROWS_AT_ONCE = 8_192
_GAPS_PER_SYMBOL = 200
# Of the candles that a gap touches so many are marked.
_MARKED_MAX = 120
# How the page marks a kind on its candle, where it has a mark of its own.
_MARKS = {
    **{
        kind: kind
        for kind in ("proved", "consistent", "unexplained", "missing", "extra", "late", "gap")
    },
    "differs": "unexplained",
    "trade_ids_missing": "gap",
    "lost_stretch": "gap",
    "not_stored": "missing",
}


class Entries:
    """Findings as the page lists them; each has the number of its last change."""

    def __init__(self) -> None:
        self.changes = 0
        self.epoch = 0
        self.kinds: Counter[tuple[str, str, str]] = Counter()
        self._listed: dict[Any, dict[str, Any]] = {}

    def __len__(self) -> int:
        return sum(self.kinds.values())

    def add(self, finding: Finding, key: Any = None) -> None:
        """List a finding; one of a key that is listed already stays as it is."""
        key = key or (
            *(finding.check, finding.kind, finding.symbol, finding.interval),
            *(finding.open_time_ns, finding.at_ns),
        )
        if key in self._listed or finding.kind == OMITTED:
            return
        kind = (finding.check, finding.kind, finding.severity.value)
        self.kinds[kind] += 1
        if self.kinds[kind] <= LISTED_MAX:
            self.changes += 1
            self._listed[key] = {"number": self.changes, **_entry(finding)}

    def withdraw(self, key: Any) -> None:
        """Mark a finding as one that no longer holds."""
        entry = self._listed.get(key)
        if entry is not None and not entry["gone"]:
            self.changes += 1
            entry |= {"number": self.changes, "gone": True}

    def since(self, number: int) -> list[dict[str, Any]]:
        """Return the entries that changed after a number."""
        return [entry for entry in self._listed.values() if entry["number"] > number]

    def of_series(self, symbol: str, interval: Interval) -> list[dict[str, Any]]:
        """Return marks for the candles of a series: time in s, kind, text."""
        found = []
        for one in self._listed.values():
            own = one["interval"] in (None, interval.text) or one["mark"] in ("gap", "late")
            if one["symbol"] == symbol and own and one["open_s"] is not None and not one["gone"]:
                for time in _opens(interval, one["open_s"], one["until_s"]):
                    found.append({"time": time, "kind": one["mark"], "text": one["text"]})
        return found

    def restart(self) -> None:
        """Begin a new list: pages drop what they have."""
        self.epoch += 1
        self.kinds.clear()
        self._listed.clear()


def _opens(interval: Interval, from_s: int, until_s: int | None) -> list[int]:
    """Return when the klines opened that a stretch of time touches, the first of them."""
    first_ns = interval.open_time_ns(from_s * NS_PER_SECOND)
    last_ns = first_ns if until_s is None else until_s * NS_PER_SECOND
    opens = interval.opens_between(first_ns, last_ns + 1)[:_MARKED_MAX]
    found: list[int] = (opens // NS_PER_SECOND).tolist()
    return found or [first_ns // NS_PER_SECOND]


def _entry(finding: Finding) -> dict[str, Any]:
    at_ns = finding.at_ns if finding.at_ns is not None else finding.open_time_ns
    seconds = None if finding.open_time_ns is None else finding.open_time_ns // NS_PER_SECOND
    return {
        "check": finding.check,
        "kind": finding.kind,
        "severity": finding.severity.value,
        "symbol": finding.symbol,
        "interval": finding.interval,
        "open_s": seconds,
        "until_s": finding.evidence["until_ns"] // NS_PER_SECOND
        if "until_ns" in finding.evidence
        else None,
        "at_ms": None if at_ns is None else at_ns // 1_000_000,
        "text": _text_of(finding),
        "mark": _MARKS.get(finding.kind, "finding"),
        "gone": False,
    }


def _text_of(finding: Finding) -> str:
    """Return what was found in a line; the values of both sides stand under the candle."""
    evidence = finding.evidence
    if finding.kind == "differs" and finding.check != "comparison":
        text = f"{', '.join(evidence['fields'])} unlike the exact kline".replace("_", " ")
    elif finding.check == "comparison" and evidence.get("fields"):
        cause = f"; {evidence['class']}: {evidence['cause']}" if "cause" in evidence else ""
        text = f"{', '.join(evidence['fields'])} unlike the exchange's{cause}".replace("_", " ")
    else:
        text = str(evidence.get("sentence") or evidence_text(evidence))
    return ": ".join(part for part in (place_text(finding), text) if part)


class LiveFindings:
    """Looks at what passes by in bulk, whenever it is asked to catch up.

    The two audits are those of the run, given what the run's own are given. One that is `ready` at
    all times is shown what is published at once: the run's own is handed the values of one instant
    together with whatever comes next, which on a page would be a tick later. Missing trade ids are
    those whose source does not say that they mean nothing. A trade is late whose kline of the
    `finest` interval was final before it arrived.
    """

    def __init__(
        self,
        finest: Interval,
        theirs: GivenKlines,
        rules: Mapping[str, IdRule],
        audits: Mapping[str, CompletenessAuditor | LifecycleChecker],
        ready: Collection[str] = (),
    ) -> None:
        self.entries = Entries()
        self.audits = dict(audits)
        self._ready = frozenset(ready)
        self._finest, self._theirs, self._rules = finest, theirs, rules
        self._counts: dict[str, int] = dict.fromkeys(audits, 0)
        self._ids = IdBook()
        self._gaps: dict[str, set[Any]] = {}
        self._waiting: list[tuple[FeedSlice, Emission]] = []
        self._closed: dict[str, int] = {}
        self.waiting_rows = 0

    def passed(self, piece: FeedSlice, emission: Emission) -> None:
        """Take a slice, and what was published while it was processed."""
        self._waiting.append((piece, emission))
        self.waiting_rows += len(piece) + len(emission.klines)
        klines, events = emission.klines, emission.events
        if "completeness" in self._ready and len(klines):
            self._shown("completeness", int(klines.at_ns[-1]), Rows.all(klines))
        if "lifecycle" in self._ready and len(events):
            self._shown("lifecycle", int(events.at_ns[-1]), Rows.all(events))

    def delivered(self, consumer: str, now_ns: int, rows: Rows[Any]) -> None:
        """Take what a consumer was handed."""
        if consumer not in self._ready:
            self._shown(consumer, now_ns, rows)

    def _shown(self, consumer: str, now_ns: int, rows: Rows[Any]) -> None:
        audit = self.audits.get(consumer)
        if audit is not None:
            self.waiting_rows += len(rows)
            audit.on_rows(now_ns, rows)

    def lagged(self, consumer: str, now_ns: int, missed: int) -> None:
        """Take how many values a consumer missed."""
        if consumer in self.audits:
            self.audits[consumer].on_lag(now_ns, missed)
            return
        evidence = {"missed": missed, "sentence": f"{missed:,} values were overwritten unread"}
        self.entries.add(
            Finding(consumer, "lagged", Severity.ERROR, at_ns=now_ns, evidence=evidence)
        )

    def catch_up(self) -> int:
        """Look at everything that waits; return how many findings there are."""
        waiting, self._waiting, self.waiting_rows = self._waiting, [], 0
        touched: set[str] = set()
        for piece, emission in waiting:
            if len(piece.trades):
                self._ids.add(piece.trades)
                touched |= _symbols(piece.trades)
                self._find_late(piece.trades, emission.klines)
        if self._theirs.series():
            finals = Pending[KlineBatch]()
            for _, emission in waiting:
                if len(emission.klines):
                    finals.add(Rows.all(emission.klines))
            while finals.rows:
                self._compare(finals.take(min(finals.rows, _ROWS_AT_ONCE)))
        for symbol in sorted(touched):
            self._find_gaps(symbol)
        for name, audit in self.audits.items():
            count = audit.catch_up()
            if count != self._counts[name]:
                self._counts[name] = count
                for finding in audit.findings():
                    self.entries.add(finding)
        return len(self.entries)

    def _find_gaps(self, symbol: str) -> None:
        gaps = self._ids.runs[symbol].gaps()
        known = self._gaps.setdefault(symbol, set())
        if not len(gaps) and not known:
            return
        lost = ~gaps.explained_by(self._rules.get(symbol, IdRule.FUND_TRADES))
        now = {("gap", symbol, one.after_id): one for one in gaps.take(np.flatnonzero(lost))}
        for key, gap in now.items():
            if key not in known and len(known) < _GAPS_PER_SYMBOL:
                known.add(key)
                self.entries.add(self._gap(symbol, gap), key)
        for key in known - now.keys():
            # A trade that was late, or out of order: the ids were seen after all.
            self.entries.withdraw(key)
            known.discard(key)

    def _gap(self, symbol: str, gap: Gap) -> Finding:
        first, last = gap.after_id + 1, gap.before_id - 1
        ids = f"id {first}" if first == last else f"ids {first} to {last}"
        sentence = f"{gap.missing:,} trades missing ({ids})"
        at_ns = max(gap.from_ns, gap.to_ns)
        open_ns = self._finest.open_time_ns(min(gap.from_ns, gap.to_ns))
        evidence = {"sentence": sentence, "until_ns": at_ns}
        place = (symbol, self._finest.text, open_ns, at_ns)
        return Finding(TRADES, "trade_ids_missing", Severity.DOUBT, *place, evidence=evidence)

    def _find_late(self, trades: Tape, klines: KlineBatch) -> None:
        """Find trades whose kline had been published before they arrived."""
        finals = klines.take(klines.interval == CODE[self._finest])
        closes = finals.close_time_ns()
        if not np.array_equal(trades.arrival_ns, trades.event_time_ns):
            for symbol in sorted(_symbols(trades)):
                self._late_of(symbol, trades, finals, closes)
        for code, one in enumerate(finals.instruments):
            mine = closes[finals.symbol == code]
            if len(mine):
                before = self._closed.get(one.symbol, 0)
                self._closed[one.symbol] = max(before, int(mine.max()))

    def _late_of(self, symbol: str, trades: Tape, finals: KlineBatch, closes: Any) -> None:
        mine = trades.take(trades.of_symbol(symbol) & (trades.kind == TradeKind.MARKET))
        of_symbol = finals.of_symbol(symbol)
        closed = np.append(self._closed.get(symbol, 0), closes[of_symbol])
        closed = np.maximum.accumulate(closed)
        # What arrives at the instant of a publication comes before it.
        before = np.searchsorted(finals.at_ns[of_symbol], mine.arrival_ns, side="left")
        late = mine.event_time_ns < closed[before]
        if not late.any():
            return
        opens, counts = np.unique(
            self._finest.open_times_ns(mine.event_time_ns[late]), return_counts=True
        )
        at_ns = int(mine.arrival_ns[late][-1])
        for open_ns, count in zip(opens.tolist(), counts.tolist(), strict=True):
            what = "trade came" if count == 1 else "trades came"
            evidence = {"sentence": f"{count:,} {what} after the kline was final"}
            place = (symbol, self._finest.text, open_ns, at_ns)
            self.entries.add(Finding(TRADES, "late", Severity.NOTICE, *place, evidence=evidence))

    def _compare(self, finals: KlineBatch) -> None:
        """Hold finals to the exchange's klines of the same open times."""
        for symbol, text in self._theirs.series():
            code = CODE[parse_interval(text)]
            mine = finals.take(finals.of_symbol(symbol) & (finals.interval == code))
            if not len(mine):
                continue
            ours, other = self._theirs.beside(mine, symbol, text)
            for finding in differences(ours, other, self._theirs, symbol, text):
                self.entries.add(finding)


def _symbols(trades: Tape) -> set[str]:
    return {trades.instruments[code].symbol for code in np.unique(trades.symbol).tolist()}


def differences(
    ours: KlineBatch,
    theirs: KlineBatch,
    given: GivenKlines,
    symbol: str,
    interval: str,
    check: str = "comparison",
) -> Iterator[Finding]:
    """Yield a finding for each pair that is unequal in a field that both have."""
    if not len(ours):
        return
    fields = given.fields(symbol, interval)
    both = concat([ours, theirs])
    half = len(ours)
    unlike = {name: getattr(both, name)[:half] != getattr(both, name)[half:] for name in fields}
    source = Path(given.source(symbol, interval)).name
    rows = np.flatnonzero(np.logical_or.reduce(list(unlike.values())))
    for row in rows.tolist():
        names = [name for name in fields if unlike[name][row]]
        evidence: dict[str, Any] = {"fields": names, "source": source}
        for name in names:
            for side, at in (("ours", row), ("theirs", row + half)):
                evidence[f"{side}_{name}"] = field_text(both, at, name)
        place = (symbol, interval, int(ours.open_time_ns[row]), int(ours.at_ns[row]))
        yield Finding(check, "differs", Severity.DOUBT, *place, evidence=evidence)
