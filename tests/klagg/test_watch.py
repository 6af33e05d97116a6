"""The watch channel: the latest value, who has seen it, and what was coalesced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.klagg import watch
from kline_harness.klagg.watch import WatchReceiverStatistics, WatchSenderStatistics
from kline_harness.simulation.broadcast import HandleDropped, SendError


def test_first_value_counts_as_seen() -> None:
    _, receiver = watch.channel("calm")
    assert (receiver.changed, receiver.borrow()) == (False, "calm")


def test_only_the_latest_value_is_seen() -> None:
    sender, receiver = watch.channel(0)
    for tick in (5, 11, 12):
        sender.send(tick)
    assert receiver.changed
    assert (receiver.borrow_and_update(), receiver.changed) == (12, False)
    assert receiver.statistics() == WatchReceiverStatistics(sent=3, seen=1, coalesced=2, unseen=0)


def test_borrow_does_not_mark_seen() -> None:
    sender, receiver = watch.channel(0)
    sender.send(1)
    assert (receiver.borrow(), receiver.changed) == (1, True)


def test_equal_value_is_a_change() -> None:
    sender, receiver = watch.channel(7)
    sender.send(7)
    assert receiver.changed


def test_later_subscriber_treats_the_current_value_as_seen() -> None:
    sender, _ = watch.channel(0)
    sender.send(1)
    late = sender.subscribe()
    assert (late.changed, late.borrow()) == (False, 1)
    sender.send(2)
    assert late.changed
    assert late.statistics() == WatchReceiverStatistics(sent=1, seen=0, coalesced=0, unseen=1)


def test_clone_has_seen_what_its_original_has() -> None:
    sender, receiver = watch.channel(0)
    sender.send(1)
    clone = receiver.clone()
    receiver.borrow_and_update()
    assert (receiver.changed, clone.changed) == (False, True)
    assert clone.statistics() == WatchReceiverStatistics(sent=1, seen=0, coalesced=0, unseen=1)


def test_send_without_receivers_leaves_the_value() -> None:
    sender, receiver = watch.channel(0)
    receiver.drop()
    with pytest.raises(SendError) as refused:
        sender.send(1)
    assert (refused.value.value, sender.borrow(), sender.receiver_count) == (1, 0, 0)
    late = sender.subscribe()
    assert (late.changed, late.borrow()) == (False, 0)
    sender.send(2)
    assert sender.statistics() == WatchSenderStatistics(sent=1, rejected=1)


def test_last_value_can_be_seen_after_the_close() -> None:
    sender, receiver = watch.channel(0)
    sender.send(1)
    sender.drop()
    sender.drop()
    assert (receiver.closed, receiver.changed) == (True, True)
    assert (receiver.borrow_and_update(), receiver.changed) == (1, False)


def test_waker_stays_and_is_called_for_sends_and_the_close() -> None:
    sender, receiver = watch.channel(0)
    woken: list[tuple[int, bool]] = []
    receiver.waker = lambda: woken.append((receiver.borrow(), receiver.closed))
    sender.send(1)
    sender.send(2)
    sender.drop()
    assert woken == [(1, False), (2, False), (2, True)]


def test_account_is_frozen_at_the_drop() -> None:
    sender, receiver = watch.channel(0)
    other = sender.subscribe()
    sender.send(1)
    sender.send(2)
    receiver.drop()
    receiver.drop()
    sender.send(3)
    assert receiver.statistics() == WatchReceiverStatistics(sent=2, seen=0, coalesced=1, unseen=1)
    assert other.statistics() == WatchReceiverStatistics(sent=3, seen=0, coalesced=2, unseen=1)


def test_dropped_ends_refuse_to_work() -> None:
    sender, receiver = watch.channel(0)
    receiver.drop()
    for use in (receiver.borrow, receiver.borrow_and_update, receiver.clone):
        with pytest.raises(HandleDropped, match="this receiver was dropped"):
            use()
    sender.drop()
    with pytest.raises(HandleDropped, match="this sender was dropped"):
        sender.send(1)


@given(st.lists(st.sampled_from(["send", "look", "glance"])))
def test_every_value_sent_is_seen_coalesced_or_unseen(steps: list[str]) -> None:
    sender, receiver = watch.channel(0)
    seen: list[int] = []
    unread: list[int] = []
    coalesced = 0
    for value, step in enumerate(steps, start=1):
        if step == "send":
            sender.send(value)
            unread.append(value)
        elif step == "look":
            latest = receiver.borrow_and_update()
            coalesced += len(unread[:-1])
            seen += unread[-1:]
            unread.clear()
            assert latest == (seen[-1] if seen else 0)
        else:
            assert receiver.borrow() == (unread or seen or [0])[-1]
        assert receiver.changed == bool(unread)
        account = receiver.statistics()
        assert account.balanced
        assert (account.seen, account.unseen) == (len(seen), int(bool(unread)))
        assert account.coalesced == coalesced + len(unread[:-1])
