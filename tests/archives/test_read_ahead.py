"""What is made ahead of who takes it: one item, in order, and no more."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from kline_harness.archives.read_ahead import one_ahead
from kline_harness.errors import InputError


def test_the_next_is_made_in_a_thread_once_one_was_taken() -> None:
    made, asked = list[int](), threading.Semaphore(0)

    def source() -> Iterator[int]:
        for number in range(4):
            assert threading.current_thread() is not threading.main_thread()
            made.append(number)
            asked.release()
            yield number

    items = one_ahead(source())
    assert next(items) == 0
    assert asked.acquire(timeout=60)
    for number in (1, 2, 3):
        # The next is begun without being asked for, and no other one is.
        assert asked.acquire(timeout=60)
        assert made == list(range(number + 1))
        assert next(items) == number
    assert list(items) == []


def test_what_the_source_raises_comes_after_what_it_yielded() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise InputError("file", "more", "less")

    items = one_ahead(source())
    assert next(items) == 1
    with pytest.raises(InputError, match="expected more, found less"):
        next(items)


def test_nothing_of_it_is_left_when_nobody_takes_the_rest() -> None:
    before = set(threading.enumerate())
    items = one_ahead(iter(range(100)))
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before
