"""Over all real recordings: nothing unexplained, and every proof holds when it is run again."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from kline_harness.archives import open_trades
from kline_harness.columns import concat
from kline_harness.simulation.feed import received
from kline_harness.tape import Tape

from tests.comparison.reprove import reprove
from tests.real_data import DATA, needs_real_data
from tests.replays import Ran, replay

pytestmark = needs_real_data

UM_DAYS = "2024-07-18_19.csv"
RECORDINGS = {
    "um-btcusdt-20240718/BTCUSDT-trade-stream.txt.gz": f"BTCUSDT-1m-{UM_DAYS}",
    f"um-btcusdt-20240718/BTCUSDT-trades-{UM_DAYS}": f"BTCUSDT-1m-{UM_DAYS}",
    "um-ethusdt-20240718/ETHUSDT-trade-stream.txt.gz": f"ETHUSDT-1m-{UM_DAYS}",
    f"um-ethusdt-20240718/ETHUSDT-trades-{UM_DAYS}": f"ETHUSDT-1m-{UM_DAYS}",
    "spot-xrpeth-20191011/XRPETH-aggTrades-2019-10-11_13.csv": "freqtrade-1m.csv",
    "spot-btcusdt-20230405/BTCUSDT-trade-stream.txt.gz": None,
    "cm-btcusd_perp-20240808/BTCUSD_PERP-trade-stream.txt.gz": None,
}


def ran(name: str, folder: Path) -> Ran:
    klines = RECORDINGS[name]
    words: list[str | Path] = [DATA / name]
    if klines is not None:
        words += ["--klines", (DATA / name).parent / klines]
    if "xrpeth" in name:
        words += ["--symbol", "XRPETH"]
    return replay(folder / "run", *words, "--intervals", "1m,5m", "--audit", "off")


def whole_tape(name: str) -> Tape:
    symbol = "XRPETH" if "xrpeth" in name else None
    tape = concat(list(open_trades(DATA / name, symbol=symbol).chunks()))
    return received("", tape)[0] if "stream" in name else tape


@pytest.mark.parametrize("name", RECORDINGS)
def test_nothing_is_unexplained_and_every_proof_holds(name: str, tmp_path: Path) -> None:
    found = ran(name, tmp_path)
    assert (found.exit_code, found.run["verdict"]) == (0, "valid")
    assert all(line["balanced"] for line in found.equations())
    continuity = found.check("continuity")
    assert continuity["verdict"] == "valid"
    assert continuity["counts"]["lost_stretches"] == 0
    rows = pq.read_table(found.folder / "differences.parquet").to_pylist()
    assert {row["class"] for row in rows} <= {"proved", "consistent"}
    tape = whole_tape(name)
    for row in rows[:: max(1, len(rows) // 20)]:
        assert reprove(row, tape), row["proof"]
    if "stream" in name:
        (reception,) = (f for f in found.findings() if f["check"] == "reception")
        assert reception["severity"] == "notice"
        assert reception["evidence"]["latency_p50_ns"] <= reception["evidence"]["latency_p99_ns"]
        assert len(found.run["receptions"]) == 1


def test_a_proof_does_not_hold_for_another_kline(tmp_path: Path) -> None:
    name = "um-btcusdt-20240718/BTCUSDT-trade-stream.txt.gz"
    rows = pq.read_table(ran(name, tmp_path).folder / "differences.parquet").to_pylist()
    tape = whole_tape(name)
    for row in rows:
        for field in ("open", "high", "low", "close"):
            wrong = {**row, f"ours_{field}": row[f"ours_{field}"] + 1}
            assert not reprove(wrong, tape), field
        assert not reprove({**row, "cause": "late_trade"}, tape)
