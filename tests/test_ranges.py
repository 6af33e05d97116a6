"""Id ranges against plain sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.ranges import Ranges, RangeSet, common, size, without

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)), max_size=12)


def ids_of(ranges: Ranges) -> list[int]:
    return [i for start, end in ranges.tolist() for i in range(start, end)]


def built(pairs: list[tuple[int, int]], cut: int = 0) -> tuple[RangeSet, list[int]]:
    """The ranges added in two goes, and the ids that were there already."""
    ranges = RangeSet()
    again: list[int] = []
    for part in (pairs[:cut], pairs[cut:]):
        starts = np.array([start for start, _ in part], dtype=np.int64)
        ends = np.array([start + length for start, length in part], dtype=np.int64)
        again += ids_of(ranges.add(starts, ends))
    return ranges, again


@given(spans, st.integers(0, 12))
def test_ranges_are_sets(pairs: list[tuple[int, int]], cut: int) -> None:
    ranges, again = built(pairs, cut)
    plain = [i for start, length in pairs for i in range(start, start + length)]
    assert ids_of(ranges.ranges) == sorted(set(plain))
    assert size(ranges.ranges) == len(set(plain))
    assert len(again) == len(plain) - len(set(plain))
    assert set(again) == {i for i in plain if plain.count(i) > 1}
    if plain:
        gaps = set(range(min(plain), max(plain) + 1)) - set(plain)
        assert ids_of(ranges.missing()) == sorted(gaps)


@given(spans, spans)
def test_common_and_without(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    one, other = built(left)[0].ranges, built(right)[0].ranges
    assert ids_of(common(one, other)) == sorted(set(ids_of(one)) & set(ids_of(other)))
    assert ids_of(without(one, other)) == sorted(set(ids_of(one)) - set(ids_of(other)))
