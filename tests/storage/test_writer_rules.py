"""The writer's rules that production breaks, each on and off."""

from __future__ import annotations

from pathlib import Path

import pytest
from kline_harness.columns import Rows
from kline_harness.ledger import judge
from kline_harness.storage.parquet_writer import ParquetWriter, WriterOptions
from kline_harness.verdict import Validity

from tests.checks.tables import series, table

FINALS = table(series("0 1 2 3 4 5"))


def written(folder: Path, options: WriterOptions) -> ParquetWriter:
    """Write six finals in three deliveries, a timer after each, and close."""
    writer = ParquetWriter(folder, options)
    for start in (0, 2, 4):
        writer.on_rows(start, Rows(FINALS, start, start + 2))
        if start < 4:
            writer.on_timer(start + 1)
    writer.on_close(9)
    return writer


def kinds(writer: ParquetWriter) -> list[str]:
    return [finding.kind for finding in writer.verdict().findings]


def is_balanced(writer: ParquetWriter) -> bool:
    return judge(writer.equations()).validity is Validity.VALID


def test_the_buffer_is_flushed_at_the_close_or_missing_in_the_ledger(tmp_path: Path) -> None:
    writer = written(tmp_path / "on", WriterOptions())
    assert (writer.counters.committed, is_balanced(writer)) == (6, True)
    writer = written(tmp_path / "off", WriterOptions(flushes_on_close=False))
    assert (writer.counters.committed, is_balanced(writer)) == (4, False)
    assert kinds(writer) == []


@pytest.mark.parametrize(
    ("failing", "retries", "stored", "found"),
    [
        ((0,), False, [2, 3, 4, 5], ["write_failed"]),
        ((0,), True, [0, 1, 2, 3, 4, 5], ["write_put_off"]),
        ((0, 1), True, [0, 1, 2, 3, 4, 5], ["write_put_off", "write_put_off"]),
        ((2,), True, [0, 1, 2, 3, 4, 5], ["write_put_off"]),
        ((2, 3, 4), True, [0, 1, 2, 3], ["write_put_off", "write_put_off", "write_failed"]),
    ],
)
def test_a_failed_commit_is_dropped_or_tried_again(
    failing: tuple[int, ...], retries: bool, stored: list[int], found: list[str], tmp_path: Path
) -> None:
    options = WriterOptions(part_rows=1, failing_commits=failing, retries=retries)
    writer = written(tmp_path, options)
    minutes = [row["open_time"].minute for row in writer.dataset.read().to_pylist()]
    assert minutes == stored
    assert kinds(writer) == found
    assert writer.counters.dropped == 6 - len(stored)
    assert is_balanced(writer)


def test_lag_is_counted_or_not(tmp_path: Path) -> None:
    for counts_lag, missed in ((True, 7), (False, 0)):
        writer = ParquetWriter(tmp_path / str(counts_lag), WriterOptions(counts_lag=counts_lag))
        writer.on_lag(1, 7)
        assert writer.counters.lag_missed == missed
        assert kinds(writer) == ["klines_lost_to_lag"] * counts_lag
