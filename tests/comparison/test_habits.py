"""What the exchange counts in one kline it counts in all, and in those of other intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.comparison.story import SYMBOL, as_market, trades
from tests.comparison.test_false_valid import classes
from tests.oracle import OracleKline, OracleTrade, klines
from tests.replay.recordings import write_klines, write_recording
from tests.replays import Ran, replay

DAY = (
    "0 100x1, 2 80x5 fund, 3 101x1, 61 100x1, 62 100x2, 121 99x1, 122 80x7 fund, 130 98x2,"
    " 190 98x1, 239 97x1, 299 99x1, 359 100x1"
)


def judged(
    folder: Path, listed: Sequence[OracleTrade], files: Mapping[str, Sequence[OracleKline]]
) -> Ran:
    stream = write_recording(folder / f"{SYMBOL}-trade-stream.txt", listed)
    frames = [
        write_klines(folder / f"{SYMBOL}-{interval}.csv", rows) for interval, rows in files.items()
    ]
    words = ("--intervals", ",".join(files), "--audit", "off")
    return replay(folder / "run", stream, "--klines", *frames, *words)


def counting(listed: Sequence[OracleTrade], *numbers: int) -> list[OracleTrade]:
    """Return the trades of the market, and those of the fund of some numbers as such."""
    funds = [trade for trade in listed if trade.kind != "MARKET"]
    chosen = [funds[number] for number in numbers]
    kept = [trade for trade in listed if trade.kind == "MARKET" or trade in chosen]
    return as_market(kept)


@pytest.mark.parametrize(
    ("counted", "verdict", "found"),
    [
        ((), "valid", {}),
        ((0, 1), "valid", {"proved": 2}),
        ((0,), "unknown", {"consistent": 1}),
        ((1,), "unknown", {"consistent": 1}),
    ],
)
def test_fund_trades_are_counted_in_all_klines_or_in_none(
    tmp_path: Path, counted: tuple[int, ...], verdict: str, found: dict[str, int]
) -> None:
    listed = trades(DAY)
    ran = judged(tmp_path, listed, {"1m": klines(counting(listed, *counted), "1m")})
    assert ran.run["verdict"] == verdict, ran.output
    assert classes(ran) == {"identical": 6 - sum(found.values()), **found}


@pytest.mark.parametrize("wrong", ["1m", "3m"])
@pytest.mark.parametrize("counts", [True, False])
def test_fund_trades_are_counted_in_all_intervals_or_in_none(
    tmp_path: Path, wrong: str, counts: bool
) -> None:
    listed = trades(DAY)
    other = {"1m": "3m", "3m": "1m"}[wrong]
    numbers = (0, 1) if counts else ()
    files = {
        wrong: klines(counting(listed, *numbers), wrong),
        other: klines(counting(listed, *(() if counts else (0, 1))), other),
    }
    ran = judged(tmp_path, listed, dict(sorted(files.items())))
    assert ran.run["verdict"] == "invalid", ran.output
    assert "proved" not in classes(ran)
    assert any(one["kind"] == "exchange_contradicts_itself" for one in ran.findings())


def test_a_late_trade_is_in_the_klines_of_all_intervals(tmp_path: Path) -> None:
    """Ours lack it, and so does the exchange's file of one minute, which is equal so."""
    listed = trades(
        "1 100x1, 59.9 101x2 at=64, 65 100x1, 130 99x1, 179 98x1 at=190, 200 99x1, 359 99x1"
    )
    whole = {interval: klines(listed, interval) for interval in ("1m", "3m")}
    assert judged(tmp_path, listed, whole).run["verdict"] == "valid"
    without = [trade for trade in listed if trade.time_ns != listed[4].time_ns]
    (tmp_path / "wrong").mkdir()
    ran = judged(tmp_path / "wrong", listed, {**whole, "1m": klines(without, "1m")})
    assert ran.run["verdict"] == "invalid", ran.output
