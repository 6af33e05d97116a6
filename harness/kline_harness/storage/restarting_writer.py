"""A writer that dies and is started again by its supervisor, and what that cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from kline_harness.columns import Rows
from kline_harness.kline import KlineBatch
from kline_harness.ledger import Equation
from kline_harness.storage.dataset import KlineDataset
from kline_harness.storage.faulty_filesystem import WriterKilled
from kline_harness.storage.filesystem import FileSystem, LocalFileSystem
from kline_harness.storage.parquet_writer import ParquetWriter, WriterCounters, WriterOptions
from kline_harness.verdict import Finding, Severity, Verdict


@dataclass(slots=True)
class RestartingWriter:
    """Runs a `ParquetWriter`, and a new one on the same directory whenever it is killed.

    What the dead writer had received and is not on disk is lost, and reported; so is what is on
    disk twice or not as it was written, by the account.
    """

    directory: Path
    options: WriterOptions = field(default_factory=WriterOptions)
    files: FileSystem = field(default_factory=LocalFileSystem)
    make: Callable[[Path, WriterOptions, FileSystem], ParquetWriter] = ParquetWriter
    name: str = "writer"
    timer_period_ns: int | None = field(init=False)
    writer: ParquetWriter = field(init=False)
    deaths: int = field(init=False, default=0)
    lost: int = field(init=False, default=0)
    _findings: list[Finding] = field(init=False, default_factory=list)
    _received: int = field(init=False, default=0)
    _lag_missed: int = field(init=False, default=0)
    _stored: int = field(init=False, default=0)
    _rows_before: int = field(init=False)
    _flush_log: list[tuple[int, int]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.writer = self.make(self.directory, self.options, self.files)
        self.timer_period_ns = self.writer.timer_period_ns
        self._rows_before = self.writer.dataset.rows()

    @property
    def dataset(self) -> KlineDataset:
        """Return what is stored."""
        return self.writer.dataset

    @property
    def counters(self) -> WriterCounters:
        """Return what became of the klines all writers together received."""
        last = self.writer.counters
        if not self.deaths:
            return last
        return replace(
            last,
            received=self._received,
            committed=self._stored + last.committed,
            dropped=self.dropped,
            lag_missed=self._lag_missed,
        )

    @property
    def flush_log(self) -> list[tuple[int, int]]:
        """Return (instant, rows) of each flush of all writers together."""
        return self._flush_log + self.writer.flush_log

    @property
    def dropped(self) -> int:
        """Return how many klines all writers together lost."""
        return self.lost + self.writer.counters.dropped

    def on_rows(self, now_ns: int, rows: Rows[KlineBatch]) -> None:
        """Hand klines on."""
        self._received += len(rows)
        try:
            self.writer.on_rows(now_ns, rows)
        except WriterKilled:
            self.restart(now_ns)

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Hand a lag on."""
        self._lag_missed += missed
        self.writer.on_lag(now_ns, missed)

    def on_timer(self, now_ns: int) -> None:
        """Hand the timer on."""
        try:
            self.writer.on_timer(now_ns)
        except WriterKilled:
            self.restart(now_ns)

    def rows_until_flush(self) -> None:
        """Return None: what comes before a restart and what after it is told by its instant."""

    def on_close(self, now_ns: int) -> None:
        """Hand the close on; a writer that dies in it is started again, and closed."""
        try:
            self.writer.on_close(now_ns)
        except WriterKilled:
            self.restart(now_ns)
            self.writer.on_close(now_ns)

    def restart(self, now_ns: int) -> None:
        """Let the writer die now, with all that is not on disk, and start a new one."""
        dead = self.writer
        self._findings += dead.verdict().findings
        self._flush_log += dead.flush_log
        self.writer = self.make(self.directory, self.options, self.files)
        on_disk = self.dataset.rows() - self._rows_before
        dropped = sum(finding.evidence.get("dropped", 0) for finding in dead.verdict().findings)
        lost = dead.counters.received - dropped - (on_disk - self._stored)
        self.deaths += 1
        self.lost += lost + dropped
        self._stored = on_disk
        evidence = {"dropped": lost, "on_disk": on_disk}
        self._findings.append(
            Finding(
                self.name, "klines_lost_in_crash", Severity.ERROR, at_ns=now_ns, evidence=evidence
            )
        )

    def equations(self) -> list[Equation]:
        """Return the conservation laws over all its lives; they balance after the close."""
        if not self.deaths:
            return self.writer.equations()
        counters = self.writer.counters
        on_disk = self.dataset.rows() - self._rows_before
        parts = {
            "written": self._stored + counters.committed,
            "dropped": self.dropped,
        }
        return [
            Equation("klines taken", self.name, self._received, parts),
            Equation("klines written", self.name, parts["written"], {"rows on disk": on_disk}),
        ]

    def verdict(self) -> Verdict:
        """Return what the writers lost, and why."""
        last = self.writer.verdict()
        if not self.deaths:
            return last
        counts = {**last.counts, "deaths": self.deaths}
        findings = [*self._findings, *last.findings]
        return Verdict.of(self.name, counts, findings, last.not_checked)
