"""The consumer kit, and what the harness asks of its own consumers beyond it."""

from __future__ import annotations

from collections.abc import Callable

from kline_harness.columns import Rows
from kline_harness.interfaces import Consumer
from kline_harness.kline import KlineBatch
from kline_harness.testing import consumer_kit
from kline_harness.testing.consumer_kit import NOW_NS

from tests.checks.tables import published, rolled, series, table

Make = Callable[[], Consumer]


def check_consumer(make: Make, *, rounds: int = 20) -> None:
    """Hold a consumer to the contract; `make` returns a new one, independent of the others."""
    streams = [stream(text) for text in ("0 1 2 3 4 5", "0 1q 2q 3 5 5 4", "0 3 2 1 0")]
    consumer_kit.check_consumer(make, rounds=rounds, streams=streams)
    consumer_kit.check_consumer(make, rounds=1)
    assert consumer_kit.run(make, []).not_checked, "a check says what it does not verify"
    check_lag(make)


def stream(text: str) -> KlineBatch:
    """Return two symbols' klines, with the higher ones of the first."""
    lower = series(text)
    other = series("0 1 2q 3", symbol="BETAUSDT")
    return table(published(lower, rolled(lower, "3m"), other))


def check_lag(make: Make) -> None:
    """Missed klines are counted, and each lag is a finding."""
    consumer = make()
    batch = stream("0 1 2 3 4 5")
    consumer.on_rows(NOW_NS, Rows(batch, 0, 4))
    consumer.on_lag(NOW_NS, 7)
    consumer.on_lag(NOW_NS, 5)
    consumer.on_rows(NOW_NS, Rows(batch, 4, len(batch)))
    consumer.on_close(NOW_NS)
    verdict = consumer.verdict()
    assert 12 in verdict.counts.values(), "the klines missed in all are a count"
    missed = [f.evidence["missed"] for f in verdict.findings if "missed" in f.evidence]
    assert missed == [7, 5]
