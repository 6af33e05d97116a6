"""The record of a run, and its ledger as a table."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from kline_harness.errors import InputError, OutputError
from kline_harness.ledger import Equation, EquationTable, Ledger, judge
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


def test_equations_in_columns_are_the_same_equations(tmp_path: Path) -> None:
    table = EquationTable(("traded", "counted"), ("klines", "late", "lost"))
    table.add("AUSDT 1m", [3 * 10**30, 5], {"klines": [3 * 10**30, 5], "late": [0, 0]})
    table.add("AUSDT 3m", [8, -2], {"klines": [1, -2], "late": [7, 0]})
    table.add("BUSDT 1m", [2**64, 4], {"klines": [2**64 - 1, 1], "late": [1, 2]})
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
    assert ran.run["schema"] == RUN_SCHEMA == "kline-harness/run/3"
    assert record.to_dict() == ran.run
    equations = ran.equations()
    assert sum(law["equations"] for law in record.ledger) == len(equations)
    assert ran.check("ledger")["counts"]["equations"] == len(equations)
    assert {law["law"] for law in record.ledger} == {one["law"] for one in equations}
    received = [one for one in equations if one["law"] == "trades received"]
    (law,) = (one for one in record.ledger if one["law"] == "trades received")
    assert law["total"] == sum(one["total"] for one in received)


def test_a_record_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": "kline-harness/run/2"}))
    with pytest.raises(InputError, match="kline-harness/run/3"):
        read_record(tmp_path / "run.json")


@pytest.mark.parametrize("name", ["identical", "proved", "consistent", "unexplained", "missing"])
def test_a_class_without_a_number_is_refused(tmp_path: Path, name: str) -> None:
    ran = replay(tmp_path / "run", UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip", "--audit", "off")
    series = {"symbol": "ALFAUSDT", "interval": "1m", name: None}
    run = ran.run | {"comparison": {**(ran.run["comparison"] or {}), "series": [series]}}
    (ran.folder / "run.json").write_text(json.dumps(run))
    with pytest.raises(InputError, match=name):
        read_record(ran.folder / "run.json")
