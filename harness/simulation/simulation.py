"""One run in virtual time: an aggregator produces, consumers listen, everything is drained."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

import numpy as np
import simpy

from harness.columns import Columns, Rows
from harness.errors import ContractError
from harness.interfaces import Aggregator, FeedSlice
from harness.kline import Emission
from harness.simulation.broadcast import ChannelStatistics, Sender, SendError
from harness.simulation.kernel import PRODUCER, Due
from harness.simulation.listener import Listener, ListenerOptions, Listening
from harness.simulation.segments import Batch
from harness.tape import Tape
from harness.units import Int64Array

KLINE_CAPACITY = 10_000
LIFE_CAPACITY = 4_096


class Fidelity(Enum):
    """How the producer runs: ahead of the simulation in batches, or one event at a time.

    Both give the same bytes: an aggregator's emission carries the virtual instants at which it
    was published, so running ahead cannot be seen by a consumer.
    """

    BATCH = "batch"
    TRADE = "trade"


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """The capacities of the two broadcasts, in values; rounded up to a power of two."""

    klines: int = KLINE_CAPACITY
    life: int = LIFE_CAPACITY


@dataclass(frozen=True, slots=True)
class ConsumerRecord:
    """What one consumer received: values by fate, and how many waited at each wake-up."""

    name: str
    delivered: int
    lagged: int
    lag_events: int
    depth_peak: int
    before_subscribing: int
    depths: tuple[Int64Array, Int64Array]


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """What one broadcast carried; `unsent` was published while nobody listened."""

    name: str
    capacity: int
    published: int
    sent: int
    unsent: int
    consumers: tuple[ConsumerRecord, ...]


@dataclass(slots=True)
class _Broadcast:
    """A channel with its listeners while the simulation runs."""

    name: str
    sender: Sender[Any]
    listeners: list[Listener[Any]] = field(default_factory=list)
    published: int = 0

    def publish(self, table: Columns, start: int, stop: int) -> None:
        if stop == start:
            return
        self.published += stop - start
        try:
            self.sender.send_many(cast("Batch[Any]", Rows(table, start, stop)))
        except SendError:
            # Nobody listens: the channel counts what it rejected, and so does the ledger.
            return

    def record(self) -> ChannelRecord:
        statistics: ChannelStatistics = self.sender.statistics()
        return ChannelRecord(
            self.name,
            self.sender.capacity,
            self.published,
            statistics.sent,
            statistics.rejected,
            tuple(_consumer_record(listener) for listener in self.listeners),
        )


class Simulation:
    """Wires an aggregator, two broadcasts and their consumers to one virtual clock."""

    def __init__(
        self,
        aggregator: Aggregator,
        feed: Iterable[FeedSlice],
        channels: ChannelOptions | None = None,
        fidelity: Fidelity = Fidelity.BATCH,
    ) -> None:
        capacities = channels or ChannelOptions()
        self._aggregator = aggregator
        self._feed = feed
        self._fidelity = fidelity
        self._klines = _Broadcast("klines", Sender.new(capacities.klines))
        self._life = _Broadcast("lifecycle", Sender.new(capacities.life))
        self._env = simpy.Environment()
        self._planned: list[tuple[_Broadcast, Listening, Any, ListenerOptions]] = []

    def listen_to_klines(
        self, consumer: Listening, deliver: Callable[..., None], options: ListenerOptions
    ) -> None:
        """Subscribe a consumer to the finals."""
        self._planned.append((self._klines, consumer, deliver, options))

    def listen_to_life(
        self, consumer: Listening, deliver: Callable[..., None], options: ListenerOptions
    ) -> None:
        """Subscribe a consumer to the lifecycle events."""
        self._planned.append((self._life, consumer, deliver, options))

    def run(self, end_ns: Callable[[], int]) -> list[ChannelRecord]:
        """Run to the end of the feed, drain every consumer, and return what was carried.

        `end_ns` gives, once the feed is exhausted, the instant at which it ended.

        Raises ContractError when a consumer never ended or an emission is out of order.
        """
        slices = iter(self._feed)
        first = next(slices, FeedSlice(Tape.empty()))
        self._env = simpy.Environment(initial_time=_first_instant(first))
        for broadcast, consumer, deliver, options in self._planned:
            listener: Listener[Any] = Listener(
                self._env, broadcast.sender, consumer, deliver, options
            )
            broadcast.listeners.append(listener)
            # All subscribe before the producer starts, unless their options say otherwise.
            listener.start()
        produce = self._in_batches if self._fidelity is Fidelity.BATCH else self._by_event
        self._env.process(produce(first, slices, end_ns))
        self._env.run()
        for broadcast in (self._klines, self._life):
            for listener in broadcast.listeners:
                if listener.process is None or listener.process.is_alive:
                    raise ContractError(f"consumer {listener.consumer.name} never ended")
        return [self._klines.record(), self._life.record()]

    def _in_batches(
        self, first: FeedSlice, rest: Iterator[FeedSlice], end_ns: Callable[[], int]
    ) -> Generator[simpy.Event, Any, None]:
        for piece in itertools.chain([first], rest):
            yield from self._publish(self._aggregator.advance(piece))
        yield from self._end(end_ns())

    def _by_event(
        self, first: FeedSlice, rest: Iterator[FeedSlice], end_ns: Callable[[], int]
    ) -> Generator[simpy.Event, Any, None]:
        for piece in itertools.chain([first], rest):
            remaining = piece
            while len(remaining):
                event, remaining = remaining.cut(1)
                yield from self._wait_until(_first_instant(event))
                yield from self._publish(self._aggregator.advance(event))
        yield from self._end(end_ns())

    def _end(self, end_ns: int) -> Generator[simpy.Event, Any, None]:
        yield from self._wait_until(end_ns)
        yield from self._publish(self._aggregator.finish(end_ns))
        self._klines.sender.drop()
        self._life.sender.drop()

    def _wait_until(self, instant_ns: int) -> Generator[simpy.Event, Any, None]:
        if instant_ns > self._env.now:
            yield Due(self._env, instant_ns - int(self._env.now), PRODUCER)

    def _publish(self, emission: Emission) -> Generator[simpy.Event, Any, None]:
        """Send each row at its instant: klines first, then the events of the same instant."""
        klines, events = emission.klines, emission.events
        instants = np.union1d(klines.at_ns, events.at_ns)
        if len(instants) == 0:
            return
        if np.any(klines.at_ns[1:] < klines.at_ns[:-1]):
            raise ContractError("an emission's klines are not in order of their instants")
        kline_stops = np.searchsorted(klines.at_ns, instants, side="right").tolist()
        event_stops = np.searchsorted(events.at_ns, instants, side="right").tolist()
        env, kline_start, event_start = self._env, 0, 0
        for instant, kline_stop, event_stop in zip(
            instants.tolist(), kline_stops, event_stops, strict=True
        ):
            if instant > env.now:
                yield Due(env, instant - int(env.now), PRODUCER)
            self._klines.publish(klines, kline_start, kline_stop)
            self._life.publish(events, event_start, event_stop)
            kline_start, event_start = kline_stop, event_stop


def _first_instant(piece: FeedSlice) -> int:
    """Return when the first event of a slice is processed."""
    if piece.signals and piece.positions[0] == 0:
        return piece.signals[0].at_ns
    return int(piece.trades.arrival_ns[0]) if len(piece.trades) else 0


def _consumer_record(listener: Listener[Any]) -> ConsumerRecord:
    statistics = listener.statistics()
    last_by_instant = dict(listener.depths)
    return ConsumerRecord(
        listener.consumer.name,
        statistics.delivered,
        statistics.lagged,
        statistics.lag_events,
        statistics.depth_peak,
        listener.missed_before_subscribing,
        (
            np.fromiter(last_by_instant.keys(), dtype=np.int64, count=len(last_by_instant)),
            np.fromiter(last_by_instant.values(), dtype=np.int64, count=len(last_by_instant)),
        ),
    )
