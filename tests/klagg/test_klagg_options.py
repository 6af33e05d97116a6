"""How a scenario names the quirks of the klagg model."""

from __future__ import annotations

import pytest
from kline_harness.errors import UsageError
from kline_harness.klagg.options import ModelOptions, StoredRow, parse_quirks
from kline_harness.klagg.quirks import FAITHFUL, FIXED, Quirk

from tests.klagg.klagg_cases import intervals_of


@pytest.mark.parametrize(
    ("given", "quirks"),
    [
        ("faithful", FAITHFUL),
        ("fixed", FIXED),
        ([], FIXED),
        (["Q01", "q07"], {Quirk.LATE_UNCOUNTED, Quirk.GENESIS_FROM_TICKER}),
        ("Q14", {Quirk.FLOAT_SUMS}),
        (["-Q03"], FAITHFUL - {Quirk.POINT_IN_TIME_PRUNING}),
        (["faithful", "-float_sums"], FAITHFUL - {Quirk.FLOAT_SUMS}),
        (["Q01", "-Q01"], FIXED),
    ],
)
def test_names(given: str | list[str], quirks: set[Quirk]) -> None:
    assert parse_quirks(given) == quirks


@pytest.mark.parametrize("given", ["Q23", "Q99", "-", "faithfull", ["Q01", "Q33"]])
def test_what_is_none(given: str | list[str]) -> None:
    with pytest.raises(UsageError, match="unknown quirk"):
        parse_quirks(given)


def test_a_stored_row_stands_for_all_its_intervals() -> None:
    intervals = tuple(intervals_of("1m 5m"))
    row = StoredRow("ALFA", intervals, 60, "1", "2", "1", "2", "5", count=3)
    ModelOptions("faithful", database=(row,)).make(intervals, ["ALFA"])
    with pytest.raises(UsageError, match="a stored kline of BETA 1m"):
        ModelOptions("faithful", database=(row,)).make(intervals, ["ALFA", "BETA"])
