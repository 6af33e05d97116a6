"""Rows of files of the exchange's klines: what was read does not stay in memory."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

from kline_harness.archives.kline_rows import RowSpool
from kline_harness.archives.klines import read_all_klines

ROWS, FILES = 1_440, 200
START_MS = 1_715_731_200_000
# Nine fields and two times, in 64 bits each.
BYTES_A_ROW = 11 * 8


def test_short_files_beyond_so_many_rows_wait_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "ALFAUSDT-1m-2024-05-15.csv"
    lines = (
        f"{START_MS + n * 60_000},1,{n + 2},1,2,5,{START_MS + n * 60_000 + 59_999},9,{n},1,2,0"
        for n in range(ROWS)
    )
    path.write_text("\n".join(lines))
    spool = RowSpool()
    (first,) = read_all_klines(path, spool=spool)
    gc.collect()
    tracemalloc.start()
    files = [first]
    for _ in range(FILES - 1):
        files += read_all_klines(path, spool=spool)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 0.8 * FILES * ROWS * BYTES_A_ROW
    for one in (files[0], files[-1]):
        batch = one.rows.whole()
        assert batch.count.tolist() == list(range(ROWS))
        assert batch.high.tolist()[-1] == ROWS + 1
