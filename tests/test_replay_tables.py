"""Trades in a Parquet table, by a column map: the same klines as from the archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from tests.replays import UM_DAY, replay

MAP = """
price = "px"
quantity = "size"
time = "ts"
id = "trade"
maker = "maker"
market = "um"
"""


def test_a_mapped_table_makes_the_exchanges_klines(tmp_path: Path) -> None:
    archive = UM_DAY / "ALFAUSDT-trades-2024-05-15.zip"
    table = pacsv.read_csv(
        pa.BufferReader(_member(archive)),
        convert_options=pacsv.ConvertOptions(
            column_types={"price": pa.decimal128(18, 4), "qty": pa.decimal128(18, 4)}
        ),
    )
    table = table.select(["id", "price", "qty", "time", "is_buyer_maker"])
    mapped = tmp_path / "ALFAUSDT.parquet"
    pq.write_table(table.rename_columns(["trade", "px", "size", "ts", "maker"]), mapped)
    columns = tmp_path / "map.toml"
    columns.write_text(MAP)
    ran = replay(
        tmp_path / "run",
        mapped,
        "--columns",
        columns,
        "--symbol",
        "ALFAUSDT",
        "--audit",
        "off",
        "--klines",
        UM_DAY / "ALFAUSDT-1m-2024-05-15.zip",
    )
    assert ran.exit_code == 0, ran.output
    minutes = ran.series("ALFAUSDT", "1m")
    assert minutes["identical"] + minutes["proved"] + minutes["consistent"] == 1440
    assert minutes["identical"] >= 1438
    assert ran.run["scenario"]["columns"]["columns"]["price"] == "px"


def test_a_table_without_a_map_is_told(tmp_path: Path) -> None:
    mapped = tmp_path / "ALFAUSDT.parquet"
    pq.write_table(pa.table({"px": [1]}), mapped)
    ran = replay(tmp_path / "run", mapped)
    assert ran.exit_code == 2
    assert ran.output.startswith("error: ")


def _member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0])
