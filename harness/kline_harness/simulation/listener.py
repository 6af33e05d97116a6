"""A consumer as a process in virtual time: it waits, is served, lags, and is drained."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, cast

import simpy

from kline_harness.columns import Rows, T
from kline_harness.simulation.broadcast import Closed, Empty, Lagged
from kline_harness.simulation.channels import Channel, ReceiverLike
from kline_harness.simulation.kernel import CONSUMER, TIMER, Due, Wake
from kline_harness.simulation.records import ConsumerRecord, pairs_of
from kline_harness.units import NS_PER_DAY, Window


class Listening(Protocol):
    """The part of a consumer that does not depend on what it consumes."""

    name: str
    timer_period_ns: int | None

    def on_lag(self, now_ns: int, missed: int) -> None: ...
    def on_timer(self, now_ns: int) -> None: ...
    def rows_until_flush(self) -> int | None:
        """Return how many values may come at once; None: each at the instant of its own."""
        ...

    def on_close(self, now_ns: int) -> None: ...


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """How a consumer behaves in time.

    `service_ns` is what it needs for each value; `subscribe_at_ns` None means before the
    producer starts; during each of `stalls` it takes nothing. At `leaves_at_ns` it ends, having
    taken what waits unless `drains` is false. At `dies_at_ns` it is gone without a word: it does
    not learn that anything is over. With `ends_at_lag` it takes its first lag for the end, and
    leaves what waits.
    """

    service_ns: int = field(default=0, metadata={"most": NS_PER_DAY})
    subscribe_at_ns: int | None = None
    stalls: tuple[Window, ...] = ()
    leaves_at_ns: int | None = None
    drains: bool = True
    dies_at_ns: int | None = None
    ends_at_lag: bool = False


@dataclass(slots=True)
class Listener(Generic[T]):
    """Runs one consumer on one channel.

    Values are handed to `deliver` when their service is over. The timer fires at multiples of the
    consumer's period after the start, but only after something was delivered: an idle timer
    finds nothing to do. `depths` are (instant, values waiting) at each wake-up, `stalled` the
    same at each publication during a stall, and `lags` (instant, values missed) as often as it
    learned of some.
    """

    env: simpy.Environment
    channel: Channel
    consumer: Listening
    deliver: Callable[[int, Rows[T]], None]
    options: ListenerOptions = field(default_factory=ListenerOptions)
    missed_before_subscribing: int = 0
    depths: list[tuple[int, int]] = field(default_factory=list)
    stalled: list[tuple[int, int]] = field(default_factory=list)
    lags: list[tuple[int, int]] = field(default_factory=list)
    process: simpy.Process | None = None
    died_at_ns: int | None = None
    _receiver: ReceiverLike | None = None
    _waiting: Wake | None = None
    _is_stalled: bool = False
    _timer_due: bool = False
    _start_ns: int = 0

    def start(self) -> None:
        """Subscribe (unless late) and begin to run."""
        self._start_ns = int(self.env.now)
        if self.options.subscribe_at_ns is None:
            self._subscribe()
        self.process = self.env.process(self._run())

    @property
    def connected(self) -> bool:
        """Tell whether the channel took it as a consumer."""
        return self._receiver is not None

    def _subscribe(self) -> None:
        name = self.consumer.name
        self._receiver, self.missed_before_subscribing = self.channel.subscribe(name)
        if self._receiver is not None:
            self._receiver.waker = self._wake

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.fire()
            self._waiting = None
        elif self._is_stalled and self._receiver is not None:
            self.stalled.append((int(self.env.now), len(self._receiver)))

    def _run(self) -> Generator[simpy.Event, Any, None]:
        env, options = self.env, self.options
        if options.subscribe_at_ns is not None:
            yield Due(env, max(0, options.subscribe_at_ns - int(env.now)), CONSUMER)
            self._subscribe()
        for end_ns in (options.leaves_at_ns, options.dies_at_ns):
            if end_ns is not None:
                due = Due(env, max(0, end_ns - int(env.now)), CONSUMER)
                due.callbacks.append(lambda _: self._wake())
        receiver = self._receiver
        if receiver is not None:
            yield from self._receive(receiver)
        if self.died_at_ns is None:
            self.consumer.on_close(int(env.now))
        if receiver is not None:
            receiver.drop()

    def _receive(self, receiver: ReceiverLike) -> Generator[simpy.Event, Any, None]:
        """Take values until the channel is closed or the consumer ends."""
        env, options = self.env, self.options
        limit = 1 if options.service_ns else None
        # Asked at every wake-up, so what most consumers never do is decided once.
        steady = not options.stalls and (options.leaves_at_ns, options.dies_at_ns) == (
            None,
            None,
        )
        while True:
            if not steady:
                stalled_ns = self._stalled_for()
                if stalled_ns:
                    self._is_stalled = True
                    yield Due(env, stalled_ns, CONSUMER)
                    self._is_stalled = False
                if self._is_dead() or (self._is_leaving() and not options.drains):
                    return
            try:
                rows = cast("Rows[T]", receiver.try_recv_many(limit))
            except Empty:
                if self._is_leaving():
                    return
                self._waiting = Wake(env)
                yield self._waiting
                self.depths.append((int(env.now), len(receiver)))
                continue
            except Lagged as lag:
                self.lags.append((int(env.now), lag.missed))
                self.consumer.on_lag(int(env.now), lag.missed)
                if options.ends_at_lag:
                    return
                continue
            except Closed:
                return
            if options.service_ns:
                self.depths.append((int(env.now), len(receiver)))
                yield Due(env, options.service_ns, CONSUMER)
            self.deliver(int(env.now), rows)
            self._plan_timer()

    def _is_leaving(self) -> bool:
        leaves_at_ns = self.options.leaves_at_ns
        return leaves_at_ns is not None and int(self.env.now) >= leaves_at_ns

    def _is_dead(self) -> bool:
        dies_at_ns = self.options.dies_at_ns
        if dies_at_ns is not None and int(self.env.now) >= dies_at_ns:
            self.died_at_ns = int(self.env.now)
        return self.died_at_ns is not None

    def _stalled_for(self) -> int:
        now_ns = int(self.env.now)
        left = [
            window.until_ns - now_ns
            for window in self.options.stalls
            if window.from_ns <= now_ns < window.until_ns
        ]
        return max(left, default=0)

    def _plan_timer(self) -> None:
        period_ns = self.consumer.timer_period_ns
        if period_ns is None or self._timer_due:
            return
        self._timer_due = True
        elapsed_ns = int(self.env.now) - self._start_ns
        due = Due(self.env, period_ns - elapsed_ns % period_ns, TIMER)
        due.callbacks.append(self._on_timer)

    def _on_timer(self, _: simpy.Event) -> None:
        self._timer_due = False
        if self.process is not None and self.process.is_alive:
            self.consumer.on_timer(int(self.env.now))

    def record(self) -> ConsumerRecord:
        """Return what it received."""
        name = self.consumer.name
        return ConsumerRecord.of(
            name,
            self.channel.received(name),
            lost=self.channel.lost(name),
            depths=pairs_of(dict(self.depths).items()),
            stalled=pairs_of(dict(self.stalled).items()),
            lags=pairs_of(self.lags),
            before_subscribing=self.missed_before_subscribing,
            connected=self.connected,
            died_at_ns=self.died_at_ns,
        )
