"""What is kept of earlier moments: bounded, evenly far apart, and true to its time."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from kline_harness.live.moments import Moments
from kline_harness.units import NS_PER_MINUTE


def test_a_moment_is_the_last_one_kept_before_it() -> None:
    moments = Moments()
    assert moments.at(0) is None
    for minute in (1, 2, 5):
        moments.keep(minute * NS_PER_MINUTE, partial(int, minute))
    assert moments.at(0) == (NS_PER_MINUTE, 1)
    assert moments.at(2 * NS_PER_MINUTE) == (2 * NS_PER_MINUTE, 2)
    assert moments.at(5 * NS_PER_MINUTE - 1) == (2 * NS_PER_MINUTE, 2)
    assert moments.at(1 << 62) == (5 * NS_PER_MINUTE, 5)


def test_what_is_near_is_not_even_made() -> None:
    moments, made = Moments(), list[int]()
    for at_ns in range(0, 3 * NS_PER_MINUTE, NS_PER_MINUTE // 4):
        moments.keep(at_ns, partial(made.append, at_ns))
    assert made == [0, NS_PER_MINUTE, 2 * NS_PER_MINUTE]


def test_a_month_keeps_as_few_as_a_day_and_all_of_its_length() -> None:
    for spread in (False, True):
        moments = Moments()
        month = 30 * 24 * 60
        if spread:
            moments.spread(month * NS_PER_MINUTE)
        for minute in range(month):
            moments.keep(minute * NS_PER_MINUTE, partial(int, minute))
        found = [moments.at(minute * NS_PER_MINUTE) for minute in range(month)]
        minutes = sorted({one[1] for one in found if one is not None})
        assert 240 <= len(minutes) <= 480
        apart = [after - before for before, after in pairwise(minutes)]
        assert minutes[0] == 0
        assert max(apart) == min(apart) <= 360
