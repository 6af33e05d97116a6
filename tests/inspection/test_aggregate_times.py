"""The time of an aggregate against the times of its raw trades."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kline_harness.cli import run as command

START_MS = 1_715_767_200_000
TRADES = "id,price,qty,quote_qty,time,is_buyer_maker"
AGGREGATES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


@pytest.mark.parametrize(
    ("row", "late_ms", "code"),
    [(0, 0, 0), (7, 90, 0), (7, 1_000, 0), (7, 1_001, 1), (79, 120_000, 1)],
)
def test_a_raw_trade_far_from_its_aggregate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: int, late_ms: int, code: int
) -> None:
    side = ("true", "false")
    times = [START_MS + n // 2 * 2_000 for n in range(80)]
    summed = [
        f"{900 + n},2.50,8.0,{5_000 + 2 * n},{5_001 + 2 * n},{times[2 * n]},{side[n % 2]}"
        for n in range(40)
    ]
    times[row] += late_ms
    raw = [f"{5_000 + n},2.50,4.0,10.00,{times[n]},{side[n // 2 % 2]}" for n in range(80)]
    (tmp_path / "FOXUSDT-trades.csv").write_text("\n".join([TRADES, *raw]) + "\n")
    (tmp_path / "FOXUSDT-aggTrades.csv").write_text("\n".join([AGGREGATES, *summed]) + "\n")
    files = [str(tmp_path / f"FOXUSDT-{kind}.csv") for kind in ("trades", "aggTrades")]
    assert command(["inspect", *files, "--json"]) == code
    found = json.dumps(json.loads(capsys.readouterr().out))
    assert ("aggregate_differs" in found) == bool(code)


@pytest.mark.parametrize("row", [0, 17, 39])
def test_an_aggregate_whose_first_id_is_after_its_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: int
) -> None:
    """Wherever it stands, and as far beyond the raw trades as the last one goes."""
    times = [START_MS + n // 2 * 2_000 for n in range(80)]
    ids = [(5_000 + 2 * n, 5_001 + 2 * n) for n in range(40)]
    ids[row] = (ids[row][1] + 1, ids[row][1])
    summed = [
        f"{900 + n},2.50,8.0,{first},{last},{times[2 * n]},{('true', 'false')[n % 2]}"
        for n, (first, last) in enumerate(ids)
    ]
    raw = [
        f"{5_000 + n},2.50,4.0,10.00,{times[n]},{('true', 'false')[n // 2 % 2]}" for n in range(80)
    ]
    (tmp_path / "FOXUSDT-trades.csv").write_text("\n".join([TRADES, *raw]) + "\n")
    (tmp_path / "FOXUSDT-aggTrades.csv").write_text("\n".join([AGGREGATES, *summed]) + "\n")
    files = [str(tmp_path / f"FOXUSDT-{kind}.csv") for kind in ("trades", "aggTrades")]
    assert command(["inspect", *files, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    kinds = {one["kind"]: one["evidence"] for one in found["files"][1]["findings"]}
    assert kinds["first_id_after_last"]["count"] == 1
    (held,) = [one for one in found["across"] if one["check"] == "aggregates_and_trades"]
    assert held["counts"]["compared"] == 39
    assert "aggregate_differs" not in [one["kind"] for one in held["findings"]]
