"""The record of a run, and its ledger as a table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.errors import InputError, OutputError
from kline_harness.ledger import Equation, EquationTable, Ledger, judge
from kline_harness.replay.folder import write_record
from kline_harness.run_record import (
    LEDGER_FILE,
    RUN_SCHEMA,
    RunRecord,
    ledger_sums,
    read_ledger,
    read_record,
    write_ledger,
)
from kline_harness.run_rows import ComparedRow, ComparisonRows, InputRow, NotComparedRow
from kline_harness.units import NS_PER_DAY

from tests.replays import UM_DAY, Ran, replay

DAY_NS = 1_715_731_200 * 10**9  # 2024-05-15
EQUATIONS = [
    Equation("traded volume in 1e-18", "AUSDT 1m", 3 * 10**30, {"klines": 3 * 10**30, "late": 0}),
    Equation("traded volume in 1e-18", "BUSDT 1m", -5, {"klines": -(2**64), "late": 7}),
    Equation("nothing", "all", 0, {}),
    Equation("nothing", "some", 4, {}),
]


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_ledger(tmp_path / LEDGER_FILE, EQUATIONS)
    assert list(read_ledger(tmp_path / LEDGER_FILE)) == [one.to_dict() for one in EQUATIONS]
    balanced = pq.read_table(tmp_path / LEDGER_FILE)["balanced"].to_pylist()
    assert balanced == [True, True, False, False, True, False]


def test_equations_in_columns_are_the_same_equations(tmp_path: Path) -> None:
    table = EquationTable(("traded", "counted"), ("klines", "late", "lost"))
    table.add(["AUSDT 1m"], [3 * 10**30, 5], {"klines": [3 * 10**30, 5], "late": [0, 0]})
    table.add(["AUSDT 3m"], [8, -2], {"klines": [1, -2], "late": [7, 0]})
    table.add(["BUSDT 1m"], [2**64, 4], {"klines": [2**64 - 1, 1], "late": [1, 2]})
    by_hand = [
        Equation("traded", "AUSDT 1m", 3 * 10**30, {"klines": 3 * 10**30, "late": 0, "lost": 0}),
        Equation("counted", "AUSDT 1m", 5, {"klines": 5, "late": 0, "lost": 0}),
        Equation("traded", "AUSDT 3m", 8, {"klines": 1, "late": 7, "lost": 0}),
        Equation("counted", "AUSDT 3m", -2, {"klines": -2, "late": 0, "lost": 0}),
        Equation("traded", "BUSDT 1m", 2**64, {"klines": 2**64 - 1, "late": 1, "lost": 0}),
        Equation("counted", "BUSDT 1m", 4, {"klines": 1, "late": 2, "lost": 0}),
    ]
    ledger = Ledger(EQUATIONS[:2])
    ledger.extend(table)
    ledger.extend(EQUATIONS[2:3])
    ledger.extend(EQUATIONS[3:])
    whole = [*EQUATIONS[:2], *by_hand, *EQUATIONS[2:]]
    assert list(ledger) == whole
    assert len(ledger) == 10
    write_ledger(tmp_path / "columns.parquet", ledger)
    write_ledger(tmp_path / "rows.parquet", whole)
    assert (tmp_path / "columns.parquet").read_bytes() == (tmp_path / "rows.parquet").read_bytes()
    assert list(read_ledger(tmp_path / "columns.parquet")) == [one.to_dict() for one in whole]
    assert ledger_sums(ledger) == ledger_sums(whole)
    counted = ledger_sums(table)[1]
    assert counted == {
        "law": "counted",
        "equations": 3,
        "balanced": 2,
        "total": 7,
        "parts": {"klines": 4, "late": 2, "lost": 0},
    }
    verdict = judge(ledger)
    assert verdict.counts["equations"] == 10
    unbalanced = [one.evidence["subject"] for one in verdict.findings]
    assert unbalanced == ["BUSDT 1m", "BUSDT 1m", "some"]


def test_an_empty_ledger(tmp_path: Path) -> None:
    write_ledger(tmp_path / LEDGER_FILE, [])
    assert list(read_ledger(tmp_path / LEDGER_FILE)) == []
    assert ledger_sums([]) == []


def test_the_sums_of_each_law() -> None:
    first, second = ledger_sums(EQUATIONS)
    assert (first["equations"], first["balanced"], first["total"]) == (2, 1, 3 * 10**30 - 5)
    assert first["parts"] == {"klines": 3 * 10**30 - 2**64, "late": 7}
    assert (second["equations"], second["balanced"], second["parts"]) == (2, 1, {})


def test_a_sum_of_more_digits_than_the_table_holds_is_refused(tmp_path: Path) -> None:
    write_ledger(tmp_path / "most.parquet", [Equation("a", "b", 10**38 - 1, {})])
    with pytest.raises(OutputError, match="more than 38 digits"):
        write_ledger(tmp_path / LEDGER_FILE, [Equation("a", "b", 10**38, {})])


def test_a_run_has_a_record_of_this_schema_and_all_of_its_ledger(tmp_path: Path) -> None:
    ran = replay(tmp_path / "run", UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip", "--audit", "off")
    record = read_record(ran.folder / "run.json")
    assert ran.run["schema"] == RUN_SCHEMA == "kline-harness/run/4"
    assert record.to_dict() == json.loads((ran.folder / "run.json").read_text())
    assert list(record.inputs) == ran.run["inputs"]
    equations = ran.equations()
    assert sum(law["equations"] for law in record.ledger) == len(equations)
    assert ran.check("ledger")["counts"]["equations"] == len(equations)
    assert {law["law"] for law in record.ledger} == {one["law"] for one in equations}
    received = [one for one in equations if one["law"] == "trades received"]
    (law,) = (one for one in record.ledger if one["law"] == "trades received")
    assert law["total"] == sum(one["total"] for one in received)


def test_a_record_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": "kline-harness/run/3"}))
    with pytest.raises(InputError, match="kline-harness/run/4"):
        read_record(tmp_path / "run.json")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    days = (UM_DAY / f"ALFAUSDT-{name}-2024-05-15.zip" for name in ("aggTrades", "1m"))
    return replay(tmp_path_factory.mktemp("compared") / "run", *days, "--audit", "off")


def test_the_rows_of_inputs_and_of_what_was_compared_are_tables(compared: Ran) -> None:
    sums = json.loads((compared.folder / "run.json").read_text())
    inputs, series, left = (
        pq.read_table(compared.folder / f"{name}.parquet").to_pylist()
        for name in ("inputs", "compared", "not_compared")
    )
    assert [row["path"][9:] for row in inputs] == ["aggTrades-2024-05-15.zip", "1m-2024-05-15.zip"]
    assert [row["rows"] for row in inputs] == [10_423, 1_440]
    size = sum((UM_DAY / row["path"]).stat().st_size for row in inputs)
    assert sums["inputs"] == {"files": 2, "bytes": size, "rows": 11_863}
    assert [(row["interval"], row["identical"], row["fields"]) for row in series] == [
        ("1m", 1_440, "{}")
    ]
    assert sums["comparison"]["identical"] == 1_440
    assert sums["comparison"]["not_compared"] == len(left) == 11
    record = read_record(compared.folder / "run.json")
    assert record.comparison is not None
    assert (record.compared[0]["identical"], record.compared[0]["fields"]) == (1_440, {})
    assert record.inputs[0]["coverage"] == [DAY_NS, DAY_NS + NS_PER_DAY]
    assert [row["interval"] for row in record.comparison["not_compared"]] == [
        row["interval"] for row in left
    ]


@pytest.mark.parametrize("name", ["identical", "proved", "consistent", "unexplained", "missing"])
def test_a_class_that_is_no_number_is_refused(tmp_path: Path, name: str, compared: Ran) -> None:
    folder = tmp_path / "run"
    shutil.copytree(compared.folder, folder)
    table = pq.read_table(folder / "compared.parquet")
    place = table.column_names.index(name)
    other = table.set_column(place, name, pa.array(["many"] * table.num_rows))
    pq.write_table(other, folder / "compared.parquet")
    with pytest.raises(InputError, match=f"compared.parquet: expected .*row 1.{name}"):
        read_record(folder / "run.json")


@pytest.mark.parametrize("name", ["inputs", "compared", "not_compared"])
def test_a_record_without_one_of_its_tables_is_refused(
    tmp_path: Path, name: str, compared: Ran
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(compared.folder, folder)
    (folder / f"{name}.parquet").unlink()
    with pytest.raises(InputError, match=f"{name}.parquet"):
        read_record(folder / "run.json")


def test_the_record_of_500_symbols_with_klines_of_every_interval_is_small(tmp_path: Path) -> None:
    intervals = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]
    series = [(f"S{number:03}USDT", interval) for number in range(500) for interval in intervals]
    compared = [
        ComparedRow(symbol=s, interval=i, source=f"{s}-{i}-2024-05-15.zip", identical=1_440)
        for s, i in series
    ]
    left = [NotComparedRow(symbol=s, interval=i, klines=1, names=["count"]) for s, i in series]
    inputs = [
        InputRow(role="klines", path=row["source"] or "", sha256="ab" * 32, rows=1_440)
        for row in compared
    ]
    found = ComparisonRows(series=compared, not_compared=left)
    record = RunRecord(verdict="valid", inputs=inputs, comparison=found)
    write_record(tmp_path, record)
    assert (tmp_path / "run.json").stat().st_size < 2_000
    read = read_record(tmp_path / "run.json")
    assert read.comparison is not None
    rows = (*read.inputs, *read.compared, *read.comparison["not_compared"])
    wrote = (*inputs, *compared, *left)
    assert len(rows) == len(wrote)
    assert all(row.items() >= one.items() for row, one in zip(rows, wrote, strict=True))
