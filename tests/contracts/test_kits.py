"""The kits pass what keeps the seams, fail what breaks them, and need no pytest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import kline_harness as kh
import numpy as np
import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.interfaces import FeedSlice
from kline_harness.interval import parse_intervals
from kline_harness.ledger import TradeAccount
from kline_harness.testing.aggregator_kit import check_aggregator
from kline_harness.testing.consumer_kit import check_consumer

INTERVALS = parse_intervals("1m,5m")


class Exact(ExactAggregator):
    def __init__(self) -> None:
        super().__init__(INTERVALS)


class LosesTheFirstTradeOfASlice(Exact):
    def advance(self, feed: FeedSlice) -> kh.Emission:
        if len(feed.trades) > 1 and not (feed.positions and feed.positions[0] <= 1):
            feed = feed.cut(1)[1]
        return super().advance(feed)


class TurnsItsRows(Exact):
    def advance(self, feed: FeedSlice) -> kh.Emission:
        emission = super().advance(feed)
        rows = np.arange(len(emission.klines))[::-1]
        return kh.Emission(emission.klines.take(rows), emission.events)


class CountsATradeTwice(Exact):
    def accounts(self) -> dict[str, TradeAccount]:
        accounts = dict(super().accounts())
        for account in accounts.values():
            account.received += 1
        return accounts


class WithoutAccounts:
    def __init__(self) -> None:
        self.exact = Exact()

    def advance(self, feed: FeedSlice) -> kh.Emission:
        return self.exact.advance(feed)

    def finish(self, at_ns: int) -> kh.Emission:
        return self.exact.finish(at_ns)


def test_what_keeps_the_seams_passes() -> None:
    check_aggregator(Exact, rounds=2)
    check_aggregator(WithoutAccounts, rounds=1)
    check_consumer(CompletenessAuditor)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (LosesTheFirstTradeOfASlice, "slice law"),
        (TurnsItsRows, "instant not before|slice law"),
        (CountsATradeTwice, "accounts that balance"),
    ],
)
def test_an_aggregator_that_breaks_the_seam_fails(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_aggregator(make, rounds=1)


class CountsDeliveries(CompletenessAuditor):
    deliveries = 0

    def on_rows(self, now_ns: int, rows: Any) -> None:
        self.deliveries += 1
        super().on_rows(now_ns, rows)

    def verdict(self) -> kh.Verdict:
        return kh.Verdict.of(self.name, {"deliveries": self.deliveries}, ())


class ForgetsLags(CompletenessAuditor):
    def on_lag(self, now_ns: int, missed: int) -> None:
        """Say nothing."""

    def verdict(self) -> kh.Verdict:
        return kh.Verdict.of(self.name, {}, ())


class ClosesTwice(CompletenessAuditor):
    closes = 0

    def on_close(self, now_ns: int) -> None:
        self.closes += 1
        super().on_close(now_ns)

    def verdict(self) -> kh.Verdict:
        plain = super().verdict()
        return kh.Verdict.of(self.name, {"closes": self.closes}, plain.findings)


class Misnamed(CompletenessAuditor):
    def verdict(self) -> kh.Verdict:
        return kh.Verdict.of("somebody", {}, ())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (CountsDeliveries, "expected the same verdict for deliveries"),
        (ForgetsLags, "klines missed"),
        (ClosesTwice, "a second close"),
        (Misnamed, "found 'somebody'"),
    ],
)
def test_a_consumer_that_breaks_the_seam_fails(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_consumer(make)


def test_the_kits_need_no_pytest() -> None:
    code = (
        "import sys; import kline_harness.testing.aggregator_kit, "
        "kline_harness.testing.consumer_kit; sys.exit('pytest' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
