"""A caller's own consumers behave in time as a scenario says, and can hear lifecycle events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kline_harness as kh
import pytest
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.units import INT64_MAX, NS_PER_MINUTE

from tests.replays import UM_STREAM

TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
# 2024-05-15 11:55 UTC, when the recording begins.
START_NS = 1_715_774_100_000_000_000


class Hearer:
    """Keeps what it hears, as instants."""

    name = "hearer"
    timer_period_ns: int | None = None

    def __init__(self) -> None:
        self.heard_ns: list[int] = []
        self.columns: set[str] = set()

    def on_rows(self, now_ns: int, rows: Any) -> None:
        table = rows.table()
        self.columns |= {*table.column_names()}
        self.heard_ns += table.at_ns.tolist()

    def on_lag(self, now_ns: int, missed: int) -> None:
        """It counts nothing of it."""

    def on_timer(self, now_ns: int) -> None:
        """It has no timer."""

    def rows_until_flush(self) -> int:
        return INT64_MAX

    def on_close(self, now_ns: int) -> None:
        """It is done."""

    def verdict(self) -> kh.Verdict:
        return kh.Verdict.of(self.name, {"heard": len(self.heard_ns)}, ())


class LifeHearer(Hearer):
    """Keeps lifecycle events."""

    channel = "lifecycle"


class Elsewhere(Hearer):
    """Asks for a channel that there is not."""

    channel = "trades"


def heard(made: type[Hearer], **listeners: ListenerOptions) -> Hearer:
    scenario = kh.Scenario(listeners=listeners, expectations=False)
    run = kh.replay(TRADES, intervals="1m", consumers=[made], scenario=scenario)
    (hearer,) = run.consumers
    assert isinstance(hearer, Hearer)
    return hearer


@pytest.mark.parametrize(("made", "column"), [(Hearer, "close"), (LifeHearer, "life")])
def test_it_hears_what_its_channel_carries_from_its_subscription_on(
    made: type[Hearer], column: str
) -> None:
    late_ns = START_NS + 3 * NS_PER_MINUTE
    whole = heard(made)
    late = heard(made, hearer=ListenerOptions(subscribe_at_ns=late_ns))
    assert column in whole.columns
    assert late.heard_ns == [ns for ns in whole.heard_ns if ns > late_ns]
    assert 0 < len(late.heard_ns) < len(whole.heard_ns)


def test_a_listener_that_nobody_is_and_a_channel_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(kh.UsageError, match="unknown consumer 'nobody': expected one of writer"):
        heard(Hearer, nobody=ListenerOptions())
    with pytest.raises(kh.UsageError, match="expected a channel klines or lifecycle"):
        heard(Elsewhere)
