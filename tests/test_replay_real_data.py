"""On real recordings every complete official minute is reproduced exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real_data import DATA, needs_real_data
from tests.replays import command, replay

pytestmark = needs_real_data


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize("trades", ["trade-stream.txt.gz", "trades-2024-07-18_19.csv"])
def test_seven_of_seven_complete_minutes(symbol: str, trades: str, tmp_path: Path) -> None:
    folder = DATA / f"um-{symbol.lower()}-20240718"
    ran = replay(
        tmp_path / "run",
        folder / f"{symbol}-{trades}",
        "--klines",
        folder / f"{symbol}-1m-2024-07-18_19.csv",
    )
    assert (ran.exit_code, ran.run["verdict"]) == (0, "valid")
    minutes = ran.series(symbol, "1m")
    assert (minutes["identical"], minutes["consistent"]) == (7, 2)
    assert [minutes[name] for name in ("unexplained", "missing", "extra")] == [0, 0, 0]
    edges = [f for f in ran.findings() if f["kind"] == "consistent_edge"]
    assert len(edges) == 2


def test_all_traded_minutes_of_a_quiet_pair(tmp_path: Path) -> None:
    folder = DATA / "spot-xrpeth-20191011"
    ran = replay(
        tmp_path / "run",
        folder / "XRPETH-aggTrades-2019-10-11_13.csv",
        "--klines",
        folder / "freqtrade-1m.csv",
        folder / "freqtrade-5m.csv",
        "--symbol",
        "XRPETH",
    )
    assert (ran.exit_code, ran.run["verdict"]) == (0, "valid")
    assert ran.series("XRPETH", "1m")["identical"] == 2_469
    assert ran.series("XRPETH", "5m")["identical"] == 706


@pytest.mark.parametrize(
    ("folder", "name", "symbol", "trades"),
    [
        ("spot-btcusdt-20230405", "BTCUSDT-trade-stream.txt.gz", "BTCUSDT", 3_144),
        ("cm-btcusd_perp-20240808", "BTCUSD_PERP-trade-stream.txt.gz", "BTCUSD_PERP", 5_235),
    ],
)
def test_recordings_without_klines(
    folder: str, name: str, symbol: str, trades: int, tmp_path: Path
) -> None:
    ran = replay(tmp_path / "run", DATA / folder / name)
    assert (ran.exit_code, ran.run["verdict"]) == (0, "valid")
    assert ran.check("trades")["counts"]["received"] == trades
    assert ran.run["comparison"] is None
    assert ran.run["inputs"][0]["symbols"] == [symbol]


def test_one_minute_rolls_up_to_every_official_interval() -> None:
    day = DATA / "spot-klines-btcusdt-20230121"
    names = ["3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"]
    ran = command(
        "compare",
        day / "BTCUSDT-1m-2023-01-21.csv",
        "--klines",
        *(day / f"BTCUSDT-{name}-2023-01-21.csv" for name in names),
    )
    assert ran.exit_code == 0, ran.output
    assert f"{480 + 288 + 96 + 48 + 24 + 12 + 6 + 4 + 2 + 1:,} identical" in ran.output


def test_days_roll_up_to_monday_weeks() -> None:
    folder = DATA / "spot-klines-btcusdt-1d-1w"
    ran = command("compare", folder / "BTCUSDT_1d.csv", "--klines", folder / "BTCUSDT_1w.csv")
    assert "437 identical" in ran.output
