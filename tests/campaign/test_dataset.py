"""The klines of a campaign as a table: the queries of docs/dataset.md, and what is in its files."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.campaign.dataset import (
    compact,
    faults_of,
    read_manifest,
    write_manifest,
    write_series,
)
from kline_harness.errors import InputError
from kline_harness.interval import parse_intervals
from kline_harness.replay import Scenario, replay

from tests.campaign.days import Row, rows_of, write_days

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dataset.md"
BLOCKS = re.findall(r"^(\S[^\n]*):?\n\n```python\n(.*?)```", PAGE.read_text("utf-8"), re.M | re.S)
QUERIES = {text.split()[0].rstrip(":"): code for text, code in BLOCKS if "rows = " in code}
NEEDS = {"DuckDB": "duckdb", "polars": "polars", "pandas": "pandas", "Spark": "pyspark"}
# July and the first of August.
DAYS = 32
SYMBOLS = ("ALFAUSDT", "BETAUSDT")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[list[Row]]]]:
    """A dataset of two symbols, and the rows that it is made of."""
    folder = tmp_path_factory.mktemp("dataset")
    rows = {symbol: rows_of(symbol, DAYS, 40) for symbol in SYMBOLS}
    scenario = Scenario(intervals=parse_intervals("1h,1d,1M"), expectations=False)
    listed: list[dict[str, Any]] = []
    for symbol, days in rows.items():
        paths = write_days(folder / "data", symbol, days)
        replay(scenario, paths, [], folder / symbol, command="test", report=False)
        listed += write_series(folder / symbol / "klines", folder / "table", "um", symbol)
    write_manifest(folder / "table", listed)
    return folder / "table", rows


def with_a_column_more(root: Path, copy: Path, place: int) -> Path:
    """Copy a dataset; one of its files of hours gets a column that this version does not know."""
    shutil.copytree(root, copy)
    content = read_manifest(copy)
    hours = [one for one in content["files"] if "interval=1h" in one["path"]]
    path = copy / hours[place]["path"]
    table = pq.ParquetFile(path).read()
    table = table.append_column("vwap", pa.array([1.5] * len(table), pa.float64()))
    pq.write_table(table, path)
    hours[place]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (copy / "dataset.json").write_text(json.dumps(content))
    return copy


def test_every_query_of_the_page_is_run() -> None:
    assert set(NEEDS) <= set(QUERIES)


@pytest.mark.parametrize("later", ["no file", "the first file", "the last file"])
@pytest.mark.parametrize("name", NEEDS)
def test_a_query_of_the_page(
    name: str, later: str, made: tuple[Path, dict[str, list[list[Row]]]], tmp_path: Path
) -> None:
    """A column that a later program added to some files changes no answer."""
    if find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    root, rows = made
    if later != "no file":
        root = with_a_column_more(root, tmp_path / "later", -1 if "last" in later else 0)
    names: dict[str, Any] = {"dataset": str(root)}
    exec(QUERIES[name], names)
    expected = []
    for symbol, days in rows.items():
        trades = [row for day in days for row in day]
        # From the first trade's hour to the end of the last named day.
        end = datetime(2024, 8, 2, tzinfo=UTC).timestamp() * 1000
        hours = (int(end) - trades[0].time_ms // 3_600_000 * 3_600_000) // 3_600_000
        expected.append((symbol, hours, Decimal(sum(row.thousandths for row in trades)) / 1000))
    assert [(str(symbol), int(n), Decimal(v)) for symbol, n, v in names["rows"]] == expected


def test_months_and_their_files(made: tuple[Path, dict[str, list[list[Row]]]]) -> None:
    root, _ = made
    content = read_manifest(root)
    paths = [one["path"] for one in content["files"]]
    one_hour = [path for path in paths if "symbol=ALFAUSDT/interval=1h/" in path]
    assert one_hour == [
        f"klines/market=um/symbol=ALFAUSDT/interval=1h/month=2024-0{month}/klines.parquet"
        for month in (7, 8)
    ]
    # The kline of August is not over; it is stored as far as it came.
    assert sum("interval=1M" in path for path in paths) in (2, 4)
    for one in content["files"]:
        data = (root / one["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (one["bytes"], one["sha256"])
        table = pq.ParquetFile(root / one["path"]).read()
        opens = table["open_time"].to_pylist()
        month = re.findall(r"month=([\d-]+)", one["path"])
        assert {f"{at:%Y-%m}" for at in opens} == set(month)
        assert opens == sorted(opens)
        assert table.num_rows == one["rows"]
    assert content["rows"] == sum(one["rows"] for one in content["files"])


def test_a_compacted_dataset_has_the_same_rows(
    made: tuple[Path, dict[str, list[list[Row]]]], tmp_path: Path
) -> None:
    root, _ = made
    compact(root, tmp_path / "c")
    before, after = read_manifest(root), read_manifest(tmp_path / "c")
    assert after["rows"] == before["rows"]
    assert len(after["files"]) == 6
    assert faults_of(tmp_path / "c") == []
    months = [
        root / f"klines/market=um/symbol=BETAUSDT/interval=1h/month=2024-0{n}" for n in (7, 8)
    ]
    one = tmp_path / "c/klines/market=um/symbol=BETAUSDT/interval=1h/month=2024-07..2024-08"
    parts = [pq.ParquetFile(month / "klines.parquet").read() for month in months]
    whole = pq.ParquetFile(one / "klines.parquet")
    assert whole.num_row_groups == 2
    assert whole.read().to_pylist() == [row for part in parts for row in part.to_pylist()]
    names: dict[str, Any] = {"dataset": str(root), "compacted": str(tmp_path / "again")}
    exec(QUERIES["`compact`"] if "`compact`" in QUERIES else BLOCKS[0][1], names)
    assert names["rows"] == []


def test_a_column_more_is_kept_and_null_where_a_file_has_none(
    made: tuple[Path, dict[str, list[list[Row]]]], tmp_path: Path
) -> None:
    later = with_a_column_more(made[0], tmp_path / "later", 0)
    compact(later, tmp_path / "c")
    assert read_manifest(tmp_path / "c")["columns"][-1] == {"name": "vwap", "type": "double"}
    series = sorted((tmp_path / "c").glob("**/symbol=ALFAUSDT/interval=1h/*/klines.parquet"))
    values = pq.ParquetFile(series[0]).read()["vwap"].to_pylist()
    july = len(values) - values.count(None)
    assert values == [1.5] * july + [None] * (len(values) - july)
    assert 0 < july < len(values)


def test_what_is_no_dataset_or_not_whole_is_said(
    made: tuple[Path, dict[str, list[list[Row]]]], tmp_path: Path
) -> None:
    root, _ = made
    with pytest.raises(InputError, match="a dataset's list of files"):
        read_manifest(tmp_path)
    content = read_manifest(root)
    (tmp_path / "dataset.json").write_text(
        json.dumps({**content, "schema": "kline-harness/dataset/2"})
    )
    with pytest.raises(InputError, match="kline-harness/dataset/1"):
        read_manifest(tmp_path)
    stale = tmp_path / "klines" / "klines.parquet"
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    write_manifest(tmp_path, content["files"][:1])
    assert not stale.exists()
    faults = faults_of(tmp_path)
    assert len(faults) == 1
    assert "No such file" in faults[0]
    with pytest.raises(InputError, match=r"its dataset\.json lists"):
        compact(tmp_path, tmp_path / "c")
