"""What one change would make of ours the exchange's, said of whole series; never valid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from kline_harness.comparison.scale import ROWS_MAX, diagnose_scale

from tests.cases.made import MINUTE, START, candles, write_klines, write_trades
from tests.oracle import OracleKline, OracleTrade, klines
from tests.replays import Ran, command, replay

MS = 1_000_000
Change = Callable[[list[OracleTrade]], list[OracleTrade]]


def tape(minutes: int = 12) -> list[OracleTrade]:
    """Trades in every minute, the first and the last of it close together with another price.

    The first minute is not recorded from its beginning.
    """
    rng = Random(7)
    made: list[OracleTrade] = []
    for minute in range(minutes):
        times = sorted(rng.randrange(1, 59_000) for _ in range(6))
        times[1], times[-2] = times[0], times[-1]
        for time in times:
            number = len(made) + 1
            made.append(
                OracleTrade(
                    id=number,
                    price=Decimal(10_000 + rng.randrange(100)).scaleb(-2),
                    quantity=Decimal(1 + rng.randrange(900)).scaleb(-3),
                    first_id=number,
                    last_id=number,
                    time_ns=START + minute * MINUTE + time * MS,
                    buyer_is_maker=rng.random() < 0.5,
                    symbol="GNUUSDT",
                )
            )
    return made[3:]


def by_minute(trades: Sequence[OracleTrade]) -> list[list[OracleTrade]]:
    return [list(some) for _, some in groupby(trades, lambda t: (t.time_ns - START) // MINUTE)]


def first_before(trades: list[OracleTrade]) -> list[OracleTrade]:
    firsts = {minute[0].id for minute in by_minute(trades)[1:]}
    return [replace(t, time_ns=edge(t) - 1) if t.id in firsts else t for t in trades]


def first_before_as_well(trades: list[OracleTrade]) -> list[OracleTrade]:
    made: list[OracleTrade] = []
    for number, minute in enumerate(by_minute(trades)):
        made += [replace(minute[0], time_ns=edge(minute[0]) - 1)] if number else []
        made += minute
    return numbered(made)


def last_after(trades: list[OracleTrade]) -> list[OracleTrade]:
    lasts = {minute[-1].id for minute in by_minute(trades)[:-1]}
    return [replace(t, time_ns=edge(t) + MINUTE) if t.id in lasts else t for t in trades]


def last_after_as_well(trades: list[OracleTrade]) -> list[OracleTrade]:
    made: list[OracleTrade] = []
    for minute in by_minute(trades):
        made += [*minute, replace(minute[-1], time_ns=edge(minute[-1]) + MINUTE)]
    return numbered(made[:-1])


def numbered(trades: Sequence[OracleTrade]) -> list[OracleTrade]:
    """Give trades new ids in their order: the oracle takes one id for one trade."""
    return [replace(t, id=n, first_id=n, last_id=n) for n, t in enumerate(trades, start=1)]


def edge(trade: OracleTrade) -> int:
    return trade.time_ns // MINUTE * MINUTE


def from_the_first(trades: list[OracleTrade]) -> list[OracleTrade]:
    late = trades[0].time_ns - edge(trades[0])
    return [replace(t, time_ns=t.time_ns - late) for t in trades]


def in_reverse(trades: list[OracleTrade]) -> list[OracleTrade]:
    made: list[OracleTrade] = []
    for _, some in groupby(trades, lambda t: t.time_ns):
        made += reversed(list(some))
    return numbered(made)


def twice(trades: list[OracleTrade]) -> list[OracleTrade]:
    return numbered([same for t in trades for same in (t, t)])


WAYS: dict[str, tuple[Change, str]] = {
    "first before": (first_before, "first trade counted in the kline before it,"),
    "first before too": (first_before_as_well, "first trade counted in the kline before it as"),
    "last after": (last_after, "last trade counted in the kline after it,"),
    "last after too": (last_after_as_well, "last trade counted in the kline after it as"),
    "anchored": (from_the_first, "with klines that open at the first trade,"),
    "reverse": (in_reverse, "with the trades of one millisecond in reverse order,"),
    "twice": (twice, "theirs have every trade of ours twice"),
}


def judged(folder: Path, rows: Sequence[OracleKline], trades: Sequence[OracleTrade]) -> Ran:
    paths = (
        write_trades(folder / "GNUUSDT-trades.csv", trades),
        write_klines(folder / "GNUUSDT-1m.csv", rows),
    )
    words = ("--klines", paths[1], "--intervals", "1m", "--audit", "off")
    return replay(folder / "run", paths[0], *words)


@pytest.mark.parametrize("name", WAYS)
def test_another_way_to_make_klines_of_the_same_trades(tmp_path: Path, name: str) -> None:
    change, words = WAYS[name]
    trades = tape()
    ran = judged(tmp_path, klines(change(trades), "1m"), trades)
    assert ran.run["verdict"] == "invalid"
    assert words in ran.run["sentence"], ran.output
    (said,) = (f for f in ran.findings() if f["kind"] == "diagnosis")
    assert words in said["evidence"]["sentence"]


@pytest.mark.parametrize("name", WAYS)
def test_one_kline_that_is_otherwise_speaks_against_it(tmp_path: Path, name: str) -> None:
    trades = tape()
    rows = klines(WAYS[name][0](trades), "1m")
    rows[5] = replace(rows[5], volume=rows[5].volume + Decimal("0.001"))
    ran = judged(tmp_path, rows, trades)
    assert ran.run["verdict"] == "invalid"
    assert "diagnosis" not in {f["kind"] for f in ran.findings()}


def test_klines_that_open_at_the_first_trade_and_say_so(tmp_path: Path) -> None:
    trades = tape()
    late = trades[0].time_ns - edge(trades[0])
    rows = [
        replace(r, open_time_ns=r.open_time_ns + late, close_time_ns=r.close_time_ns + late)
        for r in klines(from_the_first(trades), "1m")
    ]
    ran = judged(tmp_path, rows, trades)
    assert ran.run["verdict"] == "invalid"
    words = "with klines that open at the first trade, as they say, 10 of 10 klines"
    assert words in ran.run["sentence"], ran.output


def test_right_klines_have_no_diagnosis(tmp_path: Path) -> None:
    trades = tape()
    ran = judged(tmp_path, candles(trades), trades)
    assert ran.exit_code == 0
    assert "diagnosis" not in {f["kind"] for f in ran.findings()}


def test_klines_that_are_equal_as_they_are_prove_no_other_way(tmp_path: Path) -> None:
    # Three minutes of trades are absent, with numbers that go on: nothing else differs.
    trades = tape()
    left = [t for t in trades if not 4 <= (t.time_ns - START) // MINUTE < 7]
    ran = judged(tmp_path, candles(trades), numbered(left))
    assert ran.run["verdict"] == "invalid"
    assert "same trades" not in ran.run["sentence"], ran.output


def in_floats(row: OracleKline, field: str, trades: Sequence[OracleTrade]) -> OracleKline:
    """The same amount added up in binary floating point, as many scripts do."""
    total = 0.0
    for trade in trades:
        total += float(trade.quantity) * (float(trade.price) if field == "quote_volume" else 1)
    dusty = Decimal(repr(total))
    return replace(row, volume=dusty) if field == "volume" else replace(row, quote_volume=dusty)


@pytest.mark.parametrize("field", ["volume", "quote_volume"])
def test_dust_of_binary_floats_is_named(tmp_path: Path, field: str) -> None:
    trades = tape()
    exact = candles(trades)
    dusty = [in_floats(row, field, own) for row, own in zip(exact, by_minute(trades), strict=True)]
    assert sum(a != b for a, b in zip(exact, dusty, strict=True)) >= 3
    ran = judged(tmp_path, dusty, trades)
    decimals = 3 if field == "volume" else 5
    words = f"ours are theirs rounded half up to {decimals} decimals in {field}, in 12 of 12"
    assert ran.run["verdict"] == "invalid"
    assert words in ran.run["sentence"], ran.output
    # The other way round, without a replay.
    paths = [
        write_klines(tmp_path / f"{n}/GNUUSDT-1m.csv", r) for n, r in enumerate((exact, dusty))
    ]
    compared = command("compare", paths[1], "--klines", paths[0])
    assert f"theirs are ours rounded half up to {decimals} decimals in {field}" in compared.output


def test_a_contract_size_is_named(tmp_path: Path) -> None:
    trades = tape()
    rows = [
        replace(r, volume=r.volume / 10, taker_buy_volume=r.taker_buy_volume / 10)
        for r in candles(trades)
    ]
    ran = judged(tmp_path, rows, trades)
    assert ran.run["verdict"] == "invalid"
    words = "theirs are 1/10 times ours in volume; theirs are 1/10 times ours in taker_buy_volume"
    assert f"{words}, in 12 of 12 klines" in ran.run["sentence"], ran.output


def test_a_difference_after_the_klines_that_are_looked_at_is_no_factor() -> None:
    volumes = [Decimal(1 + place % 7) for place in range(ROWS_MAX + 1)]
    other = [*volumes[:-1], Decimal(100)]
    mine, theirs = (pa.table({"volume": pa.array(one)}) for one in (volumes, other))
    assert diagnose_scale(mine, theirs, ["volume"], kept=True) == ""
