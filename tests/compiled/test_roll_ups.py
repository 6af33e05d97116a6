"""The compiled roll-ups of many series against the columns that stand in for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.checks import roll_up
from kline_harness.checks.roll_up import RollUps
from kline_harness.checks.series import series_key
from kline_harness.columns import Instrument, concat
from kline_harness.compiled import library
from kline_harness.interval import INTERVALS
from kline_harness.kline import FIELDS, KlineBatch

compiled = pytest.mark.skipif(library.LIBRARY is None, reason="nothing was compiled")
SYMBOLS = (Instrument.of("AAA", 0, 0), Instrument.of("BBB", 0, 0))
# Thursday 2024-02-29 22:00:00 UTC, and 1969-12-30: ends of days, weeks, months and years are near.
STARTS_NS = (1_709_244_000 * 10**9, -93_600 * 10**9)
AMOUNTS = st.one_of(st.integers(0, 9), st.sampled_from((2**62, 2**63 - 1)))


@st.composite
def klines(draw: st.DrawFn) -> KlineBatch:
    """Series of two symbols that go forward, with silences, the rows in any order of series."""
    rows: list[tuple[int, int, int]] = []
    for symbol in range(2):
        for code in draw(st.lists(st.integers(0, 15), max_size=4, unique=True)):
            open_ns = INTERVALS[code].open_time_ns(draw(st.sampled_from(STARTS_NS)))
            for skipped in draw(st.lists(st.sampled_from((0, 0, 0, 1, 20)), max_size=8)):
                for _ in range(skipped + 1):
                    open_ns = INTERVALS[code].close_time_ns(open_ns)
                rows.append((symbol, code, open_ns))
    order = draw(st.permutations(sorted({(symbol, code) for symbol, code, _ in rows})))
    rows.sort(key=lambda row: (order.index(row[:2]), row[2]))
    size = len(rows)
    small = draw(st.booleans())

    def numbers(values: st.SearchStrategy[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array(draw(st.lists(values, min_size=size, max_size=size)), dtype=np.int64)

    amounts = {n: numbers(st.integers(0, 9) if small else AMOUNTS) for n in FIELDS}
    ids = {name: numbers(st.integers(-1, 3)) for name in ("first_trade_id", "last_trade_id")}
    return KlineBatch(
        instruments=SYMBOLS,
        symbol=np.array([symbol for symbol, _, _ in rows], dtype=np.int16),
        interval=np.array([code for _, code, _ in rows], dtype=np.int8),
        open_time_ns=np.array([open_ns for _, _, open_ns in rows], dtype=np.int64),
        **(amounts | {"count": numbers(st.integers(0, 2))} | ids),
        at_ns=numbers(st.integers(0, 9)),
        trigger=np.zeros(size, dtype=np.int8),
    )


def shown(levels: list[RollUps]) -> dict[str, list[int]]:
    table = roll_up._reduce(concat([RollUps.empty(SYMBOLS), *levels]))
    return {name: getattr(table, name).tolist() for name in RollUps.column_names()}


@compiled
@settings(max_examples=60, deadline=None)
@given(klines())
def test_all_levels_are_what_columns_make(given: KlineBatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "LIBRARY", None)
        expected = roll_up._all_levels(given)
    assert shown(roll_up._all_levels(given)) == shown(expected)


@compiled
@settings(max_examples=20, deadline=None)
@given(klines())
def test_small_sums_of_series_that_go_forward_are_compiled(given: KlineBatch) -> None:
    small = given.with_columns({name: getattr(given, name) % 10 for name in FIELDS})
    columns = {name: getattr(small, name) for name in small.column_names()}
    order = np.lexsort((small.open_time_ns, small.interval, small.symbol))
    assert roll_up._PLAN.roll_up(columns, order) is not None
    if len(order) > 1:
        # Two of one series, the later first: left to the columns.
        back = small.take(np.array([len(order) - 1, *range(len(order))]))
        again = {name: getattr(back, name) for name in back.column_names()}
        order = np.argsort(series_key(back), kind="stable")
        assert roll_up._PLAN.roll_up(again, order) is None
