"""Delivery to consumers that are always ready: many instants at once, not an event for each.

A consumer that is always ready takes everything at the instant of its publication. Between two
timers nothing tells whether it was woken for each or handed all of them at once, so that is what
happens here. What must be noticed at its own instant still is: a timer, values lost because one
instant brought more than the channel holds, the value that fills a consumer's buffer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from kline_harness.columns import Columns, Rows
from kline_harness.interfaces import Observer
from kline_harness.kline import Emission
from kline_harness.simulation.channels import BROADCAST, Lost, Received
from kline_harness.simulation.kernel import CONSUMER, PRODUCER, TIMER, Due
from kline_harness.simulation.listener import Listening
from kline_harness.simulation.records import ChannelRecord, ConsumerRecord, pairs_of
from kline_harness.simulation.work import Meter
from kline_harness.units import INT64_MAX, Int64Array

Deliver = Callable[[int, Rows[Any]], None]


@dataclass(slots=True)
class TimedBatch:
    """Values of neighbouring instants: `ends` counts them up to each of `instants`."""

    pieces: list[Rows[Any]]
    instants: Int64Array
    ends: Int64Array

    def __len__(self) -> int:
        return len(self.instants)

    @staticmethod
    def empty() -> TimedBatch:
        """Return no values."""
        none = np.empty(0, dtype=np.int64)
        return TimedBatch([], none, none)

    @staticmethod
    def of(table: Columns, at_ns: Int64Array) -> TimedBatch:
        """Return a table's rows, which are in order of their instants."""
        last = np.flatnonzero(np.append(at_ns[1:] != at_ns[:-1], True)) if len(at_ns) else at_ns
        return TimedBatch([Rows.all(table)], at_ns[last], last + 1)

    def cut(self, start: int, stop: int) -> TimedBatch:
        """Return the values of the instants from `start` up to `stop`."""
        before = int(self.ends[start - 1]) if start else 0
        end = int(self.ends[stop - 1]) if stop else 0
        instants, ends = self.instants[start:stop], self.ends[start:stop] - before
        return TimedBatch(list(self.between(before, end)), instants, ends)

    def between(self, start: int, stop: int) -> Iterator[Rows[Any]]:
        """Yield the values number `start` up to `stop`."""
        for piece in self.pieces:
            part = piece[max(0, start) : max(0, stop)]
            if len(part):
                yield part
            start, stop = start - len(piece), stop - len(piece)

    def then(self, other: TimedBatch) -> TimedBatch:
        """Return the values of both; the last instant may go on in the other."""
        if not len(self):
            return other
        if not len(other):
            return self
        ends = other.ends + self.ends[-1]
        kept = len(self) - int(self.instants[-1] == other.instants[0])
        return TimedBatch(
            [*self.pieces, *other.pieces],
            np.concatenate([self.instants[:kept], other.instants]),
            np.concatenate([self.ends[:kept], ends]),
        )


@dataclass(slots=True)
class BulkListener:
    """One consumer of a `BulkChannel`."""

    env: simpy.Environment
    consumer: Listening
    deliver: Deliver
    capacity: int
    remembers: bool
    delivered: int = 0
    lagged: int = 0
    lags: list[tuple[int, int]] = field(default_factory=list)
    lost: Lost = field(default_factory=list)
    depth_peak: int = 0
    _depths: list[tuple[Int64Array, NDArray[Any]]] = field(default_factory=list)
    _start_ns: int = 0
    _timer_ns: int | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        self._start_ns = int(self.env.now)

    @property
    def has_timer(self) -> bool:
        """Tell whether it has to be served in virtual time."""
        return self.consumer.timer_period_ns is not None

    def take(self, batch: TimedBatch) -> None:
        """Hand over everything at once: it has no timer that could come in between."""
        self._hand_over(batch, 0, len(batch), self._note_depths(batch))

    def serve(self, batch: TimedBatch) -> Generator[simpy.Event, Any, None]:
        """Hand over the values up to the next timer, wait for what comes after it, and so on."""
        env, begin = self.env, 0
        instants = batch.instants.tolist()
        overfull = self._note_depths(batch)
        while begin < len(instants):
            # Before its timer nothing happens to it but what is handed over.
            is_due = self._timer_ns is None or instants[begin] > self._timer_ns
            if is_due and instants[begin] > env.now:
                yield Due(env, instants[begin] - int(env.now), CONSUMER)
            # A value of the timer's own instant comes before it.
            stop = bisect_right(instants, self._planned_timer_ns(), begin)
            self._hand_over(batch, begin, stop, overfull)
            begin = stop

    def _planned_timer_ns(self) -> int:
        if self._timer_ns is None:
            period_ns = self.consumer.timer_period_ns
            assert period_ns is not None
            now_ns = int(self.env.now)
            self._timer_ns = now_ns + period_ns - (now_ns - self._start_ns) % period_ns
            due = Due(self.env, self._timer_ns - now_ns, TIMER)
            due.callbacks.append(self._on_timer)
        return self._timer_ns

    def _on_timer(self, _: simpy.Event) -> None:
        self._timer_ns = None
        if not self._closed:
            self.consumer.on_timer(int(self.env.now))

    def _note_depths(self, batch: TimedBatch) -> list[int]:
        """Note how many values each instant brought; return where that is too many."""
        depths = np.diff(batch.ends, prepend=0)
        # One of each instant is kept to the end: in as few bytes as it needs.
        small = depths.astype(np.uint16) if int(depths.max()) < 1 << 16 else depths
        self._depths.append((batch.instants, small))
        self.depth_peak = max(self.depth_peak, min(int(depths.max()), self.capacity))
        places: list[int] = np.flatnonzero(depths > self.capacity).tolist()
        return places

    def _hand_over(self, batch: TimedBatch, begin: int, stop: int, overfull: list[int]) -> None:
        """Deliver some instants; the channel has overwritten what one brought above its room."""
        for place in overfull:
            if begin <= place < stop:
                self._deliver(batch, begin, place)
                self._deliver_rest(batch.cut(place, place + 1))
                begin = place + 1
        self._deliver(batch, begin, stop)

    def _deliver(self, batch: TimedBatch, begin: int, stop: int) -> None:
        """Deliver some instants, as many at once as the consumer takes."""
        while begin < stop:
            before = int(batch.ends[begin - 1]) if begin else 0
            more = self.consumer.rows_until_flush() or 1
            room = before + min(more, INT64_MAX - before)
            end = stop
            if batch.ends[stop - 1] >= room:
                # The value that fills the buffer comes with its own instant alone.
                end = max(begin + 1, bisect_left(batch.ends, room, begin, stop))
            rows = batch.between(before, int(batch.ends[end - 1]))
            self._give(int(batch.instants[end - 1]), rows)
            begin = end

    def _deliver_rest(self, instant: TimedBatch) -> None:
        """Deliver what is left of one instant that brought too much."""
        now_ns, count = int(instant.instants[0]), int(instant.ends[0])
        missed = count - self.capacity
        self.lagged += missed
        self.lags.append((now_ns, missed))
        if self.remembers:
            self.lost.extend(instant.between(0, missed))
        self.consumer.on_lag(now_ns, missed)
        self._give(now_ns, instant.between(missed, count))

    def _give(self, now_ns: int, pieces: Iterable[Rows[Any]]) -> None:
        for rows in pieces:
            self.delivered += rows.stop - rows.start
            self.deliver(now_ns, rows)

    def close(self) -> None:
        """Tell the consumer that nothing more comes."""
        self._closed = True
        now_ns = int(self.env.now)
        if not self._depths or self._depths[-1][0][-1] < now_ns:
            # It is woken to learn of it.
            self._depths.append((np.array([now_ns]), np.zeros(1, dtype=np.int64)))
        self.consumer.on_close(now_ns)

    def record(self) -> ConsumerRecord:
        """Return what it received."""
        none = np.empty(0, dtype=np.int64)
        counts = (self.delivered, self.lagged, len(self.lags), 0, 0, self.depth_peak)
        return ConsumerRecord.of(
            self.consumer.name,
            Received(*counts),
            lost=self.lost,
            depths=(
                np.concatenate([none, *(instants for instants, _ in self._depths)]),
                np.concatenate([none, *(depths for _, depths in self._depths)]),
            ),
            stalled=(none, none),
            lags=pairs_of(self.lags),
        )


@dataclass(slots=True)
class BulkChannel:
    """A broadcast whose consumers were all there from the start and are always ready."""

    name: str
    capacity: int
    remembers: bool = False
    published: int = 0
    listeners: list[BulkListener] = field(default_factory=list)

    def listen(self, env: simpy.Environment, consumer: Listening, deliver: Deliver) -> None:
        """Subscribe a consumer, before anything is published."""
        self.listeners.append(BulkListener(env, consumer, deliver, self.capacity, self.remembers))

    def publish(self, batch: TimedBatch) -> list[Generator[simpy.Event, Any, None]]:
        """Send the values of some instants; return what has to go on in virtual time."""
        self.published += int(batch.ends[-1])
        for listener in self.listeners:
            if not listener.has_timer:
                listener.take(batch)
        timed = [listener for listener in self.listeners if listener.has_timer]
        return [listener.serve(batch) for listener in timed]

    def close(self) -> None:
        """End it: every consumer has been given everything."""
        for listener in self.listeners:
            listener.close()

    def record(self) -> ChannelRecord:
        """Return what it carried."""
        sent = self.published if self.listeners else 0
        return ChannelRecord(
            self.name,
            BROADCAST,
            self.capacity,
            published=self.published,
            sent=sent,
            unsent=self.published - sent,
            refused=0,
            consumers=tuple(listener.record() for listener in self.listeners),
        )


@dataclass(slots=True)
class BulkProducer:
    """Publishes klines and lifecycle events to channels whose consumers are always ready."""

    env: simpy.Environment
    channels: list[BulkChannel]
    meter: Meter
    life_published: bool
    observers: Sequence[Observer] = ()
    _waiting: list[TimedBatch] = field(
        default_factory=lambda: [TimedBatch.empty(), TimedBatch.empty()]
    )

    def run(
        self,
        emissions: Iterable[Emission],
        end_ns: Callable[[], int],
        finish: Callable[[int], Emission],
    ) -> Generator[simpy.Event, Any, None]:
        """Publish everything, end the feed at its instant, and close the channels."""
        # What comes is published at its instant, or now if that is over.
        now_ns = int(self.env.now)
        for emission in emissions:
            now_ns = self._take(emission, now_ns)
            # The last instant may go on in the next emission.
            yield from self._publish(before_ns=now_ns)
        closed_ns = end_ns()
        now_ns = self._take(finish(closed_ns), max(now_ns, closed_ns))
        yield from self._publish(before_ns=now_ns + 1)
        if now_ns > self.env.now:
            yield Due(self.env, now_ns - int(self.env.now), PRODUCER)
        for channel in self.channels:
            channel.close()

    def _take(self, emission: Emission, now_ns: int) -> int:
        """Put an emission behind what waits; return its last instant."""
        klines, events = emission.klines, emission.events
        last_ns = now_ns
        for place, (table, at_ns) in enumerate(((klines, klines.at_ns), (events, events.at_ns))):
            if len(table) == 0:
                continue
            batch = TimedBatch.of(table, np.maximum(at_ns, now_ns))
            last_ns = max(last_ns, int(batch.instants[-1]))
            if table is klines or self.life_published:
                self._waiting[place] = self._waiting[place].then(batch)
        return last_ns

    def _publish(self, before_ns: int) -> Generator[simpy.Event, Any, None]:
        """Publish what waits of instants before one, and wait until it was taken."""
        serving = []
        for place, channel in enumerate(self.channels):
            batch = self._waiting[place]
            stop = int(np.searchsorted(batch.instants, before_ns))
            if stop:
                self._waiting[place] = batch.cut(stop, len(batch))
                self.meter.batches += stop
                ready = batch.cut(0, stop)
                for observer in self.observers:
                    for rows in ready.pieces:
                        observer.on_published(channel.name, rows)
                serving += channel.publish(ready)
        if len(serving) == 1:
            yield from serving[0]
        else:
            yield from [self.env.process(served) for served in serving]
