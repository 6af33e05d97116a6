"""The bounded channel of one consumer: the newest row is refused, the receiver works as any."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.columns import Rows
from kline_harness.klagg.queue import QueueChannel
from kline_harness.simulation.broadcast import Closed, Empty
from kline_harness.simulation.channels import Received, ReceiverLike


def channel(capacity: int) -> tuple[QueueChannel, Any]:
    made = QueueChannel("klines", capacity, "writer")
    receiver, missed = made.subscribe("writer")
    assert missed == 0
    return made, receiver


def publish(channel: QueueChannel, start: int, stop: int) -> None:
    numbers: Any = range(10_000_000)
    channel.publish(numbers, start, stop)


def numbers_of(rows: Rows[Any]) -> list[int]:
    return list(rows.table())


def test_a_full_queue_refuses_the_newest() -> None:
    queue, receiver = channel(4)
    publish(queue, 0, 1)
    publish(queue, 1, 9)
    publish(queue, 9, 12)
    assert [numbers_of(receiver.try_recv_many()) for _ in range(2)] == [[0], [1, 2, 3]]
    with pytest.raises(Empty):
        receiver.try_recv_many()
    assert [numbers_of(rows) for rows in queue.lost("writer")] == [[4, 5, 6, 7, 8], [9, 10, 11]]
    assert (queue.published, queue.sent, queue.refused, queue.unsent) == (12, 4, 8, 0)
    assert queue.received("writer") == Received(4, 0, 0, 0, 0, depth_peak=4)


def test_the_capacity_is_not_rounded_and_a_batch_is_not_walked_through() -> None:
    queue, receiver = channel(1_000_001)
    publish(queue, 0, 10_000_000)
    rows = receiver.try_recv_many()
    assert (rows.start, rows.stop, queue.refused) == (0, 1_000_001, 8_999_999)


def test_pieces_are_slices_of_one_batch() -> None:
    queue, receiver = channel(8)
    publish(queue, 0, 5)
    publish(queue, 5, 7)
    pieces = [receiver.try_recv_many(limit) for limit in (2, 9, None)]
    assert [numbers_of(rows) for rows in pieces] == [[0, 1], [2, 3, 4], [5, 6]]
    assert pieces[0].base is pieces[1].base


def test_it_ends_after_what_waits() -> None:
    queue, receiver = channel(4)
    publish(queue, 0, 3)
    queue.close()
    assert numbers_of(receiver.try_recv_many()) == [0, 1, 2]
    with pytest.raises(Closed):
        receiver.try_recv_many()


def test_a_consumer_that_left_receives_nothing_more() -> None:
    queue, receiver = channel(4)
    publish(queue, 0, 4)
    receiver.try_recv_many(1)
    receiver.drop()
    publish(queue, 4, 6)
    assert (queue.sent, queue.unsent, queue.refused) == (4, 2, 0)
    assert queue.received("writer") == Received(1, 0, 0, unread=3, after=0, depth_peak=4)


def test_another_consumer_receives_nothing() -> None:
    queue, _ = channel(4)
    publish(queue, 0, 3)
    assert queue.subscribe("completeness") == (None, 0)
    assert queue.received("completeness") == Received(0, 0, 0, 0, after=3, depth_peak=0)
    assert queue.lost("completeness") == []


def test_the_consumer_is_woken_by_rows_that_were_taken_and_by_the_end() -> None:
    queue, receiver = channel(2)
    woken: list[int] = []
    receiver.waker = lambda: woken.append(len(receiver))
    for start, stop in ((0, 1), (1, 3), (3, 4)):
        publish(queue, start, stop)
    queue.close()
    assert woken == [1, 2, 2]


@given(
    capacity=st.integers(1, 6),
    steps=st.lists(st.tuples(st.sampled_from(["publish", "take"]), st.integers(1, 9))),
)
def test_a_queue_equals_a_plain_bounded_deque(capacity: int, steps: list[tuple[str, int]]) -> None:
    queue, receiver = channel(capacity)
    end: ReceiverLike = receiver
    plain: deque[int] = deque()
    offered = accepted = taken = peak = 0
    for step, size in steps:
        if step == "publish":
            publish(queue, offered, offered + size)
            room = range(offered, offered + size)[: capacity - len(plain)]
            plain.extend(room)
            offered, accepted = offered + size, accepted + len(room)
            peak = max(peak, len(plain))
        elif not plain:
            with pytest.raises(Empty):
                end.try_recv_many(size)
        else:
            piece = numbers_of(receiver.try_recv_many(size))
            assert 1 <= len(piece) <= size
            assert [plain.popleft() for _ in piece] == piece
            taken += len(piece)
        assert (queue.sent, queue.refused) == (accepted, offered - accepted)
        assert queue.received("writer") == Received(taken, 0, 0, len(plain), 0, peak)
        assert len(end) == len(plain)
