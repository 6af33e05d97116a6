"""Rows that contradict each other: a replay without the exchange's klines rests on nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kline_harness.cli import run as command

START_MS = 1_715_767_200_000


def raw(count: int = 200) -> list[list[str]]:
    """Trades a second apart: id, price, quantity, quote quantity, time, is_buyer_maker."""
    return [
        [
            str(5_000 + n),
            "2.50",
            "4.0",
            "10.000",
            str(START_MS + n * 1_000),
            str(n % 2 == 0).lower(),
        ]
        for n in range(count)
    ]


def aggregated(count: int = 200) -> list[list[str]]:
    """Aggregates of two trades each: id, price, quantity, first, last, time, is_buyer_maker."""
    return [
        [
            *(str(900 + n), "2.50", "4.0", str(5_000 + 2 * n), str(5_001 + 2 * n)),
            *(str(START_MS + n * 1_000), str(n % 2 == 0).lower()),
        ]
        for n in range(count)
    ]


def klines(volumes: list[str]) -> str:
    """The 1m klines of 60 trades a minute, as far as they are stated."""
    rows = [f"{START_MS + 60_000 * n},2.50,2.50,2.50,2.50,{v}\n" for n, v in enumerate(volumes)]
    return "open_time,open,high,low,close,volume\n" + "".join(rows)


def replayed(
    tmp_path: Path, kind: str, rows: list[list[str]], theirs: str = ""
) -> tuple[int, dict[str, Any]]:
    heads = {
        "trades": "id,price,qty,quote_qty,time,is_buyer_maker",
        "aggTrades": "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,"
        "is_buyer_maker",
    }
    file = tmp_path / f"FOXUSDT-{kind}.csv"
    file.write_text("\n".join([heads[kind], *(",".join(row) for row in rows)]) + "\n")
    words = ["replay", str(file), "--intervals", "1m", "--audit", "off", "--no-report"]
    if theirs:
        (tmp_path / "FOXUSDT-1m.csv").write_text(theirs)
        words += ["--klines", str(tmp_path / "FOXUSDT-1m.csv")]
    code = command([*words, "--out", str(tmp_path / "run")])
    findings = (tmp_path / "run" / "findings.ndjson").read_text().splitlines()
    found = [json.loads(line) for line in findings]
    return code, {one["kind"]: one for one in found if one["check"] == "files"}


def again(tmp_path: Path) -> Path:
    (tmp_path / "again").mkdir()
    return tmp_path / "again"


@pytest.mark.parametrize("kind", ["trades", "aggTrades"])
def test_rows_that_keep_every_law(tmp_path: Path, kind: str) -> None:
    rows = raw() if kind == "trades" else aggregated()
    assert replayed(tmp_path, kind, rows) == (0, {})
    # In any other order too: each row has both its id and its time.
    assert replayed(again(tmp_path), kind, rows[::-1]) == (0, {})


@pytest.mark.parametrize(("row", "hours"), [(1, -1), (1, 1), (100, -1), (100, 1), (199, -1)])
def test_a_time_that_the_ids_contradict(tmp_path: Path, row: int, hours: int) -> None:
    rows = raw()
    rows[row][4] = str(int(rows[row][4]) + hours * 3_600_000)
    code, found = replayed(tmp_path, "trades", rows)
    assert code == 3
    assert found["time_backwards"]["evidence"]["rows"] == 1


def test_ids_that_fall_with_time(tmp_path: Path) -> None:
    rows = raw()
    for n, row in enumerate(rows):
        row[0] = str(9_000 - n)
    code, found = replayed(tmp_path, "trades", rows)
    assert code == 3
    assert found["time_backwards"]["evidence"]["rows"] == len(rows) - 1


@pytest.mark.parametrize(("stated", "code"), [("1.0", 3), ("10.001", 3), ("10.0", 0), ("10", 0)])
def test_a_quote_quantity_that_is_no_product(tmp_path: Path, stated: str, code: int) -> None:
    rows = raw()
    rows[99][3] = stated
    got, found = replayed(tmp_path, "trades", rows)
    assert got == code
    assert set(found) == ({"quote_not_product"} if code else set())


def test_quote_quantities_rounded_to_fewer_decimals(tmp_path: Path) -> None:
    rows = raw()
    for row in rows:
        row[1], row[2], row[3] = "2.51", "0.3", "0.75"
    assert replayed(tmp_path, "trades", rows) == (0, {})


def test_aggregates_that_share_a_raw_trade(tmp_path: Path) -> None:
    rows = aggregated()
    rows[50][3] = str(int(rows[50][3]) - 1)
    code, found = replayed(tmp_path, "aggTrades", rows)
    assert code == 3
    assert found["overlapping_aggregates"]["evidence"]["rows"] == 1


def test_klines_of_the_exchange_bear_the_rows_out(tmp_path: Path) -> None:
    rows = raw(180)
    rows[100][0], rows[101][0] = rows[101][0], rows[100][0]
    code, found = replayed(tmp_path, "trades", rows, klines(["240.0"] * 3))
    assert found["time_backwards"]["severity"] == "notice"
    assert code == 0
    code, found = replayed(again(tmp_path), "trades", rows)
    assert (code, found["time_backwards"]["severity"]) == (3, "doubt")
