"""A replay without faults: the place where `kline_harness.replay.injecting` puts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from kline_harness.interfaces import FeedSlice
from kline_harness.replay.market import Market
from kline_harness.replay.scenario import Scenario
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.listener import Listening
from kline_harness.storage.parquet_writer import ParquetWriter
from kline_harness.storage.restarting_writer import RestartingWriter
from kline_harness.tape import Tape
from kline_harness.verdict import Verdict


def faults_of(scenario: Scenario) -> Faultless:
    """Return what puts a scenario's faults into a replay."""
    if not scenario.faults:
        return Faultless(scenario)
    # Late: most replays have no faults, and the catalogue is long.
    from kline_harness.replay.injecting import Injected

    return Injected(scenario)


class Faultless:
    """Leaves everything as it is."""

    # Whether the aggregator gets other trades than the files hold.
    strikes_trades = False

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    def trades(self, tapes: Iterator[Tape]) -> Iterator[Tape]:
        """Return the trades with faults."""
        return tapes

    def feed(self, feed: Iterable[FeedSlice]) -> Iterable[FeedSlice]:
        """Return the feed with faults of the clock."""
        return feed

    def end_ns(self, end_ns: int) -> int:
        """Return when the feed ends."""
        return end_ns

    def writer(self, directory: Path) -> ParquetWriter | RestartingWriter:
        """Return the writer."""
        return ParquetWriter(directory, self.scenario.writer)

    def listen(
        self, listen: Callable[..., None], consumer: Listening, deliver: Callable[..., None]
    ) -> None:
        """Subscribe a consumer, with the faults that strike it."""
        listen(consumer, deliver, self.scenario.listener(consumer.name))

    def missed(self, consumer: str) -> int:
        """Return how many values were delivered to a consumer while it was down."""
        return 0

    def rows(self) -> dict[str, int]:
        """Return how many rows of the files faults took away (or added, below zero)."""
        return {}

    def again(
        self, tapes: Iterator[Tape], feed: Callable[[Iterator[Tape]], Feed]
    ) -> Iterator[tuple[Tape, Tape]]:
        """Yield the trades as given to the aggregator, each time with those read meanwhile."""
        whole: list[Tape] = []
        again = feed(tapes)
        again.witness = lambda piece: whole.append(piece.trades)
        for piece in again:
            yield piece.trades, whole.pop()

    def outcomes(self, market: Callable[[], Market]) -> tuple[list[Verdict], list[dict[str, Any]]]:
        """Return what each fault did as plain data, and the verdicts that tell of it."""
        return [], []
