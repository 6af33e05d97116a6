"""The two sets of ids, by column and one by one, say the same and hold the same runs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.ranges import IntSet, RangeSet

_COLUMNS = st.lists(st.lists(st.integers(0, 60), max_size=12), max_size=10)


@given(_COLUMNS)
def test_both_are_a_set(columns: list[list[int]]) -> None:
    plain: set[int] = set()
    one_by_one, by_column = IntSet(), RangeSet()
    for ids in columns:
        new = []
        for trade_id in ids:
            new.append(trade_id not in plain)
            plain.add(trade_id)
        assert [one_by_one.add(trade_id) for trade_id in ids] == new
        assert by_column.add_new(np.array(ids, dtype=np.int64)).tolist() == new
    assert by_column.ranges[:, 0].tolist() == one_by_one._starts
    assert by_column.ranges[:, 1].tolist() == one_by_one._ends


def test_consecutive_ids_are_one_run() -> None:
    seen = RangeSet()
    assert seen.add_new(np.arange(1_000_000)).all()
    assert seen.ranges.tolist() == [[0, 1_000_000]]
