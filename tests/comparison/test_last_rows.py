"""The last row of a file, saved before anything was traded in its time."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.comparison.test_false_valid import classes
from tests.comparison.worlds import exchange_files, judged, plain_world, put


@pytest.mark.parametrize(
    ("number", "off", "verdict", "found"),
    [
        (29, Decimal(0), "valid", "consistent"),
        (29, Decimal("0.01"), "invalid", "unexplained"),
        (10, Decimal(0), "invalid", "unexplained"),
    ],
)
def test_a_row_without_trades_yet_is_flat_at_the_close_before(
    tmp_path: Path, number: int, off: Decimal, verdict: str, found: str
) -> None:
    world = plain_world(4, ("1m",))
    files = exchange_files(world)
    price, nothing = files["1m"][number - 1].close + off, Decimal(0)
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    sums = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
    flat = put(files, "1m", number, **prices, **dict.fromkeys(sums, nothing), count=0)
    ran = judged(tmp_path, world, flat)
    assert ran.run["verdict"] == verdict, ran.output
    assert classes(ran) == {"identical": 29, found: 1}
