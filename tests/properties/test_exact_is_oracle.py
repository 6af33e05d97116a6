"""The columnar aggregator makes what the brute-force oracle makes, however the feed is cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.interfaces import FeedSlice
from kline_harness.interval import INTERVALS, parse_interval
from kline_harness.kline import Emission
from kline_harness.ledger import trade_equations

from tests.oracle import feed_klines
from tests.tapes import Event, advanced, events, feed_slice, finals_by_series, oracle_events

CHOICES = [
    ("1m",),
    ("1m", "5m", "1h"),
    ("3m", "5m"),
    ("1m", "3m", "15m", "1h", "8h", "1d", "3d", "1w", "1M"),
    ("5m", "1d"),
    ("1w", "1M"),
    tuple(i.text for i in INTERVALS[1:]),
]


def run(
    feed: FeedSlice, intervals: tuple[str, ...], cuts: list[int]
) -> tuple[ExactAggregator, list[Emission]]:
    aggregator = ExactAggregator([parse_interval(text) for text in intervals])
    return aggregator, advanced(aggregator, feed, cuts)


@settings(max_examples=400, deadline=None)
@given(events(), st.sampled_from(CHOICES), st.lists(st.integers(0, 40), max_size=5))
def test_exact_equals_oracle(
    feed: list[Event], intervals: tuple[str, ...], cuts: list[int]
) -> None:
    aggregator, emissions = run(feed_slice(feed), intervals, [c for c in cuts if c <= len(feed)])
    truth = feed_klines(oracle_events(feed), intervals)
    ours = finals_by_series(emissions)
    for key, series in truth.items():
        assert ours.pop(key, []) == [(f.kline, f.trigger) for f in series.finals]
        account = aggregator.accounts()[key[0]]
        assert account.received == len(series.received)
        assert account.series[key[1]].applied == len(series.applied)
        assert account.series[key[1]].late == series.late
        assert account.duplicate == series.duplicate
        assert sorted(i for ids in account.rejected.values() for i in ids) == sorted(
            series.rejected
        )
    assert ours == {}
    assert all(equation.balanced for equation in trade_equations(aggregator.accounts()))
