"""How an audit cuts its stream into blocks: fewer where each goes over more symbols."""

from __future__ import annotations

from kline_harness.checks.queued_audit import QueuedAudit
from kline_harness.columns import Rows
from kline_harness.kline import KlineBatch

from tests.checks.tables import series, table


class Counting(QueuedAudit[KlineBatch]):
    rows_a_symbol = 3

    def __init__(self) -> None:
        super().__init__("counting", 5, 10)
        self.blocks: list[int] = []

    def _check(self, pieces: list[Rows[KlineBatch]]) -> None:
        self.blocks.append(sum(map(len, pieces)))


def blocks(symbols: int) -> list[int]:
    audit = Counting()
    rows = [row for k in range(symbols) for row in series("0 1 2 3 4 5", symbol=f"S{k}USDT")]
    audit.on_rows(0, Rows.all(table(rows)))
    audit.catch_up()
    return audit.blocks


def test_blocks_grow_with_the_symbols() -> None:
    assert blocks(1) == [5, 1]
    assert blocks(4) == [12, 12]
    assert blocks(5) == [15, 15]
