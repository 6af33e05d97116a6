"""The contract of the consumer seam: what any listener to published klines must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import Any, TypeAlias

import numpy as np

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.columns import Rows, concat
from kline_harness.interfaces import Consumer
from kline_harness.interval import parse_intervals
from kline_harness.kline import KlineBatch
from kline_harness.testing.aggregator_kit import hold
from kline_harness.testing.specification import slice_of
from kline_harness.testing.subject_kit import rough_feed
from kline_harness.verdict import Validity, Verdict

MakeConsumer: TypeAlias = Callable[[], Consumer]
NOW_NS = 1_704_070_000 * 10**9
_KLINES = 60


def check_consumer(
    make: MakeConsumer, *, rounds: int = 5, streams: Sequence[KlineBatch] = ()
) -> None:
    """Hold a consumer to the seam: cuts change nothing, a lag leaves a doubt, a close is one.

    `make` returns a new consumer, independent of the others. `streams` are klines to deliver; by
    default some in order, some with gaps, some twice and some out of order.

    Raises AssertionError for the first thing that is wrong.
    """
    chosen = streams or drawn_streams()
    check_empty(make)
    for klines in chosen:
        for seed in range(rounds):
            check_cuts(make, klines, Random(seed))
    check_lag(make, chosen[0])
    check_second_close(make, chosen[0])


def drawn_streams() -> list[KlineBatch]:
    """Return klines of two symbols: in order, with gaps, twice, and out of order."""
    messages = rough_feed(Random(0))
    aggregator = ExactAggregator(parse_intervals("1m,3m"))
    emissions = [aggregator.advance(slice_of(messages[:-1]))]
    emissions.append(aggregator.finish(messages[-1]["at_ns"]))
    klines = concat([emission.klines for emission in emissions])[:_KLINES]
    rows = np.arange(len(klines))
    orders = (rows[rows % 7 != 3], np.repeat(rows, 1 + (rows % 5 == 0)), rows[::-1])
    return [klines, *(klines.take(order) for order in orders)]


def check_empty(make: MakeConsumer) -> None:
    """Deliver nothing.

    Raises AssertionError where that is not valid, or the verdict is not the consumer's.
    """
    consumer = make()
    consumer.on_timer(NOW_NS)
    consumer.on_rows(NOW_NS, Rows.all(KlineBatch.empty()))
    rows = consumer.rows_until_flush()
    hold(rows > 0, f"rows_until_flush: expected a number above 0, found {rows!r}")
    consumer.on_close(NOW_NS)
    verdict = consumer.verdict()
    named = verdict.check == consumer.name
    hold(named, f"verdict: expected that of {consumer.name!r}, found {verdict.check!r}")
    hold(verdict.validity is Validity.VALID, f"nothing delivered: expected valid, found {verdict}")


def check_cuts(make: MakeConsumer, klines: KlineBatch, random: Random) -> None:
    """Deliver klines whole, in some pieces, one by one, and as copies.

    Raises AssertionError where the verdicts differ.
    """
    whole = verdict_rows(run(make, [Rows.all(klines)]))
    cuts = [random.randrange(len(klines) + 1) for _ in range(random.randrange(6))]
    single = pieces(klines, range(len(klines)))
    copies = [Rows.all(rows.table()) for rows in single]
    for deliveries in (pieces(klines, cuts), single, copies):
        sizes = [len(rows) for rows in deliveries]
        same = verdict_rows(run(make, deliveries)) == whole
        hold(same, f"expected the same verdict for deliveries of {sizes} klines")


def check_lag(make: MakeConsumer, klines: KlineBatch) -> None:
    """Tell a consumer twice that it missed klines.

    Raises AssertionError where its verdict is valid all the same.
    """
    consumer, middle = make(), len(klines) // 2
    consumer.on_rows(NOW_NS, Rows(klines, 0, middle))
    consumer.on_lag(NOW_NS, 7)
    consumer.on_lag(NOW_NS, 5)
    consumer.on_rows(NOW_NS, Rows(klines, middle, len(klines)))
    consumer.on_close(NOW_NS)
    doubted = consumer.verdict().validity is not Validity.VALID
    hold(doubted, "klines missed: expected a verdict that is not valid")


def check_second_close(make: MakeConsumer, klines: KlineBatch) -> None:
    """Close a consumer twice.

    Raises AssertionError where the second close changes its verdict.
    """
    once = verdict_rows(run(make, [Rows.all(klines)]))
    consumer = make()
    consumer.on_rows(NOW_NS, Rows.all(klines))
    consumer.on_close(NOW_NS)
    consumer.on_close(NOW_NS + 1)
    hold(verdict_rows(consumer.verdict()) == once, "a second close: expected the same verdict")


def run(make: MakeConsumer, deliveries: Iterable[Rows[KlineBatch]]) -> Verdict:
    """Deliver, close and judge."""
    consumer = make()
    for rows in deliveries:
        consumer.on_rows(NOW_NS, rows)
    consumer.on_close(NOW_NS)
    return consumer.verdict()


def pieces(klines: KlineBatch, cuts: Iterable[int]) -> list[Rows[KlineBatch]]:
    """Cut a table into deliveries at some of its rows."""
    edges = sorted({0, len(klines), *(cut % (len(klines) + 1) for cut in cuts)})
    return [Rows(klines, start, stop) for start, stop in pairwise(edges)]


def verdict_rows(verdict: Verdict) -> list[Any]:
    """Return everything a verdict says, as data that can be compared."""
    return [verdict.to_dict(), [finding.to_dict() for finding in verdict.findings]]
