"""The store of open klines: full snapshots and finals written into one table, row over row.

Source of the rules: docs/klagg.md, "The snapshot writer" and "The writer of finals".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kline_harness.checks.finding_log import FindingLog
from kline_harness.columns import Rows
from kline_harness.interval import INTERVALS
from kline_harness.klagg.pulls import Bar
from kline_harness.kline import KlineBatch
from kline_harness.verdict import Finding, Verdict

NOT_CHECKED = ("the amounts of the rows: only how many trades they count, and whether final",)


@dataclass(frozen=True, slots=True)
class SnapshotOptions:
    """How full snapshots are stored.

    A snapshot is taken after every tick and stored `store_delay_ns` later. With `guard` a row is
    not overwritten by one that counts fewer trades, nor a final by one that is not.
    """

    store_delay_ns: int = 0
    guard: bool = False


@dataclass(slots=True)
class SnapshotWriter:
    """Writes rows keyed by symbol, interval and open time; the later one wins unless guarded."""

    options: SnapshotOptions
    name: str = "snapshot_writer"
    rows: dict[tuple[str, str, int], tuple[int, bool]] = field(default_factory=dict)
    written: int = 0
    kept: int = 0
    _log: FindingLog = field(default_factory=lambda: FindingLog("snapshot_writer"))

    def on_rows(self, now_ns: int, rows: Rows[KlineBatch]) -> None:
        """Store finals."""
        klines = rows.table()
        codes, opens, counts = klines.interval, klines.open_time_ns, klines.count
        columns = zip(codes.tolist(), opens.tolist(), counts.tolist(), strict=True)
        for row, (code, open_ns, count) in enumerate(columns):
            key = (klines.symbol_text(row), INTERVALS[code].text, open_ns)
            self._upsert(now_ns, key, count, final=True)

    def on_snapshot(self, now_ns: int, records: Sequence[Bar]) -> None:
        """Store what a snapshot shows; rows without an open time are left out, as they are."""
        for record in records:
            if record.open_time_ns > 0:
                key = (record.symbol, record.interval, record.open_time_ns)
                self._upsert(now_ns, key, record.count, final=False)

    def _upsert(self, now_ns: int, key: tuple[str, str, int], count: int, *, final: bool) -> None:
        before = self.rows.get(key)
        lesser = before is not None and (count < before[0] or (before[1] and not final))
        if lesser and self.options.guard:
            self.kept += 1
            return
        if lesser and before is not None:
            symbol, interval, open_ns = key
            evidence = {"count_before": before[0], "final_before": before[1]}
            evidence |= {"count": count, "final": final}
            finding = Finding(
                *(self.name, "overwritten_by_lesser"),
                symbol=symbol,
                interval=interval,
                open_time_ns=open_ns,
                at_ns=now_ns,
                evidence=evidence,
            )
            self._log.add(self.written, finding)
        self.rows[key] = (count, final)
        self.written += 1

    def verdict(self) -> Verdict:
        """Return which stored rows were overwritten by lesser ones."""
        counts = {"rows": len(self.rows), "written": self.written, "kept": self.kept}
        return Verdict.of(self.name, counts, self._log.findings(), NOT_CHECKED)
