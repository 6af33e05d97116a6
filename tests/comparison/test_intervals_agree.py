"""The exchange's intervals of which neither is made of the other: what they add up to agrees."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.comparison.pairs import NS
from tests.comparison.worlds import exchange_files, in_minute, judged, plain_world, plus, without
from tests.market import MINUTE, aggregates
from tests.replays import Ran

UNIT = Decimal("0.001")


def contradictions(ran: Ran) -> list[dict[str, Any]]:
    return [one for one in ran.findings() if one["kind"] == "exchange_contradicts_itself"]


@pytest.mark.parametrize("field", ["volume", "taker_buy_volume"])
def test_one_missing_id_is_one_trade_in_3m_and_in_5m(tmp_path: Path, field: str) -> None:
    """Each could be the kline of the trade that is missing, but not of the same one."""
    whole = plain_world(3, ("3m", "5m"))
    gone = in_minute(whole, 10)[1]
    world, files = without(whole, [gone.id]), exchange_files(whole)
    assert judged(tmp_path / "right", world, files).run["verdict"] == "valid"
    price, size = Decimal(gone.price).scaleb(-2), Decimal(gone.quantity).scaleb(-3)
    more = {"volume": 10 * UNIT, "quote_volume": 10 * UNIT * price}
    if field != "volume":
        turned = size if gone.sell else -size
        more = {"taker_buy_volume": turned, "taker_buy_quote_volume": turned * price}
    ran = judged(tmp_path / "wrong", world, plus(files, "5m", 2, **more))
    assert (ran.exit_code, ran.run["verdict"]) == (1, "invalid"), ran.output
    (told,) = contradictions(ran)
    assert (told["interval"], told["evidence"]["parts_interval"]) == ("5m", "3m")
    # Both meet at a quarter of an hour.
    assert "to its 5m klines up to 2024-05-15T12:15:00Z" in told["evidence"]["sentence"]


def test_an_aggregate_is_split_alike_in_3m_and_in_5m(tmp_path: Path) -> None:
    world = plain_world(0, ("3m", "5m"), "aggTrades", edges=(12 * 60 + 15,))
    quarter = world.happened[0].time // (15 * MINUTE) * 15 * MINUTE + 15 * MINUTE
    (over,) = (
        group
        for group in aggregates(world.happened, split_minutes=False)
        if group[0].time < quarter <= group[-1].time
    )
    files = exchange_files(world)
    assert judged(tmp_path / "right", world, files).run["verdict"] == "valid"
    quote = UNIT * Decimal(over[0].price).scaleb(-2)
    opens = [row.open_time_ns for row in files["5m"]]
    after = opens.index(quarter * NS)
    for number, sign in ((after - 1, 1), (after, -1)):
        moved: dict[str, Decimal | int] = {"volume": sign * UNIT, "quote_volume": sign * quote}
        if not over[0].sell:
            moved |= {f"taker_buy_{name}": size for name, size in moved.items()}
        files = plus(files, "5m", number, **moved)
    ran = judged(tmp_path / "wrong", world, files)
    assert (ran.exit_code, ran.run["verdict"]) == (1, "invalid"), ran.output
    assert len(contradictions(ran)) == 2
