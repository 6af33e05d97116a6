"""What the audits of a channel share: rows are queued, and checked in blocks of one size."""

from __future__ import annotations

from functools import partial
from typing import Generic

from kline_harness.background import InBackground
from kline_harness.checks.finding_log import FindingLog
from kline_harness.columns import Rows, T
from kline_harness.pending_rows import Pending
from kline_harness.units import INT64_MAX
from kline_harness.verdict import Finding

# Blocks that may wait while the thread has other work, such as storing klines: what waits is a few
# megabytes.
_BLOCKS_WAITING = 6


class QueuedAudit(Generic[T]):
    """Queues what it is handed and checks `block_rows` of it at a time, in a thread.

    A subclass checks rows in `_check`. Whatever else reads or changes what that leaves behind
    waits for it before (`_settle`).
    """

    timer_period_ns: int | None = None
    # A block goes over what is open of every symbol: with many of them there should be fewer.
    rows_a_symbol = 0

    def __init__(self, name: str, block_rows: int, findings_per_kind: int) -> None:
        self.name = name
        self._block_rows = block_rows
        self._pending: Pending[T] = Pending()
        self._log = FindingLog(name, findings_per_kind)
        self._checking = InBackground(_BLOCKS_WAITING)

    def on_rows(self, now_ns: int, rows: Rows[T]) -> None:
        """Queue rows; check each full block."""
        self._pending.add(rows)
        count = max(self._block_rows, self.rows_a_symbol * len(rows.base.instruments))
        while self._pending.rows >= count:
            pieces = self._pending.cut(count)
            self._checking.run(partial(self._check, pieces))

    def rows_until_flush(self) -> int:
        """Return how many rows may come at once: their instants are in them."""
        return INT64_MAX

    def on_timer(self, now_ns: int) -> None:
        """Nothing is due by time."""

    def catch_up(self) -> int:
        """Check what is queued; return how many findings there are so far."""
        self._settle()
        if self._pending.rows:
            self._check(self._pending.cut(self._pending.rows))
        return sum(self._log.counts.values())

    def findings(self) -> list[Finding]:
        """Return what was found so far, in the order of the stream."""
        self._settle()
        return self._log.findings()

    def _settle(self) -> None:
        """Wait for the block that is being checked."""
        self._checking.wait()

    def _check(self, pieces: list[Rows[T]]) -> None:
        raise NotImplementedError
