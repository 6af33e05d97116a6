"""An aggregator that gives no account of its trades is judged by what it published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.interfaces import Aggregator, FeedSlice
from kline_harness.interval import Interval, parse_intervals
from kline_harness.kline import Emission
from kline_harness.replay import Scenario, replay
from kline_harness.replay.assembly import Substitutions
from kline_harness.replay.run import Outcome

from tests.mutants.trade_defects import LeftOpen
from tests.replays import UM_STREAM

TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
KLINES = UM_STREAM / "ALFAUSDT-1m-2024-05-15.csv"


class Silent:
    """Passes everything on to another aggregator, and says nothing of its trades."""

    def __init__(self, inner: Aggregator) -> None:
        self._inner = inner

    def advance(self, feed: FeedSlice) -> Emission:
        return self._inner.advance(feed)

    def finish(self, at_ns: int) -> Emission:
        return self._inner.finish(at_ns)


def judged(folder: Path, made: type[Any], klines: Sequence[Path] = ()) -> Outcome:
    def aggregator(intervals: Sequence[Interval]) -> Any:
        return Silent(made(intervals))

    scenario = Scenario(intervals=parse_intervals("1m,5m"), expectations=False)
    parts = Substitutions(aggregator=aggregator)
    return replay(scenario, [TRADES], klines, folder, command="", report=False, substitutions=parts)


def named(outcome: Outcome) -> dict[str, str]:
    return {check.check: check.validity.value for check in outcome.checks}


@pytest.mark.parametrize("klines", [(), (KLINES,)], ids=["alone", "compared"])
def test_a_right_one_is_valid(klines: Sequence[Path], tmp_path: Path) -> None:
    outcome = judged(tmp_path / "run", ExactAggregator, klines)
    assert outcome.validity.value == "valid", outcome.sentence
    checks = named(outcome)
    (trades,) = [check for check in outcome.checks if check.check == "trades"]
    assert trades.not_checked[0] == "what became of the trades: the aggregator keeps no accounts"
    assert checks["exactness"] == checks["ledger"] == "valid"
    assert "2,016 trades of 1 symbol" in outcome.sentence


def test_a_wrong_one_is_found_with_and_without_klines(tmp_path: Path) -> None:
    outcome = judged(tmp_path / "alone", LeftOpen)
    assert named(outcome)["exactness"] == "invalid"
    (exactness,) = [check for check in outcome.checks if check.check == "exactness"]
    told = {finding.kind for finding in exactness.findings}
    assert "not_exact" in told
    compared = judged(tmp_path / "compared", LeftOpen, [KLINES])
    assert named(compared)["comparison"] == "invalid"
