"""The consumer that stores every final, and accounts for every one it could not store."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kline_harness.background import InBackground
from kline_harness.columns import Rows, neighbours_joined
from kline_harness.compiled.memory import trim
from kline_harness.errors import OutputError
from kline_harness.kline import KlineBatch
from kline_harness.ledger import Equation
from kline_harness.pending_rows import Pending
from kline_harness.storage.dataset import ROW_GROUP_ROWS, CommitError, KlineDataset
from kline_harness.storage.filesystem import FailingFileSystem, FileSystem, LocalFileSystem
from kline_harness.storage.kline_table import row_groups, storable
from kline_harness.units import NS_PER_SECOND
from kline_harness.verdict import Finding, Severity, Verdict

# A part of fewer rows is stored before a thread would have begun with it.
_ROWS_ALONE_MAX = 50_000
NOT_CHECKED = (
    "the content of the klines: only that each one delivered is on disk, once",
    "that the medium keeps what it confirmed as synced",
)


@dataclass(slots=True)
class WriterCounters:
    """What became of the klines a writer received.

    received = buffered + flushed + dropped from the buffer; flushed = open part + committed +
    dropped from the part. `lag_missed` klines never arrived. `flushes` and `parts` are numbers
    of flushes and of committed files; `dropped` were lost by the writer itself.
    """

    received: int = 0
    buffered: int = 0
    flushed: int = 0
    flushes: int = 0
    committed: int = 0
    parts: int = 0
    dropped: int = 0
    lag_missed: int = 0
    lags: int = 0


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How a writer works.

    `buffer_rows` klines are flushed at once, fewer by the timer; a part is committed when at
    least `part_rows` are flushed. The rest are rules that a writer may break: what is buffered
    is flushed at the close, lags are counted, and with `retries` a part that could not be
    committed is kept for the next commit, and dropped only when that is the last. The commits
    numbered in `failing_commits`, from 0, fail.
    """

    buffer_rows: int = 5_000
    flush_period_ns: int = NS_PER_SECOND
    part_rows: int = 250_000
    flushes_on_close: bool = True
    counts_lag: bool = True
    retries: bool = False
    failing_commits: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if min(self.buffer_rows, self.flush_period_ns, self.part_rows) < 1:
            raise ValueError("expected buffer_rows, flush_period and part_rows above zero")


@dataclass(slots=True)
class ParquetWriter:
    """Buffers finals, flushes them to an open part, and commits parts to a `KlineDataset`.

    A flush happens whenever `buffer_rows` klines are buffered, by the timer, and at the close. A
    failed commit loses its part: the rows are counted as dropped and the writer goes on. So it
    does with klines whose numbers the stored types cannot hold: nothing is ever rounded.
    `flush_log` are (instant, rows) of each flush.

    A thread commits large parts where nothing depends on how that ended but what is counted
    (`_settle`).
    """

    directory: Path
    options: WriterOptions = field(default_factory=WriterOptions)
    files: FileSystem | None = None
    name: str = "writer"
    timer_period_ns: int | None = field(init=False)
    dataset: KlineDataset = field(init=False)
    flush_log: list[tuple[int, int]] = field(init=False, default_factory=list)
    _counters: WriterCounters = field(init=False, default_factory=WriterCounters)
    _committing: InBackground = field(init=False)
    _buffer: Pending[KlineBatch] = field(init=False, default_factory=Pending)
    _open_part: Pending[KlineBatch] = field(init=False, default_factory=Pending)
    _findings: list[Finding] = field(init=False, default_factory=list)
    _rows_before: int = field(init=False)

    def __post_init__(self) -> None:
        self.timer_period_ns = self.options.flush_period_ns
        self._committing = InBackground()
        failing = self.options.failing_commits
        ours = FailingFileSystem(failing) if failing else LocalFileSystem()
        files = ours if self.files is None else self.files
        files.make_directory(self.directory)
        self.dataset = KlineDataset(self.directory, files)
        self.dataset.clear_leftovers()
        self._rows_before = self.dataset.rows()

    @property
    def counters(self) -> WriterCounters:
        """Return what became of the klines so far, with the part that is being committed."""
        self._settle()
        return self._counters

    def on_rows(self, now_ns: int, rows: Rows[KlineBatch]) -> None:
        """Buffer klines; flush each full buffer."""
        self._buffer.add(rows)
        self._counters.received += rows.stop - rows.start
        while self._buffer.rows >= self.options.buffer_rows:
            self._flush(now_ns, self.options.buffer_rows)

    def rows_until_flush(self) -> int:
        """Return how many klines fill the buffer: when the last of them comes, it is flushed."""
        return self.options.buffer_rows - self._buffer.rows

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Record klines that were overwritten before they were read: they are not stored."""
        if not self.options.counts_lag:
            return
        counters = self.counters
        counters.lags += 1
        counters.lag_missed += missed
        self._find("klines_lost_to_lag", Severity.ERROR, now_ns, missed=missed)

    def on_timer(self, now_ns: int) -> None:
        """Flush what is buffered."""
        if self._buffer.rows:
            self._flush(now_ns, self._buffer.rows)

    def on_close(self, now_ns: int) -> None:
        """Flush and commit everything; a second close finds nothing to do."""
        if self.options.flushes_on_close:
            self.on_timer(now_ns)
        if self._commit(now_ns, last=not self.options.retries):
            self._commit(now_ns, last=True)
        self._settle()

    def abandon(self, now_ns: int) -> None:
        """Die: what is not committed is lost, and counted as dropped."""
        lost = self._buffer.rows + self._open_part.rows
        self._buffer, self._open_part = Pending(), Pending()
        if lost:
            self.counters.dropped += lost
            self._find("klines_lost_in_crash", Severity.ERROR, now_ns, dropped=lost)

    def equations(self) -> list[Equation]:
        """Return the writer's conservation laws; they balance after the close."""
        counters = self.counters
        on_disk = self.dataset.rows() - self._rows_before
        delivered = {"written": counters.committed, "dropped": counters.dropped}
        return [
            Equation("klines taken", self.name, counters.received, delivered),
            Equation("klines written", self.name, counters.committed, {"rows on disk": on_disk}),
        ]

    def verdict(self) -> Verdict:
        """Return what the writer lost, and why."""
        counters = self.counters
        counters.buffered = self._buffer.rows
        counts = {name: getattr(counters, name) for name in WriterCounters.__slots__}
        return Verdict.of(self.name, counts, self._findings, NOT_CHECKED)

    def _flush(self, now_ns: int, rows: int) -> None:
        self._buffer.move(rows, self._open_part)
        self._counters.flushed += rows
        self._counters.flushes += 1
        self.flush_log.append((now_ns, rows))
        if self._open_part.rows >= self.options.part_rows:
            self._commit(now_ns, last=not self.options.retries)

    def _commit(self, now_ns: int, *, last: bool) -> bool:
        """Commit the open part; return whether it failed and was kept, not being the last try."""
        self._settle()
        rows = self._open_part.rows
        if rows == 0:
            return False
        pieces = [piece.table() for piece in neighbours_joined(self._open_part.cut(rows))]
        klines = self._only_storable(pieces, now_ns)
        if not klines:
            return False
        if last and rows > _ROWS_ALONE_MAX and isinstance(self.dataset.files, LocalFileSystem):
            self._committing.run(lambda: self._store(klines, now_ns, last=True))
            return False
        return self._store(klines, now_ns, last=last)

    def _store(self, klines: list[KlineBatch], now_ns: int, *, last: bool) -> bool:
        """Commit klines as a part; return whether it failed and they were kept."""
        counters, rows = self._counters, sum(map(len, klines))
        if rows > _ROWS_ALONE_MAX:
            # What was taken and given back since the last part would lie under what it takes.
            trim()
        # If it is not the last try they may be needed again.
        given = klines if last else klines[:]
        try:
            part = self.dataset.commit(row_groups(given, ROW_GROUP_ROWS))
        except CommitError as error:
            failure = {"step": error.step, "reason": error.reason}
            if not last:
                for one in klines:
                    self._open_part.add(Rows.all(one))
                self._find("write_put_off", Severity.NOTICE, now_ns, kept=rows, **failure)
                return True
            counters.dropped += rows
            self._find("write_failed", Severity.ERROR, now_ns, dropped=rows, **failure)
            return False
        counters.committed += rows
        counters.parts += 1
        if part.doubt is not None:
            evidence = {"part": part.path.name, "rows": rows, "reason": part.doubt}
            self._find("durability_unknown", Severity.DOUBT, now_ns, **evidence)
        return False

    def _only_storable(self, pieces: list[KlineBatch], now_ns: int) -> list[KlineBatch]:
        """Leave out klines that the stored types cannot hold exactly, counted as dropped."""
        kept, first, dropped = list[KlineBatch](), None, 0
        for klines in pieces:
            fits = storable(klines)
            if not fits.all():
                refused = klines.take(~fits)
                first, dropped = first or refused[:1], dropped + len(refused)
                klines = klines.take(fits)
            if len(klines):
                kept.append(klines)
        if first is not None:
            self._counters.dropped += dropped
            evidence = {"dropped": dropped, "first": _refusal(first)}
            self._find("not_storable", Severity.ERROR, now_ns, **evidence)
        return kept

    def _settle(self) -> None:
        """Wait for the part that a thread is committing."""
        self._committing.wait()

    def _find(self, kind: str, severity: Severity, now_ns: int, **evidence: object) -> None:
        self._findings.append(Finding(self.name, kind, severity, at_ns=now_ns, evidence=evidence))


def _refusal(kline: KlineBatch) -> str:
    """Return why a kline cannot be stored."""
    try:
        kline.to_arrow()
    except OutputError as error:
        return str(error)
    return ""
