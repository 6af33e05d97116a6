"""The broadcast channel against a naive model: all values ever sent, and a cursor per receiver.

The model shares nothing with the channel: it stores every value, evicts one by one as sends
happen, and counts what each receiver got, one value at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)
from kline_harness.simulation.broadcast import (
    Closed,
    Empty,
    Lagged,
    Receiver,
    ReceiverStatistics,
    Sender,
    SendError,
)
from kline_harness.simulation.segments import Batch


@dataclass(eq=False)
class Reader:
    """What the model knows of one receiver; queue holds the indices it may still read."""

    receiver: Receiver[int]
    room: int
    queue: list[int] = field(default_factory=list)
    offered: int = 0
    taken: int = 0
    missed_unreported: int = 0
    missed_reported: int = 0
    lags: int = 0
    fullest: int = 0

    def offer(self, index: int) -> None:
        self.offered += 1
        self.queue.append(index)
        if len(self.queue) > self.room:
            del self.queue[0]
            self.missed_unreported += 1
        self.fullest = max(self.fullest, len(self.queue))

    def expected(self, closed: bool) -> object:
        if self.missed_unreported:
            missed, self.missed_unreported = self.missed_unreported, 0
            self.missed_reported += missed
            self.lags += 1
            return ("lagged", missed)
        if self.queue:
            return "values"
        return "closed" if closed else "empty"

    def account(self, dropped: bool = False) -> ReceiverStatistics:
        return ReceiverStatistics(
            sent=self.offered,
            delivered=self.taken,
            lagged=self.missed_reported,
            lag_events=self.lags,
            overwritten=self.missed_unreported,
            depth=0 if dropped else len(self.queue),
            depth_peak=self.fullest,
            abandoned=len(self.queue) if dropped else 0,
        )


def outcome(receive: Callable[[], Batch[int]]) -> object:
    try:
        piece = receive()
    except Lagged as lag:
        return ("lagged", lag.missed)
    except Empty:
        return "empty"
    except Closed:
        return "closed"
    return [int(piece[index]) for index in range(len(piece))]


class BroadcastMachine(RuleBasedStateMachine):
    readers = Bundle("readers")

    @initialize(capacity=st.integers(1, 9))
    def open(self, capacity: int) -> None:
        self.first: Sender[int] = Sender.new(capacity)
        self.senders = [self.first]
        self.room = next(room for room in (1, 2, 4, 8, 16) if room >= capacity)
        self.values: list[int] = []
        self.live: list[Reader] = []
        self.gone: list[Reader] = []
        self.refused = 0
        self.highest = 0
        self.numbers = iter(range(10**9))

    def record(self, values: list[int]) -> None:
        for value in values:
            self.values.append(value)
            for reader in self.live:
                reader.offer(len(self.values) - 1)
            self.highest = max([self.highest, *(len(reader.queue) for reader in self.live)])

    @precondition(lambda self: self.senders)
    @rule(which=st.integers(0, 9))
    def send(self, which: int) -> None:
        value = next(self.numbers)
        self.check_send([value], value, lambda sender: sender.send(value), which)

    @precondition(lambda self: self.senders)
    @rule(
        which=st.integers(0, 9),
        count=st.integers(1, 40),
        make=st.sampled_from([list, tuple, np.array]),
    )
    def send_many(self, which: int, count: int, make: Callable[[list[int]], Batch[int]]) -> None:
        values = [next(self.numbers) for _ in range(count)]
        batch = make(values)
        self.check_send(values, batch, lambda sender: sender.send_many(batch), which)

    def check_send(
        self, values: list[int], sent: object, send: Callable[[Sender[int]], int], which: int
    ) -> None:
        sender = self.senders[which % len(self.senders)]
        if self.live:
            assert send(sender) == len(self.live)
            self.record(values)
            return
        with pytest.raises(SendError) as refused:
            send(sender)
        assert refused.value.value is sent
        self.refused += len(values)

    @rule(reader=readers)
    def try_recv(self, reader: Reader) -> None:
        self.check_receive(reader, lambda: (reader.receiver.try_recv(),), 1)

    @rule(reader=readers, limit=st.none() | st.integers(1, 20))
    def try_recv_many(self, reader: Reader, limit: int | None) -> None:
        self.check_receive(reader, lambda: reader.receiver.try_recv_many(limit), limit)

    def check_receive(
        self, reader: Reader, receive: Callable[[], Batch[int]], limit: int | None
    ) -> None:
        expected = reader.expected(closed=not self.senders)
        actual = outcome(receive)
        if expected != "values":
            assert actual == expected
            return
        assert isinstance(actual, list)
        assert 1 <= len(actual) <= (limit or self.room)
        for value in actual:
            assert value == self.values[reader.queue.pop(0)]
            reader.taken += 1

    @precondition(lambda self: self.senders)
    @rule(target=readers, which=st.integers(0, 9))
    def subscribe(self, which: int) -> Reader:
        return self.add(self.senders[which % len(self.senders)].subscribe())

    @rule(target=readers, reader=readers)
    def resubscribe(self, reader: Reader) -> Reader:
        return self.add(reader.receiver.resubscribe())

    def add(self, receiver: Receiver[int]) -> Reader:
        reader = Reader(receiver, self.room)
        self.live.append(reader)
        return reader

    @rule(reader=consumes(readers))
    def drop_receiver(self, reader: Reader) -> None:
        reader.receiver.drop()
        self.live.remove(reader)
        self.gone.append(reader)

    @precondition(lambda self: 0 < len(self.senders) < 5)
    @rule(which=st.integers(0, 9))
    def clone_sender(self, which: int) -> None:
        self.senders.append(self.senders[which % len(self.senders)].clone())

    @precondition(lambda self: self.senders)
    @rule(which=st.integers(0, 9))
    def drop_sender(self, which: int) -> None:
        self.senders.pop(which % len(self.senders)).drop()

    @rule()
    def rest(self) -> None:
        """Nothing happens: what is left when every end is dropped."""

    @invariant()
    def receivers_agree(self) -> None:
        for reader in self.live:
            account = reader.receiver.statistics()
            assert account == reader.account()
            assert account.balanced
            assert len(reader.receiver) == account.overwritten + account.depth
            assert reader.receiver.position == len(self.values) - len(reader.receiver)
        for reader in self.gone:
            assert reader.receiver.statistics() == reader.account(dropped=True)

    @invariant()
    def channel_agrees(self) -> None:
        depth = max((len(reader.queue) for reader in self.live), default=0)
        assert len(self.first) == depth
        assert self.first.receiver_count == len(self.live)
        assert self.first.tail == len(self.values)
        everyone = self.live + self.gone
        totals = self.first.statistics()
        assert (totals.sent, totals.rejected) == (len(self.values), self.refused)
        assert totals.delivered == sum(reader.taken for reader in everyone)
        assert totals.lagged == sum(reader.missed_reported for reader in everyone)
        assert totals.lag_events == sum(reader.lags for reader in everyone)
        assert (totals.depth, totals.depth_peak) == (depth, self.highest)

    @invariant()
    def memory_holds_only_what_can_be_read(self) -> None:
        segments = self.first._channel.segments
        oldest = min((reader.queue[0] for reader in self.live if reader.queue), default=None)
        if oldest is None:
            assert len(segments) == 0
        else:
            first = segments.segment(segments.first_number)
            assert first.start <= oldest < first.end


TestBroadcastModel = BroadcastMachine.TestCase
TestBroadcastModel.settings = settings(
    max_examples=200, stateful_step_count=60, deadline=None, derandomize=True
)
