"""The auditor that klagg had, blind spots and all, to be held against the one here.

Source of the rules: docs/klagg.md, "The old auditor" and "The old lifecycle validator";
docs/defects.md, Q38 to Q46. Nothing in a replay relies on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kline_harness.columns import Rows
from kline_harness.interval import INTERVALS, Interval
from kline_harness.kline import KlineBatch
from kline_harness.units import NS_PER_DAY, NS_PER_MINUTE, NS_PER_SECOND
from kline_harness.verdict import Finding, Severity, Verdict

# What it takes for the length of a calendar month.
_MONTH_NS = 30 * NS_PER_DAY


@dataclass(slots=True)
class OldAuditor:
    """Compares each final with the one before it in its series, and each with a few rules.

    A gap is more than twice the interval, so that one missing kline is none; time going
    backwards is no finding and moves what the next is compared with. With `strict`, the design
    that was never built: any step but one interval is a finding.
    """

    strict: bool = False
    name: str = "old_auditor"
    timer_period_ns: int | None = None
    gaps: int = 0
    duplicates: int = 0
    timestamp_anomalies: int = 0
    records: int = 0
    lags_logged: int = 0
    _last_ns: dict[tuple[str, int], int] = field(default_factory=dict)
    _findings: list[Finding] = field(default_factory=list)

    def on_rows(self, now_ns: int, rows: Rows[KlineBatch]) -> None:
        """Look at finals in the order received."""
        klines = rows.table()
        for row in range(len(klines)):
            self.records += 1
            self._judge_step(klines, row)
            self._judge_numbers(klines, row)

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Log it; no statistic knows of it, and the series go on as if nothing were missing."""
        self.lags_logged += 1

    def on_timer(self, now_ns: int) -> None:
        """Nothing is due by time."""

    def on_close(self, now_ns: int) -> None:
        """Leave."""

    def verdict(self) -> Verdict:
        """Return what it found; errors in numbers are logged, not counted."""
        names = ("records", "gaps", "duplicates", "timestamp_anomalies")
        return Verdict.of(self.name, {n: getattr(self, n) for n in names}, self._findings)

    def _judge_step(self, klines: KlineBatch, row: int) -> None:
        code, open_ns = int(klines.interval[row]), int(klines.open_time_ns[row])
        key = (klines.symbol_text(row), code)
        last_ns = self._last_ns.get(key, 0)
        self._last_ns[key] = open_ns
        step_ns, length_ns = open_ns - last_ns, INTERVALS[code].length_ns or _MONTH_NS
        if last_ns <= 0:
            return
        if step_ns == 0:
            self.duplicates += 1
            self._find("duplicate_data", klines, row)
        elif step_ns > (length_ns if self.strict else 2 * length_ns):
            self.gaps += 1
            self._find("data_gap", klines, row, lost=step_ns // length_ns - 1)
        elif self.strict and step_ns != length_ns:
            self.timestamp_anomalies += 1
            self._find("out_of_order", klines, row)

    def _judge_numbers(self, klines: KlineBatch, row: int) -> None:
        o, h, low, c = (getattr(klines, name)[row] for name in ("open", "high", "low", "close"))
        if min(o, h, low, c) <= 0:
            self._find("invalid_price", klines, row)
        if h < max(low, o, c) or low > min(o, c):
            self._find("ohlc_logic_error", klines, row)
        if klines.volume[row] < 0:
            self._find("invalid_volume", klines, row)

    def _find(self, kind: str, klines: KlineBatch, row: int, **evidence: int) -> None:
        symbol, interval = klines.symbol_text(row), INTERVALS[int(klines.interval[row])].text
        open_ns = int(klines.open_time_ns[row])
        finding = Finding(
            self.name, kind, Severity.ERROR, symbol, interval, open_ns, evidence=evidence
        )
        self._findings.append(finding)


def continuity_ok(old_open_ns: int, new_open_ns: int, filled: int, interval: Interval) -> bool:
    """Return what the business audit's design calls continuous.

    Both sides are the same expression for aligned bars, and for a bar rolled by less than one
    interval the expected count is minus one, which an unsigned number cannot be (Q44).
    """
    length_ns = interval.length_ns or _MONTH_NS
    return filled == ((new_open_ns - old_open_ns) // length_ns - 1) % 2**64


def aligned_to_epoch(open_ns: int, interval: Interval) -> bool:
    """Return what the older alignment rule demands: a multiple of the length since 1970 (Q45)."""
    return open_ns % (interval.length_ns or _MONTH_NS) == 0


def external_audit_window(now_ns: int, duration_ns: int = 1_800 * NS_PER_SECOND) -> tuple[int, int]:
    """Return the open times [from, until) that the external audit compares, for any interval.

    The end is that of the last whole minute, also for intervals that are still open then (Q46).
    """
    end_ns = now_ns - now_ns % NS_PER_MINUTE
    return end_ns - duration_ns, end_ns
