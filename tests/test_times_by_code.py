"""Open and close times of mixed intervals, against calendar arithmetic row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.interval import INTERVALS, times_by_code

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


def bounds(text: str, second: int) -> tuple[int, int]:
    """Return the open and close time, in seconds, of the kline that holds a second."""
    day = EPOCH + timedelta(seconds=second)
    if text == "1M":
        first = day.replace(day=1, hour=0, minute=0, second=0)
        after = (first + timedelta(days=32)).replace(day=1)
        return int((first - EPOCH).total_seconds()), int((after - EPOCH).total_seconds())
    length = int(text[:-1]) * SECONDS[text[-1]]
    # Weeks open on Mondays.
    since = day.weekday() * 86_400 + second % 86_400 if text == "1w" else second % length
    return second - since, second - since + length


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(INTERVALS) - 1),
            st.integers(0, 4_102_444_799),
            st.integers(0, 999_999_999),
        ),
        max_size=40,
    )
)
def test_times_of_mixed_intervals(rows: list[tuple[int, int, int]]) -> None:
    codes = np.array([code for code, _, _ in rows], dtype=np.int8)
    times = np.array([second * 10**9 + ns for _, second, ns in rows], dtype=np.int64)
    expected = [bounds(INTERVALS[code].text, second) for code, second, _ in rows]
    opens, closes = times_by_code(codes, times)
    assert opens.tolist() == [first * 10**9 for first, _ in expected]
    assert closes.tolist() == [last * 10**9 for _, last in expected]
    assert opens.dtype == closes.dtype == np.int64
