"""One run in virtual time: an aggregator produces, consumers listen, all is drained."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Sequence
from enum import Enum
from typing import Any

import numpy as np
import simpy

from kline_harness.columns import Rows
from kline_harness.errors import ContractError
from kline_harness.interfaces import Aggregator, FeedSlice, Observer
from kline_harness.kline import Emission
from kline_harness.simulation.bulk_delivery import BulkChannel, BulkProducer
from kline_harness.simulation.channels import (
    BROADCAST,
    BroadcastChannel,
    Channel,
    ChannelOptions,
)
from kline_harness.simulation.kernel import PRODUCER, Due, Kernel
from kline_harness.simulation.listener import Listener, ListenerOptions, Listening
from kline_harness.simulation.records import ChannelRecord
from kline_harness.simulation.work import Meter, Work
from kline_harness.tape import Tape


class Fidelity(Enum):
    """How the producer runs: ahead of the simulation in batches, or one event at a time.

    Both give the same bytes: an aggregator's emission carries the virtual instants at which it
    was published, so running ahead cannot be seen by a consumer.
    """

    BATCH = "batch"
    TRADE = "trade"


class Simulation:
    """Wires an aggregator, two channels and their consumers to one virtual clock.

    `design` makes the channel of finals where the scenario asks for one that is no broadcast.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        feed: Iterable[FeedSlice],
        channels: ChannelOptions | None = None,
        fidelity: Fidelity = Fidelity.BATCH,
        observers: Sequence[Observer] = (),
        design: Callable[[str, int, str], Channel] | None = None,
    ) -> None:
        self._options = channels or ChannelOptions()
        self._aggregator = aggregator
        self._feed = feed
        self._fidelity = fidelity
        self._observers = observers
        self._klines: Channel = BroadcastChannel("klines", self._options.klines, remember=True)
        if design is not None:
            sole_consumer = self._options.sole_consumer
            self._klines = design("klines", self._options.klines, sole_consumer)
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
        pieces = itertools.chain([first], slices)
        if self._delivers_in_bulk():
            return self._run_in_bulk(pieces, end_ns)
        for channel, consumer, deliver, options in self._planned:
            listener: Listener[Any] = Listener(self._env, channel, consumer, deliver, options)
            self._listeners.append(listener)
            # All subscribe before the producer starts, unless their options say otherwise.
            listener.start()
        produce = self._in_batches if self._fidelity is Fidelity.BATCH else self._by_event
        self._env.process(produce(pieces, end_ns))
        self._env.run()
        for listener in self._listeners:
            if listener.process is None or listener.process.is_alive:
                raise ContractError(f"consumer {listener.consumer.name} never ended")
        return [self._record(self._klines), self._record(self._life)]

    def _delivers_in_bulk(self) -> bool:
        """Tell whether nothing can come between a publication and its consumers."""
        if self._fidelity is not Fidelity.BATCH or self._klines.design != BROADCAST:
            return False
        always_ready = ListenerOptions()
        return all(
            consumer.rows_until_flush() is not None and options == always_ready
            for _, consumer, _, options in self._planned
        )

    def _run_in_bulk(
        self, pieces: Iterable[FeedSlice], end_ns: Callable[[], int]
    ) -> list[ChannelRecord]:
        channels = [
            BulkChannel(channel.name, channel.capacity, remembers)
            for channel, remembers in ((self._klines, True), (self._life, False))
        ]
        for channel, consumer, deliver, _ in self._planned:
            channels[channel is self._life].listen(self._env, consumer, deliver)
        published = (self._options.life_published, self._observers)
        producer = BulkProducer(self._env, channels, self._meter, *published)
        emissions = (self._advanced(piece) for piece in pieces)
        self._env.process(producer.run(emissions, end_ns, self._finished))
        self._env.run()
        return [channel.record() for channel in channels]

    @property
    def work(self) -> Work:
        """Return how much work it was so far."""
        return self._meter.work(self._env.events)

    def _record(self, channel: Channel) -> ChannelRecord:
        listeners = [one for one in self._listeners if one.channel is channel]
        counts = (channel.published, channel.sent, channel.unsent, channel.refused)
        consumers = tuple(listener.record() for listener in listeners)
        return ChannelRecord(channel.name, channel.design, channel.capacity, *counts, consumers)

    def _in_batches(
        self, pieces: Iterable[FeedSlice], end_ns: Callable[[], int]
    ) -> Generator[simpy.Event, Any, None]:
        for piece in pieces:
            yield from self._publish(self._advanced(piece))
        yield from self._end(end_ns())

    def _by_event(
        self, pieces: Iterable[FeedSlice], end_ns: Callable[[], int]
    ) -> Generator[simpy.Event, Any, None]:
        for piece in pieces:
            remaining = piece
            while len(remaining):
                event, remaining = remaining.cut(1)
                yield from self._wait_until(_first_instant(event))
                yield from self._publish(self._advanced(event))
        yield from self._end(end_ns())

    def _advanced(self, piece: FeedSlice) -> Emission:
        self._meter.fed(piece)
        for observer in self._observers:
            observer.on_slice(piece)
        return self._noted(self._aggregator.advance(piece))

    def _finished(self, end_ns: int) -> Emission:
        for observer in self._observers:
            observer.on_end(end_ns)
        return self._noted(self._aggregator.finish(end_ns))

    def _noted(self, emission: Emission) -> Emission:
        """Count an emission, and see that it may be published."""
        self._meter.emitted(emission)
        at_ns = emission.klines.at_ns
        if np.any(at_ns[1:] < at_ns[:-1]):
            raise ContractError("an emission's klines are not in order of their instants")
        for observer in self._observers:
            observer.on_emission(emission)
        return emission

    def _end(self, end_ns: int) -> Generator[simpy.Event, Any, None]:
        yield from self._wait_until(end_ns)
        yield from self._publish(self._finished(end_ns))
        self._klines.close()
        self._life.close()

    def _wait_until(self, instant_ns: int) -> Generator[simpy.Event, Any, None]:
        if instant_ns > self._env.now:
            yield Due(self._env, instant_ns - int(self._env.now), PRODUCER)

    def _publish(self, emission: Emission) -> Generator[simpy.Event, Any, None]:
        """Send each row at its instant: klines first, then the events of the same instant."""
        klines, events = emission.klines, emission.events
        instants = np.union1d(klines.at_ns, events.at_ns)
        if len(instants) == 0:
            return
        kline_stops = np.searchsorted(klines.at_ns, instants, side="right").tolist()
        event_stops = np.searchsorted(events.at_ns, instants, side="right").tolist()
        env, kline_start, event_start = self._env, 0, 0
        for instant, kline_stop, event_stop in zip(
            instants.tolist(), kline_stops, event_stops, strict=True
        ):
            if instant > env.now:
                yield Due(env, instant - int(env.now), PRODUCER)
            if kline_stop > kline_start:
                self._send(self._klines, Rows(klines, kline_start, kline_stop))
            if event_stop > event_start and self._options.life_published:
                self._send(self._life, Rows(events, event_start, event_stop))
            kline_start, event_start = kline_stop, event_stop

    def _send(self, channel: Channel, rows: Rows[Any]) -> None:
        self._meter.published(channel.name, int(self._env.now))
        for observer in self._observers:
            observer.on_published(channel.name, rows)
        channel.publish(rows.base, rows.start, rows.stop)


def _first_instant(piece: FeedSlice) -> int:
    """Return when the first event of a slice is processed."""
    if piece.signals and piece.positions[0] == 0:
        return piece.signals[0].at_ns
    return int(piece.trades.arrival_ns[0]) if len(piece.trades) else 0
