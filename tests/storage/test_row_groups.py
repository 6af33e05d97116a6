"""A part is stored row group by row group, in a thread where it is large: to the same bytes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.columns import Rows, concat
from kline_harness.kline import DECIMAL_COLUMNS, SCHEMA, KlineBatch
from kline_harness.storage import parquet_writer
from kline_harness.storage.dataset import KlineDataset
from kline_harness.storage.filesystem import LocalFileSystem
from kline_harness.storage.kline_table import row_groups
from kline_harness.storage.parquet_writer import ParquetWriter, WriterOptions

from tests.checks.tables import opening, series, table

NOW_NS = opening("1m", 0)
SYMBOLS = ("ALFAUSDT", "BETAUSDT", "GAMMAUSDT")


def minutes(first: int, count: int, symbol: str) -> KlineBatch:
    return table(series(" ".join(map(str, range(first, first + count))), symbol=symbol))


@given(
    st.lists(st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 9)), min_size=1, max_size=6),
    st.integers(1, 12),
)
def test_row_groups_are_those_of_the_whole_table(sizes: list[tuple[str, int]], rows: int) -> None:
    klines = [minutes(10 * k, count, symbol) for k, (symbol, count) in enumerate(sizes)]
    whole, dictionary = pa.BufferOutputStream(), ["symbol", "interval", "trigger", *DECIMAL_COLUMNS]
    split = {n: "BYTE_STREAM_SPLIT" for n in SCHEMA.names if n not in dictionary}
    options = {"compression": "zstd", "use_dictionary": dictionary, "column_encoding": split}
    pq.write_table(concat(klines).to_arrow(), whole, row_group_size=rows, **options)
    groups = pa.BufferOutputStream()
    with pq.ParquetWriter(groups, SCHEMA, **options) as file:
        for group in row_groups(klines, rows):
            assert group.num_rows <= rows
            file.write_table(group)
    assert groups.getvalue().equals(whole.getvalue())


class Slow(LocalFileSystem):
    """Files of which some commits fail, as ``failing`` says, and no other has its step."""

    def __init__(self, failing: set[int]) -> None:
        self.failing, self.commits = failing, 0

    def create(self, path: Path) -> int:
        self.commits += 1
        if self.commits in self.failing:
            raise OSError(28, "No space left on device")
        return super().create(path)


def outcome(folder: Path, failing: set[int]) -> tuple[object, ...]:
    """Return what a writer says of itself in the end, and the bytes that it stored."""
    writer = ParquetWriter(folder, WriterOptions(buffer_rows=2, part_rows=4), Slow(failing))
    seen = []
    for k in range(8):
        writer.on_rows(NOW_NS + k, Rows.all(minutes(5 * k, 3, SYMBOLS[k % 3])))
        if k % 3 == 1:
            writer.on_lag(NOW_NS + k, k)
            seen.append((writer.counters.committed, writer.counters.dropped))
    writer.on_close(NOW_NS + 9)
    stored = [path.read_bytes() for path in KlineDataset(folder).parts()]
    return seen, writer.verdict().to_dict(), writer.equations(), writer.flush_log, stored


@pytest.mark.parametrize("failing", [set(), {1}, {2, 3}, {1, 2, 3, 4, 5, 6}])
def test_a_part_committed_in_a_thread_is_accounted_for_as_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: set[int]
) -> None:
    plain = outcome(tmp_path / "plain", failing)
    monkeypatch.setattr(parquet_writer, "_ROWS_ALONE_MAX", 0)
    assert outcome(tmp_path / "threaded", failing) == plain
