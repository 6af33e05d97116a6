"""The record of a run, and its ledger as a table."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from kline_harness.errors import InputError, OutputError
from kline_harness.ledger import Equation
from kline_harness.run_record import (
    LEDGER_FILE,
    RUN_SCHEMA,
    ledger_sums,
    read_ledger,
    read_record,
    write_ledger,
)

from tests.replays import UM_DAY, replay

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
    assert record["schema"] == RUN_SCHEMA == "kline-harness/run/2"
    equations = ran.equations()
    assert sum(law["equations"] for law in record["ledger"]) == len(equations)
    assert ran.check("ledger")["counts"]["equations"] == len(equations)
    assert {law["law"] for law in record["ledger"]} == {one["law"] for one in equations}
    received = [one for one in equations if one["law"] == "trades received"]
    (law,) = (one for one in record["ledger"] if one["law"] == "trades received")
    assert law["total"] == sum(one["total"] for one in received)


def test_a_record_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": "kline-harness/run/1"}))
    with pytest.raises(InputError, match="kline-harness/run/2"):
        read_record(tmp_path / "run.json")
