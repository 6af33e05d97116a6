"""What a terminal is told while a replay goes on."""

from __future__ import annotations

from pathlib import Path

from kline_harness.replay import Scenario, replay
from kline_harness.replay.observations import Fed
from kline_harness.terminal_progress import _told_of_trades

from tests.benchmarks.day import DAY_MS, write_day


def test_symbols_trades_and_virtual_time_are_told(tmp_path: Path) -> None:
    days = [write_day(tmp_path, 300, symbol=name, seed=k) for k, name in enumerate(("AAA", "BBB"))]
    told: list[Fed] = []
    options = Scenario(expectations=False)
    replay(options, days, [], tmp_path / "run", command="", progress=told.append, report=False)
    assert [fed.trades for fed in told] == sorted({fed.trades for fed in told})
    assert (told[-1].trades, told[-1].symbols) == (600, 2)
    since_ns = told[-1].at_ns - DAY_MS * 10**6
    # 600 trades of a day: the last of them comes in its last half hour.
    assert 84_600 * 10**9 < since_ns < 86_400 * 10**9


def test_the_line_on_a_terminal() -> None:
    fed = Fed(1_234_567, 500, 1_715_731_200_123_456_789)
    expected = "500 symbols at 2024-05-15T00:00:00Z, 1,234,567 trades"
    assert _told_of_trades(fed, 0.0) == expected
    assert _told_of_trades(fed, 2.0) == f"{expected}, 617,284 trades/s"
    assert _told_of_trades(fed._replace(symbols=1), 0.0).startswith("1 symbol at ")
