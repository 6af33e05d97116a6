"""The writer: exact, whole files or none, and an account that balances."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kline_harness.columns import Instrument, Rows
from kline_harness.decimals import scale_to_words
from kline_harness.errors import OutputError
from kline_harness.kline import DECIMAL_COLUMNS, SCHEMA, KlineBatch
from kline_harness.storage.dataset import KlineDataset
from kline_harness.storage.filesystem import LocalFileSystem
from kline_harness.storage.kline_table import storable
from kline_harness.storage.parquet_writer import ParquetWriter, WriterOptions
from kline_harness.units import INT64_MAX, to_decimal
from kline_harness.verdict import Validity

from tests.checks.tables import opening, pieces, published, rolled, series, table
from tests.contracts.consumer import check_consumer

NOW_NS = opening("1m", 0)


def minutes(count: int, symbol: str = "ALFAUSDT") -> KlineBatch:
    return table(series(" ".join(map(str, range(count))), symbol=symbol))


def written(directory: Path, batch: KlineBatch, **options: Any) -> ParquetWriter:
    writer = ParquetWriter(directory, WriterOptions(**options))
    writer.on_rows(NOW_NS, Rows.all(batch))
    writer.on_close(NOW_NS)
    return writer


def test_contract(tmp_path: Path) -> None:
    made: list[Path] = []

    def make() -> ParquetWriter:
        made.append(tmp_path / str(len(made)))
        return ParquetWriter(made[-1], WriterOptions(buffer_rows=3, part_rows=5))

    check_consumer(make, rounds=5)


def test_flushes_by_size_by_timer_and_at_the_end(tmp_path: Path) -> None:
    writer = ParquetWriter(tmp_path, WriterOptions(buffer_rows=4, part_rows=6))
    assert writer.timer_period_ns == 10**9
    writer.on_rows(NOW_NS, Rows.all(minutes(3)))
    assert writer.counters.flushes == 0
    writer.on_rows(NOW_NS, Rows.all(minutes(6)))
    assert (writer.counters.flushes, writer.counters.flushed) == (2, 8)
    assert (writer.counters.parts, writer.counters.committed) == (1, 8)
    writer.on_timer(NOW_NS)
    writer.on_timer(NOW_NS)
    assert (writer.counters.flushes, writer.counters.parts) == (3, 1)
    assert not all(equation.balanced for equation in writer.equations())
    writer.on_close(NOW_NS)
    assert [path.name for path in writer.dataset.parts()] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    assert writer.dataset.rows() == writer.counters.committed == 9
    assert all(equation.balanced for equation in writer.equations())
    assert writer.verdict().validity is Validity.VALID


def test_rows_missing_on_disk_unbalance_the_account(tmp_path: Path) -> None:
    writer = written(tmp_path, minutes(9), buffer_rows=3, part_rows=3)
    writer.dataset.parts()[1].unlink()
    assert [equation.balanced for equation in writer.equations()] == [True, False]


def test_lag_is_a_finding_with_its_count(tmp_path: Path) -> None:
    writer = ParquetWriter(tmp_path)
    writer.on_lag(NOW_NS, 11)
    writer.on_close(NOW_NS)
    verdict = writer.verdict()
    assert verdict.validity is Validity.INVALID
    assert [(f.kind, f.evidence) for f in verdict.findings] == [
        ("klines_lost_to_lag", {"missed": 11})
    ]
    assert verdict.counts["lag_missed"] == 11


def test_writer_that_dies_loses_what_is_not_committed_and_says_so(tmp_path: Path) -> None:
    writer = ParquetWriter(tmp_path, WriterOptions(buffer_rows=2, part_rows=4))
    writer.on_rows(NOW_NS, Rows.all(minutes(7)))
    writer.abandon(NOW_NS)
    assert (writer.counters.committed, writer.counters.dropped) == (4, 3)
    assert all(equation.balanced for equation in writer.equations())
    assert writer.verdict().findings[0].kind == "klines_lost_in_crash"


# --- content -----------------------------------------------------------------------------------


def full_stream() -> KlineBatch:
    """Klines of two symbols with different scales, one of them beyond int64."""
    alfa = series("0 1 2q 3 4 5")
    beta = series("0 1", symbol="BETAUSDT")
    beta[1]["quote_volume"] = 2**63 + 12345
    rows = published(alfa, rolled(alfa, "3m"), rolled(alfa, "1M"), beta)
    return table(rows, {"BETAUSDT": (7, 8)})


def expected(batch: KlineBatch, name: str) -> list[Any]:
    """Return a decimal column as it should read."""
    scale = "price_scale" if name in batch.price_columns() else "quantity_scale"
    scale = "quote_scale" if name in batch.quote_columns() else scale
    scales = [getattr(batch.instruments[code], scale) for code in batch.symbol]
    values = getattr(batch, name).tolist()
    return [to_decimal(value, digits) for value, digits in zip(values, scales, strict=True)]


def test_reads_as_one_table_everywhere(tmp_path: Path) -> None:
    batch = full_stream()
    writer = written(tmp_path, batch, buffer_rows=2, part_rows=4)
    assert writer.counters.parts > 1
    arrow = writer.dataset.read()
    assert arrow.schema.remove_metadata() == SCHEMA
    frame = pd.read_parquet(tmp_path)
    polars = pl.read_parquet(tmp_path / "*.parquet")
    query = f"select * from '{tmp_path}/*.parquet'"
    found = duckdb.connect().execute(query).fetchall()
    ducks = dict(zip(SCHEMA.names, zip(*found, strict=True), strict=True))
    for name in DECIMAL_COLUMNS:
        wanted = expected(batch, name)
        assert arrow[name].to_pylist() == wanted
        assert frame[name].tolist() == wanted
        assert polars[name].to_list() == wanted
        assert list(ducks[name]) == wanted
    for name in ("count", "first_trade_id", "last_trade_id"):
        wanted = getattr(batch, name).tolist()
        assert arrow[name].to_pylist() == frame[name].tolist() == polars[name].to_list() == wanted
        assert list(ducks[name]) == wanted
    texts = [batch.symbol_text(row) for row in range(len(batch))]
    assert arrow["symbol"].to_pylist() == frame["symbol"].tolist() == texts
    assert polars["symbol"].to_list() == list(ducks["symbol"]) == texts
    opens = [time_ns // 1000 for time_ns in batch.open_time_ns.tolist()]
    assert arrow["open_time"].cast("int64").to_pylist() == opens
    assert frame["open_time"].dt.as_unit("us").astype("int64").tolist() == opens
    assert polars["open_time"].dt.epoch("us").to_list() == opens
    assert [round(t.timestamp() * 1e6) for t in ducks["open_time"]] == opens
    published_ns = batch.at_ns.tolist()
    assert arrow["finalized_at"].cast("int64").to_pylist() == published_ns
    assert frame["finalized_at"].astype("int64").tolist() == published_ns
    assert polars["finalized_at"].dt.epoch("ns").to_list() == published_ns


def test_close_time_is_the_next_open_time(tmp_path: Path) -> None:
    writer = written(tmp_path, table(series("0 1", "1M")))
    closes = writer.dataset.read()["close_time"].cast("int64").to_pylist()
    assert closes == [opening("1M", step) // 1000 for step in (1, 2)]
    assert set(writer.dataset.read()["trigger"].to_pylist()) == {"tick"}


@settings(deadline=None)
@given(st.lists(st.integers(-INT64_MAX - 1, INT64_MAX), min_size=1), st.integers(0, 18))
@example([-INT64_MAX - 1, INT64_MAX, 0, -1, 1], 18)
def test_128_bit_product_is_exact(values: list[int], digits: int) -> None:
    column = np.array(values, dtype=np.int64)
    words = scale_to_words(column, np.full(len(values), 10**digits, dtype=np.uint64))
    found = [int.from_bytes(row.tobytes(), "little", signed=True) for row in words]
    assert found == [value * 10**digits for value in values]


@settings(deadline=None)
@given(st.integers(-(10**38), 10**38), st.integers(0, 24), st.booleans())
def test_stored_exactly_or_refused(value: int, scale: int, as_object: bool) -> None:
    rows = series("0")
    rows[0] |= {"volume": value, "taker_buy_volume": 0}
    batch = table(rows)
    if as_object:
        batch = batch.with_columns({"volume": batch.volume.astype(object)})
    instrument = Instrument("ALFAUSDT", 2, scale, 5)
    batch = KlineBatch.build((instrument,), {n: getattr(batch, n) for n in batch.column_names()})
    number = Decimal(f"{value}e-{scale}")
    fits = (value * 10**18) % 10**scale == 0 and abs(value) * 10**18 < 10 ** (38 + scale)
    assert storable(batch).tolist() == [fits]
    if fits:
        (stored,) = batch.to_arrow()["volume"].to_pylist()
        assert stored == number
    else:
        with pytest.raises(OutputError, match=r"ALFAUSDT: volume .* does not fit decimal128"):
            batch.to_arrow()


def test_klines_that_cannot_be_stored_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = series("0 1 2 3")
    rows[1]["volume"] = 10**38
    rows[3]["open_time_ns"] += 1
    writer = written(tmp_path, table(rows))
    (finding,) = writer.verdict().findings
    assert finding.kind == "not_storable"
    assert finding.evidence["dropped"] == writer.counters.dropped == 2
    assert "ALFAUSDT: volume 1" in finding.evidence["first"]
    assert writer.verdict().validity is Validity.INVALID
    assert all(equation.balanced for equation in writer.equations())
    opens = writer.dataset.read()["open_time"].cast("int64").to_pylist()
    assert opens == [opening("1m", step) // 1_000 for step in (0, 2)]


def test_times_finer_than_a_microsecond_are_refused() -> None:
    rows = series("0")
    rows[0]["open_time_ns"] += 1
    with pytest.raises(OutputError, match="finer than the microseconds"):
        table(rows).to_arrow()


def digest(directory: Path) -> list[str]:
    return [hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.iterdir())]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=8))
def test_bytes_do_not_depend_on_the_deliveries(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    batch = full_stream()
    digests = []
    for deliveries in ([Rows.all(batch)], pieces(batch, cuts)):
        directory = tmp_path_factory.mktemp("klines")
        writer = ParquetWriter(directory, WriterOptions(buffer_rows=2, part_rows=5))
        for rows in deliveries:
            writer.on_rows(NOW_NS, rows)
        writer.on_close(NOW_NS)
        digests.append(digest(directory))
    assert digests[0] == digests[1]


def test_writing_does_not_import_pandas(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from kline_harness.columns import Rows;"
        "from kline_harness.storage.parquet_writer import ParquetWriter;"
        "from tests.checks.tables import series, table;"
        f"w = ParquetWriter(Path({str(tmp_path)!r}));"
        "w.on_rows(0, Rows.all(table(series('0 1'))));"
        "w.on_close(0); w.equations(); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# --- faults ------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class FaultyFiles(LocalFileSystem):
    """Fails or dies at the n-th step; a dying write leaves half of the data behind."""

    def __init__(self, step: int, error: BaseException) -> None:
        self.steps_left = step
        self.error = error
        self.failed = ""

    def _step(self, name: str) -> None:
        if self.failed and isinstance(self.error, Killed):
            raise self.error
        if self.steps_left == 0:
            self.failed = name
        self.steps_left -= 1
        if self.failed == name:
            raise self.error

    def create(self, path: Path) -> int:
        self._step("create")
        return super().create(path)

    def write(self, handle: int, data: memoryview) -> None:
        try:
            self._step("write")
        except BaseException:
            super().write(handle, data[: len(data) // 2])
            raise
        super().write(handle, data)

    def sync(self, handle: int) -> None:
        self._step("sync")
        super().sync(handle)

    def close(self, handle: int) -> None:
        super().close(handle)
        if not self.failed:
            self._step("close")

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename")
        super().rename(source, target)

    def sync_directory(self, directory: Path) -> None:
        self._step("sync_directory")
        super().sync_directory(directory)

    def remove(self, path: Path) -> None:
        if isinstance(self.error, Killed):
            raise self.error
        super().remove(path)


STEPS = ("create", "write", "sync", "close", "rename", "sync_directory")


def rows_read(directory: Path) -> int:
    """What a reader finds: every file it sees must be whole."""
    dataset = KlineDataset(directory)
    assert dataset.read().num_rows == dataset.rows()
    return dataset.rows()


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_killed_at_any_step_readers_see_old_or_new(tmp_path: Path, step: int) -> None:
    written(tmp_path, minutes(5))
    files = FaultyFiles(step, Killed())
    writer = ParquetWriter(tmp_path, files=LocalFileSystem())
    writer.dataset = KlineDataset(tmp_path, files)
    writer.on_rows(NOW_NS, Rows.all(minutes(7)))
    with pytest.raises(Killed):
        writer.on_close(NOW_NS)
    assert files.failed == STEPS[step]
    assert rows_read(tmp_path) == (12 if STEPS[step] == "sync_directory" else 5)
    after = written(tmp_path, minutes(2))
    assert not list(tmp_path.glob(".*")), "the leftovers of the dead writer are cleared away"
    assert all(equation.balanced for equation in after.equations())
    assert rows_read(tmp_path) in (7, 14)


@pytest.mark.parametrize("step", range(len(STEPS)))
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_failed_commit_is_counted_and_the_writer_goes_on(
    tmp_path: Path, step: int, code: int
) -> None:
    files = FaultyFiles(step, OSError(code, "disk"))
    writer = ParquetWriter(tmp_path, WriterOptions(buffer_rows=3, part_rows=3), files)
    writer.on_rows(NOW_NS, Rows.all(minutes(3)))
    files.failed = "over"
    writer.on_rows(NOW_NS, Rows.all(minutes(6)))
    writer.on_close(NOW_NS)
    (finding,) = writer.verdict().findings
    assert all(equation.balanced for equation in writer.equations())
    assert not list(tmp_path.glob(".*"))
    if STEPS[step] == "sync_directory":
        assert finding.kind == "durability_unknown"
        assert writer.verdict().validity is Validity.UNKNOWN
        assert rows_read(tmp_path) == 9
    else:
        assert finding.kind == "write_failed"
        assert finding.evidence["step"] == STEPS[step]
        assert finding.evidence["reason"] == f"{errno.errorcode[code]}: disk"
        assert writer.counters.dropped == finding.evidence["dropped"] == 3
        assert rows_read(tmp_path) == 6


def test_part_numbers_go_on_in_a_directory_that_has_some(tmp_path: Path) -> None:
    written(tmp_path, minutes(2))
    second = written(tmp_path, minutes(3))
    assert [path.name for path in second.dataset.parts()][-1] == "part-00001.parquet"
    assert all(equation.balanced for equation in second.equations())
    assert second.dataset.rows() == 5


def test_empty_dataset_reads_as_an_empty_table(tmp_path: Path) -> None:
    assert KlineDataset(tmp_path).read().schema == SCHEMA
    assert isinstance(KlineDataset(tmp_path).read(), pa.Table)
