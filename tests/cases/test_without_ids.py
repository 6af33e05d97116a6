"""Sources without trade ids: no number that stands in no file is shown as an id anywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.expectations import InProcessExpectations

from tests.cases.made import CASES
from tests.replays import Ran, command, replay

CASE = CASES / "case01"
TRADES = [CASE / quarter / "FOXUSD.csv" for quarter in ("Q1", "Q2")]
KLINES = CASE / "FOXUSD_1.csv"
IDS = re.compile(r"(^|_)ids?$")
# Counts of ids, words, and what the reader itself says that it does not state.
NO_NUMBERS = {"missing_ids", "ids_stated", "sha256"}
FAULTS = [
    'kind = "drop_trades"\nrate = 0.3',
    'kind = "duplicate_trades"\nrate = 0.3',
    'kind = "delay_trades"\nrate = 0.3\nby = "70s"',
    'kind = "sentinel_rows"\nrate = 0.3',
]
SUBJECTS = ["kline_harness.aggregators.reference:ReferenceAggregator"]


def ids_of(value: Any) -> set[str]:
    """Return the names under which evidence shows an id, or some."""
    found: set[str] = set()
    if isinstance(value, dict):
        for name, inner in value.items():
            shown = inner not in (None, -1, [], {})
            if IDS.search(name) and name not in NO_NUMBERS and shown:
                found.add(name)
            found |= ids_of(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= ids_of(inner)
    return found


def held(ran: Ran) -> None:
    """Hold every file of a run folder."""
    lines = (ran.folder / "findings.ndjson").read_text().splitlines()
    assert ids_of([json.loads(line) for line in lines]) == set()
    assert ids_of({k: v for k, v in ran.run.items() if k != "scenario"}) == set()
    for row in pq.read_table(ran.folder / "differences.parquet").to_pylist():
        for name in ("proof", "trades"):
            assert ids_of(json.loads(row[name] or "{}")) == set()
    table = pq.read_table(ran.folder / "klines")
    for row in table.select(["count", "first_trade_id", "last_trade_id"]).to_pylist():
        none = None if row["count"] else -1
        assert (row["first_trade_id"], row["last_trade_id"]) == (none, none)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_and_differences_name_rows(tmp_path: Path, fault: str) -> None:
    scenario = tmp_path / "s.toml"
    scenario.write_text(f"[[faults]]\n{fault}\n")
    words = ("--klines", KLINES, "--intervals=1m", "--audit=off", "--scenario", scenario)
    held(replay(tmp_path / "run", *TRADES, *words))


def test_another_aggregator_has_none_either(tmp_path: Path) -> None:
    words = ("--klines", KLINES, "--intervals", "1m,5m", "--aggregator", SUBJECTS[0])
    ran = replay(tmp_path / "run", *TRADES, *words)
    assert ran.exit_code == 0
    assert ran.check("exactness")["counts"]["identical"] == 10
    held(ran)


def test_the_page_shows_rows(tmp_path: Path) -> None:
    wrong = tmp_path / "FOXUSD_1.csv"
    head, *rows = KLINES.read_text().splitlines()
    cells = head.split(",")
    wrong.write_text("\n".join([",".join([*cells[:5], "999", *cells[6:]]), *rows]) + "\n")
    ran = replay(tmp_path / "run", *TRADES, "--klines", wrong, "--intervals=1m", quick=False)
    assert ran.exit_code == 1
    assert ran.check("expectations")["verdict"] == "valid"
    held(ran)
    page = (ran.folder / "report.html").read_text()
    assert '[["row","time' in page
    assert '[["id","time' not in page


def test_stored_klines_compare_with_the_exchanges_again(tmp_path: Path) -> None:
    replay(tmp_path / "run", *TRADES, "--intervals=1m")
    again = command("compare", tmp_path / "run", "--klines", KLINES)
    assert again.exit_code == 0
    assert "8 identical" in again.output
    wrong = tmp_path / "FOXUSD_1.csv"
    wrong.write_text(KLINES.read_text().replace("61.48", "61.49", 1))
    assert command("compare", tmp_path / "run", "--klines", wrong).exit_code == 1


def test_an_id_alone_is_not_complete(tmp_path: Path) -> None:
    """A stored kline with one of its two ids, or a quiet one without, lacks a value."""
    replay(tmp_path / "run", *TRADES, "--intervals=1m")
    folder = tmp_path / "run" / "klines"
    table = pq.read_table(folder)
    place = table.schema.get_field_index("last_trade_id")
    ids = pa.array([7, *[None] * (table.num_rows - 1)], pa.int64())
    (part,) = sorted(folder.glob("*.parquet"))
    pq.write_table(table.set_column(place, table.schema.field(place), ids), part)
    found = InProcessExpectations().result(folder)
    assert [one["name"] for one in found["expectations"] if not one["success"]] == ["complete"]


def test_mapped_rows_out_of_order_are_told_as_a_time(tmp_path: Path) -> None:
    rows = ["t,p,q", "1770112810811,2.5,1", "1770112810800,2.5,1"]
    (tmp_path / "FOXUSDT.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "m.toml").write_text('time = "t"\nprice = "p"\nquantity = "q"\n')
    words = ("--columns", tmp_path / "m.toml", "--out", tmp_path / "run")
    ran = command("replay", tmp_path / "FOXUSDT.csv", *words)
    assert ran.exit_code == 2
    assert "line 3: expected trades without ids in order of time" in ran.output
    assert "found 2026-02-03T10:00:10.800Z" in ran.output


def test_files_without_a_trade_of_the_symbol_are_not_of_one_time(tmp_path: Path) -> None:
    head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    for day in (3, 4):
        at = 1_770_112_810_811_000 + day * 86_400_000_000
        row = f"bybit,HENUSDT,{at},{at},x-{day},buy,2.5,1"
        (tmp_path / f"{day}.csv").write_text(f"{head}\n{row}\n")
    words = ("--symbol", "FOXUSDT", "--out", tmp_path / "run")
    ran = command("replay", tmp_path / "3.csv", tmp_path / "4.csv", *words)
    assert (ran.exit_code, "expected trades, found none" in ran.output) == (2, True), ran.output
