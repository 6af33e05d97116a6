"""The stored klines as a page holds them: series by name, and little beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.errors import InputError
from kline_harness.kline import SCHEMA
from kline_harness.report.klines import read_klines

from tests.test_run_export import kline, store

NS_PER_MINUTE = 60 * 10**9


def test_series_are_put_together_from_parts_and_row_groups(tmp_path: Path) -> None:
    first = [kline("B", 1), kline("A", 2, trigger="end"), kline("B", 0)]
    store(tmp_path, first, [kline("A", 1, interval="1h", high=7), kline("A", 0)])
    found = read_klines(tmp_path / "klines")
    assert [(one.symbol, one.interval, len(one)) for one in found] == [
        *(("A", "1m", 2), ("A", "1h", 1), ("B", "1m", 2)),
    ]
    minutes, hours, other = found
    assert minutes.open_time_ns.tolist() == [0, 2 * NS_PER_MINUTE]
    assert minutes.ended.tolist() == [False, True]
    assert hours.high.tolist() == [7.0]
    assert other.open_time_ns.tolist() == [0, NS_PER_MINUTE]


def test_a_part_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    store(tmp_path, [kline("A", 0)])
    table = pa.Table.from_pylist([kline("A", 1)], schema=SCHEMA).drop(["volume"])
    pq.write_table(table, tmp_path / "klines" / "part-00001.parquet")
    with pytest.raises(InputError, match=r"part-00001.parquet.*expected the columns volume"):
        read_klines(tmp_path / "klines")


# Prints by how many bytes a kline reading them makes a process larger, at its largest. The figure
# of `resource` would begin with that of the process which started this one.
MEASURE = """
import re, sys
from pathlib import Path
from kline_harness.report.klines import read_klines
def kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = kilobytes("VmRSS")
series = read_klines(Path(sys.argv[1]))
print((kilobytes("VmHWM") - before) * 1024 // sum(map(len, series)))
"""


def test_many_klines_are_held_once(tmp_path: Path) -> None:
    """Their table and their columns twice were 412 bytes a kline, of which 73 are the columns."""
    rows = 400_000
    one = pa.Table.from_pylist([kline("A", 0)], schema=SCHEMA)
    times = pa.array(np.arange(rows) * 60_000_000).cast(SCHEMA.field("open_time").type)
    many = one.take(pa.array(np.zeros(rows, dtype=np.int64))).set_column(2, "open_time", times)
    (tmp_path / "klines").mkdir()
    pq.write_table(many, tmp_path / "klines" / "part-00000.parquet", row_group_size=4_000)
    words = [sys.executable, "-c", MEASURE, str(tmp_path / "klines")]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 330
