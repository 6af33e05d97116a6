"""Every kline of a symbol rests on what nobody saw: nothing was proved, so it is not valid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.comparison.test_false_valid import classes
from tests.comparison.worlds import OPEN, exchange_files, in_minute, judged, plain_world, without
from tests.market import MINUTE


@pytest.mark.parametrize("source", ["recording", "trades"])
@pytest.mark.parametrize("intervals", [("30m",), ("1m", "30m")])
def test_eleven_minutes_of_a_long_kline(
    tmp_path: Path, source: str, intervals: tuple[str, ...]
) -> None:
    """Beside minutes of which nine are equal the long kline may be what it says."""
    whole = plain_world(14, intervals, source)
    first, end = OPEN + 5 * MINUTE, OPEN + 16 * MINUTE
    kept = [fill for fill in whole.happened if first <= fill.time < end]
    files = exchange_files(whole)
    if "1m" in files:
        files["1m"] = files["1m"][5:16]
    ran = judged(tmp_path, replace(whole, recorded=kept), files)
    assert classes(ran)["consistent"] >= 1
    if "1m" in intervals:
        assert ran.run["verdict"] == "valid", ran.output
    else:
        assert (ran.exit_code, ran.run["verdict"]) == (3, "unknown"), ran.output
        (told,) = (one for one in ran.findings() if one["severity"] == "doubt")
        assert told["kind"] == "rests_on_consistent"
        doubt = "no kline of ALFAUSDT is equal to the exchange's, or proved"
        assert told["evidence"]["doubt"].startswith(doubt)


def test_all_klines_lack_a_trade(tmp_path: Path) -> None:
    whole = plain_world(16, ("15m",))
    gone = [in_minute(whole, minute)[2].id for minute in (3, 20)]
    ran = judged(tmp_path, without(whole, gone), exchange_files(whole))
    assert (ran.exit_code, ran.run["verdict"]) == (3, "unknown"), ran.output
    assert classes(ran) == {"consistent": 2}


def test_quote_volumes_within_the_rounding_of_trades_that_were_seen(tmp_path: Path) -> None:
    """Of aggregates nobody knows the raw trades, whose quote quantities were rounded."""
    world = plain_world(30, ("15m",), "aggTrades", price_decimals=5, quantity_decimals=5)
    ran = judged(tmp_path, world, exchange_files(world))
    assert (ran.exit_code, ran.run["verdict"]) == (0, "valid"), ran.output
    assert classes(ran) == {"consistent": 2}
