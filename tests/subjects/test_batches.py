"""How trades are cut into the messages of a subject."""

from __future__ import annotations

from itertools import pairwise

import pytest
from kline_harness.aggregators.subject_batches import batches
from kline_harness.interval import parse_intervals
from kline_harness.tape import Tape

from tests.feeds import feed

# A trade every 20 s for 16 minutes, and one that is late.
MINUTES = "; ".join(f"X {n // 3}:{n % 3 * 20:02} 100x1" for n in range(1, 48))
HOURS = "; ".join(f"X {n}:30:00 100x1" for n in range(1, 40))


@pytest.mark.parametrize(
    ("intervals", "text"),
    [("3m,5m", MINUTES), ("1m,3m,5m", MINUTES), ("5m", MINUTES), ("8h,12h", HOURS)],
)
def test_all_trades_of_a_message_are_in_one_kline_of_each_interval(
    intervals: str, text: str
) -> None:
    frames = parse_intervals(intervals)
    parts = [part for part in batches(feed(text), frames, 1_000) if isinstance(part, Tape)]
    opens = [
        [{frame.open_time_ns(time) for frame in frames} for time in part.event_time_ns.tolist()]
        for part in parts
    ]
    for of_part in opens:
        assert all(one == of_part[0] for one in of_part)
    # No sooner than it has to be.
    assert all(one[-1] != next_one[0] for one, next_one in pairwise(opens))
    assert [row for part in parts for row in part.trade_id.tolist()] == feed(
        text
    ).trades.trade_id.tolist()
