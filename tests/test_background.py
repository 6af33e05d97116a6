"""Work in a thread: in order, one job at a time, and nothing that it raises is lost."""

from __future__ import annotations

import threading

import pytest
from kline_harness.background import InBackground


def test_jobs_run_beside_the_caller_one_after_the_other() -> None:
    go_on, done = threading.Event(), list[int]()
    jobs = InBackground()

    def first() -> None:
        # It could not end if the caller waited for it.
        assert go_on.wait(60)
        done.append(1)

    jobs.run(first)
    assert not done
    go_on.set()
    jobs.run(lambda: done.append(2))
    assert done[0] == 1
    jobs.wait()
    assert done == [1, 2]
    jobs.wait()


def test_what_a_job_raises_is_raised_once_where_it_is_waited_for() -> None:
    jobs, done = InBackground(), list[int]()

    def fail() -> None:
        raise KeyError("job")

    jobs.run(fail)
    with pytest.raises(KeyError, match="job"):
        jobs.run(lambda: done.append(1))
    assert not done
    jobs.run(fail)
    with pytest.raises(KeyError, match="job"):
        jobs.wait()
    jobs.wait()


def test_as_many_jobs_wait_as_were_allowed() -> None:
    go_on, done = threading.Event(), list[int]()
    jobs = InBackground(depth=3)
    jobs.run(lambda: go_on.wait(60))
    # Neither call could return if it waited for the job before.
    jobs.run(lambda: done.append(1))
    jobs.run(lambda: done.append(2))
    assert not done
    go_on.set()
    jobs.run(lambda: done.append(3))
    jobs.wait()
    assert done == [1, 2, 3]


def test_of_several_jobs_the_first_error_is_raised() -> None:
    jobs = InBackground(depth=3)

    def fail(text: str) -> None:
        raise KeyError(text)

    jobs.run(lambda: fail("one"))
    jobs.run(lambda: fail("two"))
    with pytest.raises(KeyError, match="one"):
        jobs.wait()
    with pytest.raises(KeyError, match="two"):
        jobs.wait()
    jobs.wait()
