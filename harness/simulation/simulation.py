"""One run in virtual time: an aggregator produces, consumers listen, all is drained."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import simpy

from harness.errors import ContractError
from harness.interfaces import Aggregator, FeedSlice
from harness.kline import Emission
from harness.simulation.designs import (
    BroadcastChannel,
    Channel,
    ChannelOptions,
    Design,
    Lost,
    QueueChannel,
)
from harness.simulation.kernel import PRODUCER, Due, Kernel
from harness.simulation.listener import Listener, ListenerOptions, Listening
from harness.simulation.work import Meter, Work
from harness.tape import Tape
from harness.units import Int64Array


class Fidelity(Enum):
    """How the producer runs: ahead of the simulation in batches, or one event at a time.

    Both give the same bytes: an aggregator's emission carries the virtual instants at which it
    was published, so running ahead cannot be seen by a consumer.
    """

    BATCH = "batch"
    TRADE = "trade"


@dataclass(frozen=True, slots=True)
class ConsumerRecord:
    """What one consumer received: values by fate, and how many waited for it.

    Of the values sent, `before_subscribing`, `lagged`, `unread` and `after_leaving` never reached
    it; all of them where it was never `connected`. `lost` are those it lagged behind, or the
    queue refused, where the channel remembers them. By instant, `depths` are how many waited at
    each wake-up, `stalled` at each publication during a stall, and `lags` how many it learned
    to have lagged behind.
    """

    name: str
    delivered: int
    lagged: int
    lag_events: int
    depth_peak: int
    before_subscribing: int
    unread: int
    after_leaving: int
    connected: bool
    died_at_ns: int | None
    lost: Lost
    depths: tuple[Int64Array, Int64Array]
    stalled: tuple[Int64Array, Int64Array]
    lags: tuple[Int64Array, Int64Array]


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """What one channel carried; `unsent` was published while nobody listened.

    `refused` found no room: that happens to a queue only.
    """

    name: str
    design: Design
    capacity: int
    published: int
    sent: int
    unsent: int
    refused: int
    consumers: tuple[ConsumerRecord, ...]


class Simulation:
    """Wires an aggregator, two channels and their consumers to one virtual clock."""

    def __init__(
        self,
        aggregator: Aggregator,
        feed: Iterable[FeedSlice],
        channels: ChannelOptions | None = None,
        fidelity: Fidelity = Fidelity.BATCH,
    ) -> None:
        self._options = channels or ChannelOptions()
        self._aggregator = aggregator
        self._feed = feed
        self._fidelity = fidelity
        self._klines: Channel = BroadcastChannel("klines", self._options.klines, remember=True)
        if self._options.design is Design.MPSC:
            sole_consumer = self._options.sole_consumer
            self._klines = QueueChannel("klines", self._options.klines, sole_consumer)
        self._life: Channel = BroadcastChannel("lifecycle", self._options.life)
        self._env = Kernel()
        self._planned: list[tuple[Channel, Listening, Any, ListenerOptions]] = []
        self._listeners: list[Listener[Any]] = []
        self._meter = Meter()

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
        # Virtual time begins with the first event: slices without one say nothing of when.
        first = next((piece for piece in slices if len(piece)), FeedSlice(Tape.empty()))
        self._env = Kernel(_first_instant(first))
        for channel, consumer, deliver, options in self._planned:
            listener: Listener[Any] = Listener(self._env, channel, consumer, deliver, options)
            self._listeners.append(listener)
            # All subscribe before the producer starts, unless their options say otherwise.
            listener.start()
        produce = self._in_batches if self._fidelity is Fidelity.BATCH else self._by_event
        self._env.process(produce(first, slices, end_ns))
        self._env.run()
        for listener in self._listeners:
            if listener.process is None or listener.process.is_alive:
                raise ContractError(f"consumer {listener.consumer.name} never ended")
        return [self._record(self._klines), self._record(self._life)]

    @property
    def work(self) -> Work:
        """Return how much work it was so far."""
        return self._meter.work(self._env.events)

    def _record(self, channel: Channel) -> ChannelRecord:
        listeners = [one for one in self._listeners if one.channel is channel]
        counts = (channel.published, channel.sent, channel.unsent, channel.refused)
        consumers = tuple(_consumer_record(listener) for listener in listeners)
        return ChannelRecord(channel.name, channel.design, channel.capacity, *counts, consumers)

    def _in_batches(
        self, first: FeedSlice, rest: Iterator[FeedSlice], end_ns: Callable[[], int]
    ) -> Generator[simpy.Event, Any, None]:
        for piece in itertools.chain([first], rest):
            yield from self._publish(self._advanced(piece))
        yield from self._end(end_ns())

    def _by_event(
        self, first: FeedSlice, rest: Iterator[FeedSlice], end_ns: Callable[[], int]
    ) -> Generator[simpy.Event, Any, None]:
        for piece in itertools.chain([first], rest):
            remaining = piece
            while len(remaining):
                event, remaining = remaining.cut(1)
                yield from self._wait_until(_first_instant(event))
                yield from self._publish(self._advanced(event))
        yield from self._end(end_ns())

    def _advanced(self, piece: FeedSlice) -> Emission:
        self._meter.fed(piece)
        return self._aggregator.advance(piece)

    def _end(self, end_ns: int) -> Generator[simpy.Event, Any, None]:
        yield from self._wait_until(end_ns)
        yield from self._publish(self._aggregator.finish(end_ns))
        self._klines.close()
        self._life.close()

    def _wait_until(self, instant_ns: int) -> Generator[simpy.Event, Any, None]:
        if instant_ns > self._env.now:
            yield Due(self._env, instant_ns - int(self._env.now), PRODUCER)

    def _publish(self, emission: Emission) -> Generator[simpy.Event, Any, None]:
        """Send each row at its instant: klines first, then the events of the same instant."""
        self._meter.emitted(emission)
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
            if kline_stop > kline_start:
                self._meter.published(self._klines.name, instant)
                self._klines.publish(klines, kline_start, kline_stop)
            if event_stop > event_start and self._options.life_published:
                self._meter.published(self._life.name, instant)
                self._life.publish(events, event_start, event_stop)
            kline_start, event_start = kline_stop, event_stop


def _first_instant(piece: FeedSlice) -> int:
    """Return when the first event of a slice is processed."""
    if piece.signals and piece.positions[0] == 0:
        return piece.signals[0].at_ns
    return int(piece.trades.arrival_ns[0]) if len(piece.trades) else 0


def _consumer_record(listener: Listener[Any]) -> ConsumerRecord:
    name = listener.consumer.name
    received = listener.channel.received(name)
    return ConsumerRecord(
        name,
        received.delivered,
        received.lagged,
        received.lag_events,
        received.depth_peak,
        listener.missed_before_subscribing,
        received.unread,
        received.after,
        listener.connected,
        listener.died_at_ns,
        listener.channel.lost(name),
        _columns(dict(listener.depths).items()),
        _columns(dict(listener.stalled).items()),
        _columns(listener.lags),
    )


def _columns(pairs: Collection[tuple[int, int]]) -> tuple[Int64Array, Int64Array]:
    flat = itertools.chain.from_iterable(pairs)
    table = np.fromiter(flat, dtype=np.int64, count=2 * len(pairs)).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()
