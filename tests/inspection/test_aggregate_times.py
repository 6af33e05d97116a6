"""The time of an aggregate against the times of its raw trades."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kline_harness.cli import run as command

START_MS = 1_715_767_200_000
TRADES = "id,price,qty,quote_qty,time,is_buyer_maker"
AGGREGATES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
SIDE = ("true", "false")
# Two raw trades every two seconds, and the ids of each pair.
TIMES = [START_MS + n // 2 * 2_000 for n in range(80)]
IDS = [(5_000 + 2 * n, 5_001 + 2 * n) for n in range(40)]


def inspected(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    times: list[int],
    ids: list[tuple[int, int]],
) -> tuple[int, dict[str, Any]]:
    """Inspect raw trades of these times beside aggregates of these ids: exit code and JSON."""
    raw = [f"{5_000 + n},2.50,4.0,10.00,{time},{SIDE[n // 2 % 2]}" for n, time in enumerate(times)]
    summed = [
        f"{900 + n},2.50,8.0,{first},{last},{TIMES[2 * n]},{SIDE[n % 2]}"
        for n, (first, last) in enumerate(ids)
    ]
    (folder / "FOXUSDT-trades.csv").write_text("\n".join([TRADES, *raw]) + "\n")
    (folder / "FOXUSDT-aggTrades.csv").write_text("\n".join([AGGREGATES, *summed]) + "\n")
    files = [str(folder / f"FOXUSDT-{kind}.csv") for kind in ("trades", "aggTrades")]
    code = command(["inspect", *files, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("row", "late_ms", "code"),
    [(0, 0, 0), (7, 90, 0), (7, 1_000, 0), (7, 1_001, 1), (79, 120_000, 1)],
)
def test_a_raw_trade_far_from_its_aggregate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: int, late_ms: int, code: int
) -> None:
    times = TIMES.copy()
    times[row] += late_ms
    ended, found = inspected(tmp_path, capsys, times, IDS)
    assert ended == code
    assert ("aggregate_differs" in json.dumps(found)) == bool(code)


@pytest.mark.parametrize("row", [0, 17, 39])
def test_an_aggregate_whose_first_id_is_after_its_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: int
) -> None:
    """Wherever it stands, and as far beyond the raw trades as the last one goes."""
    ids = IDS.copy()
    ids[row] = (ids[row][1] + 1, ids[row][1])
    ended, found = inspected(tmp_path, capsys, TIMES, ids)
    assert ended == 1
    kinds = {one["kind"]: one["evidence"] for one in found["files"][1]["findings"]}
    assert kinds["first_id_after_last"]["count"] == 1
    (held,) = [one for one in found["across"] if one["check"] == "aggregates_and_trades"]
    assert held["counts"]["compared"] == 39
    assert "aggregate_differs" not in [one["kind"] for one in held["findings"]]
