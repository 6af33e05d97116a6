"""Numbers that 64-bit integers do not hold: exact without float sums, and klagg's floats with."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cases.made import candles, traded, write_klines, write_trades
from tests.oracle import OracleTrade
from tests.replays import Ran, replay

FACTORS = {"every": [1] * 36, "one in the middle": [0] * 17 + [1] + [0] * 18}


def wide(which: str) -> list[OracleTrade]:
    """Trades of which some have quantities that a sum of 64 bits cannot hold."""
    large = Decimal("100000000000000.1")
    return [
        replace(one, quantity=one.quantity * large if is_wide else one.quantity)
        for one, is_wide in zip(traded(5, minutes=6), FACTORS[which], strict=True)
    ]


def ran_over(folder: Path, tape: list[OracleTrade], quirks: str) -> Ran:
    scenario = folder / "s.toml"
    scenario.write_text(f'aggregator = "klagg"\n[klagg]\nquirks = [{quirks}]\n')
    trades = write_trades(folder / "GNUUSDT-trades.csv", tape)
    klines = write_klines(folder / "GNUUSDT-1m.csv", candles(tape))
    words = ("--klines", klines, "--intervals=1m", "--scenario", scenario, "--audit=off")
    return replay(folder / "run", trades, *words)


@pytest.mark.parametrize("which", FACTORS)
def test_without_float_sums_every_number_is_exact(tmp_path: Path, which: str) -> None:
    ran = ran_over(tmp_path, wide(which), "")
    assert ran.exit_code == 0
    assert ran.series("GNUUSDT", "1m")["identical"] == 6


@pytest.mark.unbalanced
@pytest.mark.parametrize("which", FACTORS)
def test_with_float_sums_they_are_what_floats_make_of_them(tmp_path: Path, which: str) -> None:
    """That klagg is not exact here is true: a float has 53 bits."""
    tape = wide(which)
    ran = ran_over(tmp_path, tape, '"float_sums"')
    assert ran.exit_code == 1
    found = {
        one["open_time_ns"]: Decimal(one["evidence"]["volume"])
        for one in ran.findings()
        if one["kind"] == "not_exact" and "volume" in one["evidence"]
    }
    assert found
    for open_ns, volume in found.items():
        sums = 0.0
        for one in tape:
            if open_ns <= one.time_ns < open_ns + 60_000_000_000:
                sums += float(one.quantity)
        assert volume == Decimal(repr(sums))
