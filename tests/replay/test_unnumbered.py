"""Trades of sources that state no ids: numbered by the reader, and nothing made of the numbers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.replays import ROOT, Ran, command, replay

CASE = ROOT / "fixtures" / "cases" / "case01"
KRAKEN = [CASE / "Q1" / "FOXUSD.csv", CASE / "Q2" / "FOXUSD.csv"]
BYBIT = [CASE / "FOXUSDT2026-03-31.csv", CASE / "FOXUSDT2026-04-01.csv"]


def stored(ran: Ran) -> list[dict[str, Any]]:
    (part,) = (ran.folder / "klines").glob("*.parquet")
    rows: list[dict[str, Any]] = pq.read_table(part).to_pylist()
    return rows


@pytest.mark.parametrize(
    ("files", "klines"),
    [(KRAKEN, "FOXUSD_1.csv"), (BYBIT, "FOXUSDT-1m.csv"), (BYBIT[::-1], "FOXUSDT-1m.csv")],
    ids=["kraken", "bybit", "given the other way round"],
)
def test_files_that_follow_each_other_are_one_series(
    tmp_path: Path, files: list[Path], klines: str
) -> None:
    ran = replay(tmp_path / "run", *files, "--klines", CASE / klines, "--intervals", "1m")
    counts = ran.check("trades")["counts"]
    assert (counts["received"], counts["duplicate"]) == (80, 0)
    assert [row["count"] for row in stored(ran)] == [10] * 8
    assert [s["identical"] for s in ran.run["comparison"]["series"]] == [8]
    for told in ran.run["inputs"][:2]:
        assert (told["ids_stated"], told["first_trade_id"], told["rows"]) == (False, None, 40)


def test_an_inspection_of_both_finds_two_healthy_files() -> None:
    ran = command("inspect", *KRAKEN)
    assert (ran.exit_code, "conflict" in ran.output) == (0, False)


def halves(tmp_path: Path, first: slice, second: slice) -> list[Path]:
    """Parts of Kraken's 40 rows as two files."""
    lines = KRAKEN[0].read_text().splitlines(keepends=True)
    paths = []
    for name, part in (("a", first), ("b", second)):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "FOXUSD.csv")
        paths[-1].write_text("".join(lines[part]))
    return paths


def test_files_of_one_time_are_refused(tmp_path: Path) -> None:
    paths = halves(tmp_path, slice(0, 25), slice(20, 40))
    ran = replay(tmp_path / "run", *paths, "--intervals", "1m")
    assert ran.exit_code == 2
    assert "FOXUSD trades of the same time" in ran.output
    assert "states no trade ids" in ran.output
    assert not (tmp_path / "run").exists()
    assert command("inspect", *paths).exit_code == 3


def test_files_that_meet_at_one_instant_are_a_doubt(tmp_path: Path) -> None:
    """The second file begins with the trade that ends the first: doubled, or of the same second."""
    paths = halves(tmp_path, slice(0, 21), slice(20, 40))
    ran = replay(tmp_path / "run", *paths, "--intervals", "1m")
    assert ran.exit_code == 3
    (doubt,) = [f for f in ran.findings() if f["kind"] == "files_meet_without_ids"]
    assert (doubt["severity"], len(doubt["evidence"]["files"])) == ("doubt", 2)


def test_files_with_and_without_ids_are_no_one_series(tmp_path: Path) -> None:
    time, price, quantity = KRAKEN[1].read_text().splitlines()[0].split(",")
    reply = tmp_path / "reply.json"
    reply.write_text(
        f'{{"error":[],"result":{{"FOXUSD":[["{price}","{quantity}",{time},"b","m","",77]]}}}}'
    )
    ran = replay(tmp_path / "run", KRAKEN[0], reply, "--intervals", "1m")
    assert (ran.exit_code, "states ids of FOXUSD trades" in ran.output) == (2, True)


def test_tables_without_an_id_column_go_on_too(tmp_path: Path) -> None:
    paths = []
    for number, file in enumerate(KRAKEN):
        rows = [line.split(",") for line in file.read_text().splitlines()]
        table = pa.table(
            {
                "ts": pa.array([int(Decimal(row[0]) * 1000) for row in rows], pa.int64()),
                "px": [row[1] for row in rows],
                "size": [row[2] for row in rows],
            }
        )
        paths.append(tmp_path / f"FOXUSD-trades-{number}.parquet")
        pq.write_table(table, paths[-1])
    column_map = tmp_path / "map.toml"
    column_map.write_text('price = "px"\nquantity = "size"\ntime = "ts"\n')
    ran = replay(tmp_path / "run", *paths, "--columns", column_map, "--intervals", "1m")
    assert [row["count"] for row in stored(ran)] == [10] * 8


def test_a_finding_names_the_row_and_no_id(tmp_path: Path) -> None:
    path = tmp_path / "FOXUSD.csv"
    path.write_text("1715731200,1.5,2\n1715731201,1.5,0\n1715731265,1.6,1\n")
    ran = replay(tmp_path / "run", path, "--intervals", "1m")
    (rejected,) = [f for f in ran.findings() if f["kind"].startswith("rejected")]
    assert rejected["evidence"] == {"trades": 1, "first_rows": [2]}


def test_closed_klines_of_a_recording_are_compared_with(tmp_path: Path) -> None:
    cases = CASE.parent
    trades = cases / "case11" / "FOXUSDT-aggTrades.jsonl"
    ran = replay(tmp_path / "run", trades, "--klines", cases / "case05" / "klines.txt")
    assert ran.series("FOXUSDT", "1m")["identical"] == 1
    lines = [law for law in ran.equations() if "recording" in law["law"]]
    assert sorted((law["subject"], law["total"], law["balanced"]) for law in lines) == [
        ("FOXUSDT-aggTrades.jsonl", 8, True),
        ("klines.txt", 4, True),
    ]
