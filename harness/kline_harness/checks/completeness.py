"""The consumer that audits finals: every one once, in step, plausible, and adding up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kline_harness.checks.finding_log import FINDINGS_PER_KIND, kline_finding
from kline_harness.checks.kline_sanity import RULE_FIELDS, field_text, quiet_not_level, rules
from kline_harness.checks.lags import Lags
from kline_harness.checks.queued_audit import QueuedAudit
from kline_harness.checks.quote_sanity import symbols_of_no_rule
from kline_harness.checks.roll_up import RollUpBook
from kline_harness.checks.sequence import Place, Places, Sequence
from kline_harness.checks.series import (
    INTERVAL_CODES,
    NONE,
    Accepted,
    Block,
    SeriesBook,
    arrange,
    series_key,
    starts_of,
)
from kline_harness.checks.series_statistics import SeriesStatistics
from kline_harness.columns import Rows, gather
from kline_harness.interval import INTERVALS
from kline_harness.kline import FIELDS, KlineBatch, Trigger
from kline_harness.quote_rule import no_quote_rule
from kline_harness.units import BoolArray, mask
from kline_harness.verdict import Finding, Severity, Verdict

# What to tell about a row beside the fields of the rule.
MakeEvidence: TypeAlias = Callable[[int], dict[str, Any]]

BLOCK_ROWS = 32_768
NOT_CHECKED = (
    "whether the trades behind the klines are complete: that is the comparison's part",
    "klines of a symbol before its first and after its last delivered one",
    "trade id ranges of klines published without trade ids",
    "a higher kline of which not every lower kline was delivered before it",
)


class CompletenessAuditor(QueuedAudit[KlineBatch]):
    """Checks, per series, that finals are complete, in step and plausible.

    Each kline is placed against the latest of its series (`Place`), judged on its own
    (`rules`), and higher klines are held to the roll-up of lower ones. Blocks of `block_rows`
    klines are checked at a time.

    Source of the rules: docs/checks.md, "Completeness"; the exchange's kline files (a quiet
    interval is a flat kline at the previous close, lower intervals add up to higher ones in nine
    fields).
    """

    rows_a_symbol = 64

    def __init__(
        self,
        name: str = "completeness",
        *,
        block_rows: int = BLOCK_ROWS,
        findings_per_kind: int = FINDINGS_PER_KIND,
        contract_size: Decimal | None = None,
    ) -> None:
        super().__init__(name, block_rows, findings_per_kind)
        self._contract_size = contract_size
        self._rules = rules(contract_size)
        self._no_rule: set[str] = set()
        self._book = SeriesBook.empty()
        self._sequence = Sequence(self._book)
        self._roll_ups = RollUpBook()
        self._lags = Lags()
        self._position = 0
        self._last = KlineBatch.empty()
        self._held = Accepted.empty()
        self._closed = False

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Record that klines are missing at this place of the stream."""
        self._settle()
        position = self._position + self._pending.rows
        self._lags.add(position, missed)
        evidence = {"missed": missed}
        self._log.add(
            position, Finding(self.name, "lagged", Severity.DOUBT, at_ns=now_ns, evidence=evidence)
        )

    def on_close(self, now_ns: int) -> None:
        """Check what is queued, and which series ended before their symbol did."""
        if self._closed:
            return
        self._closed = True
        self.catch_up()
        self._compare(self._held)
        self._find_stopped()

    def verdict(self) -> Verdict:
        """Return what was found, in the order of the stream."""
        self._settle()
        not_checked = (*NOT_CHECKED, *map(no_quote_rule, sorted(self._no_rule)))
        return Verdict.of(self.name, self._counts(), self._log.findings(), not_checked)

    def series(self) -> SeriesStatistics:
        """Return the statistics of every series, by symbol name and length of interval."""
        self._settle()
        names = [instrument.symbol for instrument in self._last.instruments]
        return SeriesStatistics.of(self._book, names)

    def _counts(self) -> dict[str, int]:
        series = self.series()
        names = ("accepted", "quiet", "lost", "compared", "not_compared")
        totals = {name: int(getattr(series, name).sum()) for name in names}
        counts = {"klines": self._position, "series": len(series), **totals}
        counts |= {"lags": len(self._lags), "missed": self._lags.missed}
        return counts | dict(sorted(self._log.counts.items()))

    def _symbol(self, key: int) -> str:
        return self._last.instruments[key // INTERVAL_CODES].symbol

    def _check(self, pieces: list[Rows[KlineBatch]]) -> None:
        klines = gather(pieces)
        block = arrange(self._last, klines, self._position)
        self._position += len(klines)
        self._book.grow(len(block.klines.instruments) * INTERVAL_CODES)
        remembered = ~block.fresh
        block.position[remembered] = self._book.last_position[block.key[remembered]]
        places = self._sequence.place(block)
        self._judge_places(block, places)
        self._judge_klines(block, places)
        self._judge_trade_ids(block, places)
        self._remember(block, places)
        self._hold(block, places)

    def _judge_places(self, block: Block, places: Places) -> None:
        opens = block.klines.open_time_ns
        gaps = np.flatnonzero(places.place == Place.AFTER_GAP)
        for row in gaps[np.argsort(block.position[gaps])].tolist():
            self._judge_gap(block, row, int(places.previous[row]))

        def after(row: int) -> dict[str, Any]:
            latest = int(places.previous[row])
            return {"latest_open_time_ns": int(opens[latest])} if latest != NONE else {}

        for kind in (Place.DUPLICATE, Place.BACKWARDS, Place.MISALIGNED):
            rows = np.flatnonzero(places.place == kind)
            self._find(kind.name.lower(), block, rows, after)

    def _judge_gap(self, block: Block, row: int, latest: int) -> None:
        key = int(block.key[row])
        interval = INTERVALS[key % INTERVAL_CODES]
        opens = block.klines.open_time_ns
        lost = interval.count_between(int(block.close_time_ns[latest]), int(opens[row]))
        self._book.gaps[key] += 1
        self._book.lost[key] += lost
        after, until = int(block.position[latest]), int(block.position[row])
        lagged = self._lags.explain(after, until, lost)
        evidence = {"lost": lost, "latest_open_time_ns": int(opens[latest])}
        kind, severity = ("gap_after_lag", Severity.DOUBT) if lagged else ("gap", Severity.ERROR)
        self._log.add(until, kline_finding(self.name, kind, block.klines, row, evidence, severity))

    def _judge_klines(self, block: Block, places: Places) -> None:
        klines = block.klines
        for kind, broken in self._rules.items():
            self._find(kind, block, np.flatnonzero(broken(klines) & block.fresh), None)
        self._no_rule.update(symbols_of_no_rule(klines, FIELDS, self._contract_size))
        followed = places.advancing & (places.previous != NONE)
        followed &= block.close_time_ns[places.previous] == klines.open_time_ns
        moved = mask(klines.open != klines.close[places.previous])
        wrong = quiet_not_level(klines) | ((klines.count == 0) & followed & moved)

        def previous_close(row: int) -> dict[str, Any]:
            if not followed[row]:
                return {}
            return {"previous_close": field_text(klines, int(places.previous[row]), "close")}

        self._find("quiet_not_flat", block, np.flatnonzero(wrong & block.fresh), previous_close)

    def _judge_trade_ids(self, block: Block, places: Places) -> None:
        """Hold each kline with trades to the one before it: ids rise, ranges do not overlap."""
        klines = block.klines
        known = places.advancing & (klines.count > 0) & (klines.first_trade_id >= 0)
        rows = np.flatnonzero(known)
        if len(rows) == 0:
            return
        key, first = block.key[rows], klines.first_trade_id[rows]
        last = klines.last_trade_id[rows]
        before = np.roll(last, 1)
        starts = starts_of(key)
        before[starts] = self._book.last_trade_id[key[starts]]
        wrong = (first <= before) | (last < first)
        ends = np.append(starts[1:], True)
        self._book.last_trade_id[key[ends]] = last[ends]
        previous = dict(zip(rows[wrong].tolist(), before[wrong].tolist(), strict=True))

        def ids(row: int) -> dict[str, Any]:
            return {
                "first_trade_id": int(klines.first_trade_id[row]),
                "last_trade_id": int(klines.last_trade_id[row]),
                "previous_last_trade_id": previous[row],
            }

        self._find("trade_id_backwards", block, rows[wrong], ids)

    def _remember(self, block: Block, places: Places) -> None:
        book, key, size = self._book, block.key, len(self._book.rows)
        klines = block.klines

        def tally(rows: BoolArray) -> NDArray[np.intp]:
            return np.bincount(key[rows], minlength=size)

        book.rows += tally(block.fresh)
        book.accepted += tally(places.accepted)
        book.quiet += tally(places.accepted & (klines.count == 0))
        book.duplicates += tally(places.place == Place.DUPLICATE)
        book.backwards += tally(places.place == Place.BACKWARDS)
        book.misaligned += tally(places.place == Place.MISALIGNED)
        first = places.place == Place.FIRST
        book.first_open_ns[key[first]] = klines.open_time_ns[first]
        latest = np.flatnonzero(places.place <= Place.AFTER_GAP)
        latest = latest[np.append(starts_of(key[latest])[1:], True)] if len(latest) else latest
        book.last_open_ns[key[latest]] = klines.open_time_ns[latest]
        book.last_position[key[latest]] = block.position[latest]
        closed = places.accepted & (klines.trigger != Trigger.END)
        np.maximum.at(book.reached_ns, key[closed], block.close_time_ns[closed])
        self._last = klines.take(latest)

    def _hold(self, block: Block, places: Places) -> None:
        """Compare the higher klines of all instants but the last, which may go on."""
        accepted, held = places.accepted, self._held
        block_rows = Accepted(block.klines, block.position, places.advancing)
        last_ns = block.klines.at_ns[block.fresh].max()
        goes_on, fresh_goes_on = held.klines.at_ns >= last_ns, block.klines.at_ns >= last_ns
        ready = held.take(~goes_on).join(block_rows.take(accepted & ~fresh_goes_on))
        self._held = held.take(goes_on).join(block_rows.take(accepted & fresh_goes_on))
        self._compare(ready)

    def _compare(self, accepted: Accepted) -> None:
        klines = accepted.klines
        if len(klines) == 0:
            return
        comparison = self._roll_ups.add(klines, accepted.advancing)
        keys = series_key(klines)[comparison.rows]
        self._book.compared += np.bincount(keys, minlength=len(self._book.rows))
        differing = comparison.differing()
        wrong = np.flatnonzero(np.logical_or.reduce(list(differing.values())))

        def mismatch(row: int) -> Finding:
            kline, roll_ups = int(comparison.rows[row]), comparison.roll_ups
            fields = [name for name, differs in differing.items() if differs[row]]
            evidence: dict[str, Any] = {"children": INTERVALS[int(roll_ups.interval[row])].text}
            evidence |= {name: field_text(klines, kline, name) for name in fields}
            evidence |= {f"{name}_of_children": field_text(roll_ups, row, name) for name in fields}
            return kline_finding(self.name, "cross_interval_mismatch", klines, kline, evidence)

        where = accepted.position[comparison.rows]
        self._log.add_rows("cross_interval_mismatch", wrong, where, mismatch)

    def _find_stopped(self) -> None:
        """Find series that lack a whole kline at the end of what their symbol delivered.

        Klines published because the feed ended say nothing of how far their symbol got.
        """
        book = self._book
        ends: dict[int, int] = {}
        for key in np.flatnonzero(book.accepted).tolist():
            interval = INTERVALS[key % INTERVAL_CODES]
            ends[key] = interval.close_time_ns(int(book.last_open_ns[key]))
        latest: dict[int, int] = {}
        for key in ends:
            symbol = key // INTERVAL_CODES
            latest[symbol] = max(int(book.reached_ns[key]), latest.get(symbol, NONE))
        for key, end_ns in ends.items():
            self._judge_end(key, end_ns, latest[key // INTERVAL_CODES])

    def _judge_end(self, key: int, end_ns: int, latest_ns: int) -> None:
        interval = INTERVALS[key % INTERVAL_CODES]
        lost = interval.count_between(end_ns, interval.open_time_ns(latest_ns))
        if lost <= 0:
            return
        lagged = self._lags.explain(int(self._book.last_position[key]), self._position, lost)
        finding = Finding(
            self.name,
            "series_stopped_after_lag" if lagged else "series_stopped",
            Severity.DOUBT if lagged else Severity.ERROR,
            self._symbol(key),
            interval.text,
            int(self._book.last_open_ns[key]),
            evidence={"lost": lost, "symbol_goes_on_until_ns": latest_ns},
        )
        self._log.add(self._position + key, finding)

    def _find(
        self, kind: str, block: Block, rows: NDArray[np.intp], more: MakeEvidence | None
    ) -> None:
        """Record a finding for rows of a block: the rule's fields, and what `more` says."""
        klines = block.klines
        names = RULE_FIELDS.get(kind, ())

        def make(row: int) -> Finding:
            evidence: dict[str, Any] = {name: field_text(klines, row, name) for name in names}
            evidence |= more(row) if more is not None else {}
            return kline_finding(self.name, kind, klines, row, evidence)

        self._log.add_rows(kind, rows, block.position, make)
