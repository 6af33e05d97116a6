"""The bounded mpsc channel: the newest value is refused, the receiver works as the broadcast's."""

from collections import deque
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.klagg import mpsc
from kline_harness.klagg.mpsc import Full, QueueReceiver, QueueSender, SendClosed, Statistics
from kline_harness.simulation import broadcast
from kline_harness.simulation.broadcast import Closed, Empty, HandleDropped


def channel(capacity: int) -> tuple[QueueSender[int], QueueReceiver[int]]:
    return mpsc.channel(capacity)


def test_full_queue_refuses_the_newest_and_hands_it_back() -> None:
    sender, receiver = channel(3)
    for value in range(3):
        sender.try_send(value)
    with pytest.raises(Full) as refused:
        sender.try_send(3)
    assert refused.value.value == 3
    assert [receiver.try_recv() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Empty):
        receiver.try_recv()


def test_capacity_is_not_rounded() -> None:
    sender, _ = channel(10_000)
    assert sender.capacity == 10_000
    assert sender.send_many(range(15_000)) == 10_000
    assert sender.statistics() == Statistics(
        sent=10_000, delivered=0, rejected=5_000, depth=10_000, depth_peak=10_000, abandoned=0
    )


@pytest.mark.parametrize("capacity", [0, -1, 2**61])
def test_impossible_capacity_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"must be between 1 and {2**61 - 1}, got {capacity}"):
        channel(capacity)


def test_batch_loses_its_tail() -> None:
    sender, receiver = channel(4)
    sender.try_send(0)
    assert sender.send_many(np.arange(1, 9)) == 3
    assert sender.send_many(np.arange(9, 12)) == 0
    pieces = [list(np.asarray(piece)) for piece in receiver.drain()]
    assert pieces == [[0], [1, 2, 3]]
    assert (receiver.drain(), sender.statistics().rejected) == ([], 8)


def test_pieces_are_slices_of_one_batch() -> None:
    sender, receiver = channel(8)
    batch = np.arange(5)
    sender.send_many(batch)
    sender.send_many(np.arange(5, 7))
    piece = receiver.try_recv_many(2)
    assert isinstance(piece, np.ndarray)
    assert np.shares_memory(piece, batch)
    assert [len(receiver.try_recv_many(9)), len(receiver.try_recv_many())] == [3, 2]


def test_batch_is_never_iterated() -> None:
    sender, receiver = channel(2**40)
    assert sender.send_many(range(2**50)) == 2**40
    assert receiver.try_recv_many() == range(2**40)


@pytest.mark.parametrize("close", [QueueReceiver.close, QueueReceiver.drop])
def test_send_to_a_closed_receiver_is_closed_even_when_full(
    close: Callable[[QueueReceiver[int]], None],
) -> None:
    sender, receiver = channel(1)
    sender.try_send(0)
    close(receiver)
    with pytest.raises(SendClosed) as single:
        sender.try_send(1)
    with pytest.raises(Closed) as batch:
        sender.send_many([2, 3])
    assert isinstance(batch.value, SendClosed)
    assert (single.value.value, batch.value.value) == (1, [2, 3])
    assert sender.statistics().rejected == 3
    assert sender.send_many([]) == 0


def test_closed_receiver_still_reads_what_waits() -> None:
    sender, receiver = channel(4)
    sender.send_many([1, 2])
    receiver.close()
    assert [receiver.try_recv(), len(receiver.try_recv_many())] == [1, 1]
    with pytest.raises(Closed):
        receiver.try_recv()


def test_last_sender_closes_after_what_waits() -> None:
    sender, receiver = channel(4)
    other = sender.clone()
    sender.try_send(1)
    sender.drop()
    sender.drop()
    other.try_send(2)
    other.drop()
    assert [receiver.try_recv(), receiver.try_recv()] == [1, 2]
    with pytest.raises(Closed):
        receiver.try_recv_many()


def test_dropped_receiver_abandons_what_waits() -> None:
    sender, receiver = channel(4)
    sender.send_many(range(4))
    receiver.try_recv()
    receiver.drop()
    receiver.drop()
    assert receiver.statistics() == Statistics(
        sent=4, delivered=1, rejected=0, depth=0, depth_peak=4, abandoned=3
    )
    assert (len(sender), receiver.position) == (0, 1)


def test_dropped_ends_refuse_to_work() -> None:
    sender, receiver = channel(4)
    receiver.drop()
    for use in (receiver.try_recv, receiver.try_recv_many, receiver.drain, receiver.close):
        with pytest.raises(HandleDropped, match="this receiver was dropped"):
            use()
    sender.drop()
    for send in (sender.clone, lambda: sender.try_send(1), lambda: sender.send_many([1])):
        with pytest.raises(HandleDropped, match="this sender was dropped"):
            send()


@pytest.mark.parametrize("limit", [0, -3])
def test_limit_below_one_is_refused_even_when_empty(limit: int) -> None:
    _, receiver = channel(4)
    with pytest.raises(ValueError, match=f"at least 1, got {limit}"):
        receiver.try_recv_many(limit)


def test_waker_stays_and_is_called_for_accepted_sends_and_the_close() -> None:
    sender, receiver = channel(2)
    woken: list[int] = []
    receiver.waker = lambda: woken.append(len(receiver))
    assert receiver.waker is not None
    sender.try_send(1)
    sender.send_many([2, 3])
    sender.send_many([4])
    with pytest.raises(Full):
        sender.try_send(5)
    assert woken == [1, 2]
    receiver.close()
    sender.drop()
    assert woken == [1, 2, 2, 2]


def test_one_consumer_runs_on_either_channel() -> None:
    def consume(receiver: broadcast.Receiver[int] | mpsc.QueueReceiver[int]) -> list[int]:
        received = [receiver.try_recv()]
        while len(receiver):
            piece = receiver.try_recv_many(2)
            received += [piece[index] for index in range(len(piece))]
        return received

    queue, queue_receiver = channel(8)
    ring: broadcast.Sender[int] = broadcast.Sender.new(8)
    ring_receiver = ring.subscribe()
    queue.send_many(range(7))
    ring.send_many(range(7))
    assert consume(queue_receiver) == consume(ring_receiver) == list(range(7))


@given(
    capacity=st.integers(1, 6),
    steps=st.lists(st.tuples(st.sampled_from(["send", "batch", "one", "many"]), st.integers(1, 9))),
)
def test_queue_equals_a_plain_bounded_deque(capacity: int, steps: list[tuple[str, int]]) -> None:
    sender, receiver = channel(capacity)
    plain: deque[int] = deque()
    offered = accepted = taken = peak = 0
    for step, size in steps:
        if step in ("send", "batch"):
            values = list(range(offered, offered + (size if step == "batch" else 1)))
            offered += len(values)
            room = values[: capacity - len(plain)]
            if step == "batch":
                assert sender.send_many(values) == len(room)
            elif room:
                sender.try_send(values[0])
            else:
                with pytest.raises(Full):
                    sender.try_send(values[0])
            plain.extend(room)
            accepted += len(room)
            peak = max(peak, len(plain))
        elif not plain:
            with pytest.raises(Empty):
                receiver.try_recv_many(size)
        else:
            piece = (receiver.try_recv(),) if step == "one" else receiver.try_recv_many(size)
            assert 1 <= len(piece) <= size
            assert [plain.popleft() for _ in range(len(piece))] == list(np.asarray(piece))
            taken += len(piece)
        account = receiver.statistics()
        assert account == Statistics(accepted, taken, offered - accepted, len(plain), peak, 0)
        assert account.balanced
        assert (len(receiver), len(sender), receiver.position) == (len(plain), len(plain), taken)
