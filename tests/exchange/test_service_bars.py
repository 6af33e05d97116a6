"""Which klines of the example service can lack trades, the price of a quiet one included."""

from __future__ import annotations

import importlib.util
import sys
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tests.exchange.services import SERVICE

MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def bars() -> ModuleType:
    """Return the service's module of klines, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("service_bars", SERVICE.with_name("bars.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def trade(number: int, time_ms: int) -> dict[str, Any]:
    return {"s": "A", "T": time_ms, "a": number, "p": "5", "q": "1", "f": 1, "l": 1, "m": True}


def test_a_quiet_kline_has_the_close_of_what_was_fetched_again(bars: ModuleType) -> None:
    """REST gave the first minute up to its half; then trades were missed, and it is asked again."""
    published: list[Any] = []
    aggregator = bars.Aggregator(("1m",), published.append, lambda *_: None)
    row = [0, "3", "3", "3", "3", "1", 59_999, "3", 1, "0", "0", "0"]
    aggregator.seed(bars.Bar.of_row("A", "1m", row))
    aggregator.complete_from = {"A": 40_000}
    aggregator.tick(MINUTE_MS)
    whole = bars.Bar.of_row("A", "1m", [0, "3", "4", "3", "4", "2", 59_999, "7", 2, "0", "0", "0"])
    aggregator.settle(whole)
    aggregator.tick(2 * MINUTE_MS)
    # A kline that has trades, and one that does not follow, keep their prices.
    aggregator.trade(trade(1, 2 * MINUTE_MS + 10))
    aggregator.settle(whole)
    aggregator.settle(published[1])
    aggregator.tick(3 * MINUTE_MS)
    assert [one.open_ms // MINUTE_MS for one in published] == [0, 1, 2]
    assert [one.whole for one in published] == [False, True, True]
    assert [one.open for one in published] == [Decimal(3), Decimal(4), Decimal(5)]
