"""Klines of a longer interval from shorter ones, against a plain roll-up kline by kline."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from kline_harness.interval import parse_interval
from kline_harness.kline import FIELDS
from kline_harness.roll_up import roll_up

from tests.checks.tables import rolled, series, table


@pytest.mark.parametrize(
    ("steps", "interval", "long", "whole"),
    [
        ("0 1 2 3 4 5 6 7 8 9", "1m", "5m", [True, True]),
        ("0q 1 2q 3 4q 5q 6q 7q 8q 9q", "1m", "5m", [True, True]),
        ("1 2 3 4 5 6 7 9", "1m", "5m", [False, False]),
        (" ".join(map(str, range(31 + 28))), "1d", "1M", [True, False]),
    ],
)
def test_a_longer_kline_is_the_sum_of_its_parts(
    steps: str, interval: str, long: str, whole: list[bool]
) -> None:
    rows = series(steps, interval)
    made, complete = roll_up(table(rows), parse_interval(long))
    assert complete.tolist() == whole
    plain = rolled(rows, long)
    for name in (*FIELDS, "open_time_ns", "first_trade_id", "last_trade_id"):
        assert getattr(made, name).tolist() == [row[name] for row in plain]
    assert (made.interval == table(plain).interval).all()


def test_neither_the_order_nor_an_empty_file_matters() -> None:
    rows = series("0q 1 2")
    sums = {
        tuple(roll_up(table(some), parse_interval("3m"))[0].volume.tolist())
        for some in permutations(rows)
    }
    assert sums == {(sum(row["volume"] for row in rows),)}
    made, complete = roll_up(table([]), parse_interval("3m"))
    assert (len(made), len(complete)) == (0, 0)


def test_without_counts_a_kline_with_volume_has_traded() -> None:
    """Files that leave the count out: the quiet klines' carried closes are no prices."""
    rows = series("0q 1 2q")
    batch = table(rows).with_columns({"count": np.zeros(3, dtype=np.int64)})
    made, _ = roll_up(batch, parse_interval("3m"))
    assert (made.open[0], made.high[0], made.low[0]) == (10_007, 10_010, 10_005)
