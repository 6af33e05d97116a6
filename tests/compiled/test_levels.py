"""Klines made in compiled rows against the columns that stand in for them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.aggregators import exact
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.aggregators.levels import advance_in_rows
from kline_harness.columns import Columns
from kline_harness.compiled import library
from kline_harness.interfaces import FeedSlice
from kline_harness.interval import INTERVALS, parse_interval
from kline_harness.kline import Emission

from tests.tapes import NS, START_NS, Event, advanced, events, feed_slice

pytestmark = pytest.mark.skipif(library.LIBRARY is None, reason="nothing was compiled")
CHOICES = [
    ("1m",),
    ("3m", "5m"),
    ("5m", "1d"),
    ("1m", "1w", "1M"),
    ("1M",),
    tuple(i.text for i in INTERVALS[1:]),
]


class Made:
    """What an aggregator made of a feed, and how many slices were moved on in rows."""

    def __init__(
        self, feed: FeedSlice, intervals: tuple[str, ...], cuts: list[int], *, rows: bool
    ) -> None:
        self.slices_in_rows = 0

        def counted(*given: Any) -> bool:
            done = rows and advance_in_rows(*given)
            self.slices_in_rows += done
            return done

        aggregator = ExactAggregator([parse_interval(text) for text in intervals])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(exact, "advance_in_rows", counted)
            self.emissions = [every(one) for one in advanced(aggregator, feed, cuts)]
        self.accounts = aggregator.accounts()


def every(emission: Emission) -> list[Any]:
    """Return every column with its type."""
    return [of_table(table) for table in (emission.klines, emission.events)]


def of_table(table: Columns) -> list[Any]:
    names = table.column_names()
    return [table.instruments, *((n, as_kept(getattr(table, n))) for n in names)]


def as_kept(column: np.ndarray[Any, Any]) -> tuple[Any, list[int]]:
    # What is too long for int64 once goes on as Python integers: their values are the same.
    kind = "whole" if column.dtype in (object, np.int64) else column.dtype
    return kind, column.tolist()


@settings(max_examples=60, deadline=None)
@given(events(), st.sampled_from(CHOICES), st.lists(st.integers(0, 40), max_size=5))
def test_rows_are_what_columns_are(
    feed: list[Event], intervals: tuple[str, ...], cuts: list[int]
) -> None:
    given_cuts = [cut for cut in cuts if cut <= len(feed)]
    one = Made(feed_slice(feed), intervals, given_cuts, rows=True)
    other = Made(feed_slice(feed), intervals, given_cuts, rows=False)
    assert one.emissions == other.emissions
    assert one.accounts == other.accounts
    assert other.slices_in_rows == 0


@settings(max_examples=30, deadline=None)
@given(events(), st.sampled_from(CHOICES), st.lists(st.integers(0, 40), max_size=5))
def test_a_feed_in_order_is_made_in_rows(
    feed: list[Event], intervals: tuple[str, ...], cuts: list[int]
) -> None:
    """With a clock and trades that go forward, each slice is, and what they make is the same."""
    # Prices of few digits: columns that are too wide for int64 are never in rows.
    straight = [
        replace(event, time_ns=event.at_ns, price=Decimal(event.id * 7 % 13 + 1)) for event in feed
    ]
    given_cuts = [cut for cut in cuts if cut <= len(feed)]
    one = Made(feed_slice(straight), intervals, given_cuts, rows=True)
    other = Made(feed_slice(straight), intervals, given_cuts, rows=False)
    assert one.emissions == other.emissions
    # Months have no one length; the columns make them of trades.
    assert one.slices_in_rows == (0 if intervals == ("1M",) else len(given_cuts) + 1)


@pytest.mark.parametrize("seconds", [1, 61])
def test_a_sum_beyond_64_bits_is_made_in_columns(seconds: int) -> None:
    """In one minute or, of a longer interval, in two: exact in both."""
    amount = Decimal(2**62)
    trades = [
        Event(START_NS + k * seconds * NS, START_NS + k * seconds * NS, "AAA", k + 1, Decimal(1))
        for k in range(4)
    ]
    feed = feed_slice([replace(trade, quantity=amount) for trade in trades])
    one = Made(feed, ("1m", "5m"), [2], rows=True)
    other = Made(feed, ("1m", "5m"), [2], rows=False)
    assert one.emissions == other.emissions
    volumes = [dict(klines[1:])["volume"][1] for klines, _ in one.emissions]
    assert volumes[-1][-1] == 4 * 2**62
    assert one.slices_in_rows < 2
