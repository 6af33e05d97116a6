"""The contract of the consumer seam: what any listener of the broadcast must satisfy."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from kline_harness.columns import Rows
from kline_harness.interfaces import Consumer
from kline_harness.kline import KlineBatch
from kline_harness.verdict import Validity, Verdict

from tests.consumers.tables import pieces, published, rolled, series, table

Make = Callable[[], Consumer]
NOW_NS = 1_704_070_000 * 10**9


def check_consumer(make: Make, *, rounds: int = 20) -> None:
    """Hold a consumer to the contract; `make` returns a new one, independent of the others."""
    check_empty(make)
    for text in ("0 1 2 3 4 5", "0 1q 2q 3 5 5 4", "0 3 2 1 0"):
        for seed in range(rounds):
            check_cuts(make, stream(text), Random(seed))
    check_lag(make)
    check_second_close(make)


def stream(text: str) -> KlineBatch:
    """Return two symbols' klines, with the higher ones of the first."""
    lower = series(text)
    other = series("0 1 2q 3", symbol="BETAUSDT")
    return table(published(lower, rolled(lower, "3m"), other))


def told(verdict: Verdict) -> list[Any]:
    """Return everything a verdict says, as data that can be compared."""
    return [verdict.to_dict(), [finding.to_dict() for finding in verdict.findings]]


def run(make: Make, deliveries: list[Rows[KlineBatch]]) -> Verdict:
    """Deliver, close and judge."""
    consumer = make()
    for rows in deliveries:
        consumer.on_rows(NOW_NS, rows)
    consumer.on_close(NOW_NS)
    return consumer.verdict()


def check_empty(make: Make) -> None:
    """Nothing delivered is nothing wrong."""
    consumer = make()
    consumer.on_timer(NOW_NS)
    consumer.on_rows(NOW_NS, Rows.all(KlineBatch.empty()))
    consumer.on_close(NOW_NS)
    verdict = consumer.verdict()
    assert verdict.check == consumer.name
    assert verdict.validity is Validity.VALID, verdict
    assert verdict.not_checked, "a check says what it does not verify"


def check_cuts(make: Make, batch: KlineBatch, random: Random) -> None:
    """How the stream is cut into deliveries changes nothing."""
    whole = run(make, [Rows.all(batch)])
    cuts = [random.randrange(len(batch) + 1) for _ in range(random.randrange(6))]
    assert told(run(make, pieces(batch, cuts))) == told(whole)
    single = pieces(batch, range(len(batch)))
    assert told(run(make, single)) == told(whole)
    copies = [Rows.all(rows.table()) for rows in single]
    assert told(run(make, copies)) == told(whole)


def check_lag(make: Make) -> None:
    """Missed klines are counted, and a check that did not see everything is not valid."""
    consumer = make()
    batch = stream("0 1 2 3 4 5")
    consumer.on_rows(NOW_NS, Rows(batch, 0, 4))
    consumer.on_lag(NOW_NS, 7)
    consumer.on_lag(NOW_NS, 5)
    consumer.on_rows(NOW_NS, Rows(batch, 4, len(batch)))
    consumer.on_close(NOW_NS)
    verdict = consumer.verdict()
    assert verdict.validity is not Validity.VALID
    assert 12 in verdict.counts.values(), "the klines missed in all are a count"
    missed = [f.evidence["missed"] for f in verdict.findings if "missed" in f.evidence]
    assert missed == [7, 5]


def check_second_close(make: Make) -> None:
    """Closing again does nothing."""
    consumer = make()
    consumer.on_rows(NOW_NS, Rows.all(stream("0 1 3")))
    consumer.on_close(NOW_NS)
    once = told(consumer.verdict())
    consumer.on_close(NOW_NS + 1)
    assert told(consumer.verdict()) == once
