"""The broadcast channel rule by rule, its accounts and its memory."""

import numpy as np
import pytest
from kline_harness.simulation import broadcast
from kline_harness.simulation.broadcast import (
    Closed,
    Empty,
    HandleDropped,
    Lagged,
    Receiver,
    Sender,
    SendError,
)
from kline_harness.simulation.segments import Segments


def channel(capacity: int) -> tuple[Sender[int], Receiver[int]]:
    return broadcast.channel(capacity)


def receive(receiver: Receiver[int], count: int) -> list[int]:
    return [receiver.try_recv() for _ in range(count)]


# --- rule by rule


@pytest.mark.parametrize(
    ("asked", "held"),
    [(1, 1), (2, 2), (3, 4), (4_096, 4_096), (10_000, 16_384), (2**63 - 1, 2**63)],
)
def test_capacity_is_rounded_up_to_a_power_of_two(asked: int, held: int) -> None:
    assert Sender.new(asked).capacity == held


@pytest.mark.parametrize("capacity", [0, -1, 2**63, 2**64])
def test_impossible_capacity_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"must be between 1 and {2**63 - 1}, got {capacity}"):
        channel(capacity)


def test_send_without_receivers_hands_the_value_back() -> None:
    sender: Sender[int] = Sender.new(4)
    with pytest.raises(SendError) as single:
        sender.send(7)
    with pytest.raises(SendError) as batch:
        sender.send_many([8, 9])
    assert (single.value.value, batch.value.value) == (7, [8, 9])
    assert (sender.tail, len(sender), sender.statistics().rejected) == (0, 0, 3)
    receiver = sender.subscribe()
    assert sender.send(10) == 1
    assert receiver.try_recv() == 10


def test_lag_is_reported_again_when_overwritten_meanwhile() -> None:
    sender, receiver = channel(2)
    sender.send_many(range(5))
    assert len(receiver) == 5
    with pytest.raises(Lagged) as first:
        receiver.try_recv()
    sender.send(5)
    with pytest.raises(Lagged) as second:
        receiver.try_recv_many()
    assert (first.value.missed, second.value.missed, receiver.position) == (3, 1, 4)
    assert receive(receiver, 2) == [4, 5]


def test_lag_and_retained_values_precede_closed() -> None:
    sender, receiver = channel(2)
    sender.send_many(range(3))
    sender.drop()
    with pytest.raises(Lagged):
        receiver.try_recv()
    assert receive(receiver, 2) == [1, 2]
    with pytest.raises(Closed):
        receiver.try_recv()


def test_full_ring_closes_without_a_false_lag() -> None:
    sender, receiver = channel(2)
    sender.send_many(range(2))
    sender.drop()
    assert receive(receiver, 2) == [0, 1]
    with pytest.raises(Closed):
        receiver.try_recv_many()


def test_receiver_subscribed_after_close_is_closed() -> None:
    sender, receiver = channel(2)
    sender.send(1)
    sender.drop()
    with pytest.raises(Closed):
        receiver.resubscribe().try_recv()


def test_sender_length_is_the_slowest_receivers_retained_part() -> None:
    sender, fast = channel(4)
    slow = sender.subscribe()
    sender.send_many(range(6))
    assert (len(sender), len(slow)) == (4, 6)
    with pytest.raises(Lagged):
        fast.try_recv()
    fast.try_recv_many()
    assert len(sender) == 4
    slow.drop()
    assert len(sender) == 0


def test_pieces_are_slices_of_one_batch() -> None:
    sender, receiver = channel(8)
    batch = np.arange(5)
    sender.send_many(batch)
    sender.send_many(np.arange(5, 8))
    piece = receiver.try_recv_many(2)
    assert isinstance(piece, np.ndarray)
    assert np.shares_memory(piece, batch)
    assert [len(receiver.try_recv_many(9)), len(receiver.try_recv_many(None))] == [3, 3]
    sender.send_many(batch)
    assert receiver.try_recv_many() is batch


def test_batch_longer_than_the_ring_keeps_its_last_values() -> None:
    sender, receiver = channel(4)
    assert sender.send_many(range(1_000)) == 1
    with pytest.raises(Lagged, match="missed 996 values"):
        receiver.try_recv()
    assert receive(receiver, 4) == [996, 997, 998, 999]


def test_batch_is_never_iterated() -> None:
    sender, receiver = channel(2**40)
    sender.send_many(range(2**40))
    assert receiver.try_recv_many() == range(2**40)


def test_empty_batch_sends_nothing() -> None:
    sender, receiver = channel(4)
    woken: list[str] = []
    receiver.waker = lambda: woken.append("woken")
    assert sender.send_many([]) == 1
    receiver.drop()
    assert sender.send_many([]) == 0
    assert (sender.tail, woken) == (0, [])


@pytest.mark.parametrize("limit", [0, -3])
def test_limit_below_one_is_refused_even_when_empty(limit: int) -> None:
    _, receiver = channel(4)
    with pytest.raises(ValueError, match=f"at least 1, got {limit}"):
        receiver.try_recv_many(limit)


def test_waker_stays_and_is_called_for_sends_and_the_close() -> None:
    sender, receiver = channel(4)
    woken: list[int] = []
    receiver.waker = lambda: woken.append(len(receiver))
    sender.send(1)
    sender.send_many([2, 3])
    other = sender.clone()
    sender.drop()
    assert woken == [1, 3]
    other.drop()
    assert woken == [1, 3, 3]


def test_waker_may_change_the_receivers() -> None:
    sender, first = channel(4)
    second = sender.subscribe()
    woken: list[str] = []

    def replace_second() -> None:
        second.drop()
        first.resubscribe()

    first.waker = replace_second
    second.waker = lambda: woken.append("dropped receivers are not woken")
    assert sender.send(1) == 2
    assert (sender.receiver_count, woken) == (2, [])


def test_dropped_ends_refuse_to_work_and_drop_once() -> None:
    sender, receiver = channel(4)
    receiver.drop()
    receiver.drop()
    assert sender.receiver_count == 0
    for use in (receiver.try_recv, receiver.try_recv_many, receiver.resubscribe, receiver.__len__):
        with pytest.raises(HandleDropped, match="this receiver was dropped"):
            use()
    survivor = sender.clone()
    sender.drop()
    sender.drop()
    for action in (sender.subscribe, sender.clone, lambda: sender.send(1)):
        with pytest.raises(HandleDropped, match="this sender was dropped"):
            action()
    late = survivor.subscribe()
    with pytest.raises(Empty):
        late.try_recv()


# --- accounts and memory


def test_statistics_tell_what_became_of_every_value() -> None:
    sender, receiver = channel(4)
    sender.send_many(range(3))
    receiver.try_recv()
    sender.send_many(range(6))
    assert receiver.statistics() == broadcast.ReceiverStatistics(
        sent=9,
        delivered=1,
        lagged=0,
        lag_events=0,
        overwritten=4,
        depth=4,
        depth_peak=4,
        abandoned=0,
    )
    with pytest.raises(Lagged):
        receiver.try_recv()
    receiver.try_recv_many(3)
    receiver.drop()
    account = receiver.statistics()
    assert account == broadcast.ReceiverStatistics(
        sent=9,
        delivered=4,
        lagged=4,
        lag_events=1,
        overwritten=0,
        depth=0,
        depth_peak=4,
        abandoned=1,
    )
    with pytest.raises(SendError):
        sender.send(0)
    assert receiver.statistics() == account
    assert account.balanced
    assert sender.statistics() == broadcast.ChannelStatistics(
        sent=9, rejected=1, delivered=4, lagged=4, lag_events=1, depth=0, depth_peak=4
    )


def test_peak_between_two_reads_is_not_lost() -> None:
    sender, receiver = channel(8)
    for burst in (2, 5, 1):
        sender.send_many(range(burst))
        receive(receiver, burst)
    assert (receiver.statistics().depth_peak, sender.statistics().depth_peak) == (5, 5)


def test_overwritten_and_fully_read_batches_are_released() -> None:
    sender, stalled = channel(4)
    held: Segments[int] = sender._channel.segments
    for value in range(100):
        sender.send(value)
    assert len(held) == 4
    fast = sender.subscribe()
    sender.send_many(range(3))
    fast.try_recv_many()
    assert len(held) == 2
    stalled.drop()
    assert len(held) == 0
    sender.send_many(range(2))
    sender.send_many(range(2))
    fast.try_recv_many()
    assert len(held) == 1
    fast.drop()
    assert len(held) == 0
