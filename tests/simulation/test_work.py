"""The work of a run is counted by what happens in it, not by how its feed was cut."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.interfaces import FeedSlice
from kline_harness.interval import parse_interval
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.simulation.simulation import Fidelity, Simulation
from kline_harness.simulation.work import Work

from tests.tapes import Event, events, feed_slice

INTERVALS = [parse_interval(text) for text in ("1m", "5m", "1h")]
# Eight columns of 8 bytes, the symbol's 2, maker and kind of 1 each.
TRADE_BYTES = 68


def work(feed: FeedSlice, cuts: list[int], fidelity: Fidelity = Fidelity.BATCH) -> Work:
    places = [0, *sorted(min(cut, len(feed)) for cut in cuts), len(feed)]
    pieces, rest = [], feed
    for before, cut in pairwise(places):
        head, rest = rest.cut(cut - before)
        pieces.append(head)
    simulation = Simulation(ExactAggregator(INTERVALS), pieces, fidelity=fidelity)
    auditor, checker = CompletenessAuditor(), LifecycleChecker()
    simulation.listen_to_klines(auditor, auditor.on_rows, ListenerOptions())
    simulation.listen_to_life(checker, checker.on_rows, ListenerOptions())
    last = [signal.at_ns for signal in feed.signals] + feed.trades.arrival_ns.tolist()
    simulation.run(lambda: max(last, default=0))
    return simulation.work


@settings(max_examples=60, deadline=None)
@given(events(), st.lists(st.integers(0, 40), max_size=4))
def test_cuts_do_not_count(feed: list[Event], cuts: list[int]) -> None:
    piece = feed_slice(sorted(feed, key=lambda event: event.at_ns))
    whole = work(piece, [])
    assert work(piece, cuts) == whole
    each = work(piece, [], Fidelity.TRADE)
    # An event per trade costs more events of the kernel, and nothing else.
    assert each.simpy_events >= whole.simpy_events
    assert replace(each, simpy_events=whole.simpy_events) == whole


def minutes(count: int, trades: int) -> FeedSlice:
    """Return minutes of as many trades each, with a tick at the end of each minute."""
    start, minute = 1_709_423_700 * 10**9, 60 * 10**9
    feed = []
    for number in range(count):
        opened = start + number * minute
        times = [opened + k * minute // trades for k in range(trades)]
        ids = range(number * trades, (number + 1) * trades)
        feed += [Event(at, at, "AAA", id=k + 1) for k, at in zip(ids, times, strict=True)]
        feed.append(Event(opened + minute, opened + minute))
    return feed_slice(feed)


def test_simpy_events_do_not_grow_with_trades() -> None:
    few, many = work(minutes(10, 2), []), work(minutes(10, 200), [])
    assert (few.simpy_events, few.batches) == (many.simpy_events, many.batches)
    assert few.bytes_emitted == many.bytes_emitted
    assert (few.bytes_fed, many.bytes_fed) == (20 * TRADE_BYTES, 2_000 * TRADE_BYTES)
