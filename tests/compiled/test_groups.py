"""The compiled groups against the numpy that stands in for them, and against 128-bit integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.aggregators import partials as p
from kline_harness.checks import roll_up
from kline_harness.checks.roll_up import RollUps
from kline_harness.columns import Instrument
from kline_harness.compiled import library
from kline_harness.compiled.groups import add_halves, product_words
from kline_harness.decimals import scale_to_words
from numpy.typing import NDArray

compiled = pytest.mark.skipif(library.LIBRARY is None, reason="nothing was compiled")
FEW = st.integers(0, 3)
NEAR_THE_END = st.sampled_from((0, 1, 2**62, 2**63 - 1, -(2**62)))


@st.composite
def groups(draw: st.DrawFn) -> tuple[list[int], NDArray[np.int64], NDArray[np.int64]]:
    """Group numbers in order, where each begins, and an order of as many rows."""
    numbers = sorted(draw(st.lists(FEW, min_size=1, max_size=12)))
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    order = np.array(draw(st.permutations(range(len(numbers)))), dtype=np.int64)
    return numbers, starts, order


def columns(draw: Any, names: tuple[str, ...], rows: int, values: Any) -> p.Partials:
    lists = st.lists(values, min_size=rows, max_size=rows)
    return {name: np.array(draw(lists), dtype=np.int64) for name in names}


@compiled
@settings(max_examples=50)
@given(groups(), st.data(), st.sampled_from((FEW, NEAR_THE_END)))
def test_partials_add_up_as_in_columns(
    given: tuple[list[int], NDArray[np.int64], NDArray[np.int64]], data: st.DataObject, values: Any
) -> None:
    numbers, starts, order = given
    rows = len(numbers)
    table = columns(data.draw, p.COLUMNS, rows, values)
    table["applied"] = np.array([data.draw(st.integers(0, 1)) for _ in numbers])
    # A key names one trade or one event.
    for key in ("open_key", "close_key", "open_seq", "first_seq"):
        table[key] = np.array(data.draw(st.permutations(range(rows))), dtype=np.int64)
    found = p.add_up(table, starts, order)
    expected = p.add_up_in_columns(p.take(table, order), starts)
    assert {name: found[name].tolist() for name in p.COLUMNS} == {
        name: expected[name].tolist() for name in p.COLUMNS
    }


@compiled
@settings(max_examples=50)
@given(groups(), st.data(), st.sampled_from((FEW, NEAR_THE_END)))
def test_roll_ups_add_up_as_in_columns(
    given: tuple[list[int], NDArray[np.int64], NDArray[np.int64]], data: st.DataObject, values: Any
) -> None:
    numbers, starts, order = given
    rows = len(numbers)
    inverse = np.argsort(order)
    names = tuple(name for name in RollUps.column_names())
    table = columns(data.draw, names, rows, values)
    table |= columns(data.draw, ("first_trade_id", "last_trade_id"), rows, st.integers(-1, 3))
    table["count"] = np.array([data.draw(st.integers(0, 2)) for _ in numbers])
    codes = {"symbol": np.int16, "interval": np.int8, "trigger": np.int8, "parent": np.int8}
    table |= {name: np.zeros(rows, dtype=kind) for name, kind in codes.items()}
    # Sorted by what is one roll-up, and by time in it, once `order` is applied.
    opens = np.array(numbers, dtype=np.int64) * 60 * 10**9
    table["parent_open_ns"] = opens[inverse]
    table["open_time_ns"] = np.arange(rows, dtype=np.int64)[inverse]
    parts = RollUps.build((Instrument.of("AAA", 0, 0),), table)
    expected = roll_up._reduced(parts.take(order), starts)
    if len(starts) == rows:
        expected = parts.take(order)
    found = roll_up._reduce(parts)
    for name in names:
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name
        assert getattr(found, name).dtype == getattr(parts, name).dtype or name in (
            *("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"),
            "children",
        )


@compiled
@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 18)), max_size=20),
)
def test_products_are_exact_in_128_bits(given: list[tuple[int, int]]) -> None:
    values = np.array([value for value, _ in given], dtype=np.int64)
    factors = np.array([10**digits for _, digits in given], dtype=np.uint64)
    words = product_words(values, factors)
    assert words is not None
    whole = [(high << 64) + low for low, high in zip(*_signed(words), strict=True)]
    assert whole == [value * 10**digits for value, digits in given]
    assert np.array_equal(words, scale_to_words(values, factors))


def test_products_without_the_compiled_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "LIBRARY", None)
    values = np.array([-(2**63), -1, 0, 7, 2**63 - 1], dtype=np.int64)
    factors = np.array([10**18] * 5, dtype=np.uint64)
    assert product_words(values, factors) is None
    low, high = _signed(scale_to_words(values, factors))
    whole = [(top << 64) + bottom for bottom, top in zip(low, high, strict=True)]
    assert whole == [value * 10**18 for value in values.tolist()]


@pytest.mark.parametrize("is_compiled", [True, False])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(
                st.integers(-(2**127), 2**127 - 1),
                st.sampled_from((2**127 - 1, -(2**127), 2**64 - 1, -1, 0)),
            ),
        ),
        max_size=20,
    ),
    st.sampled_from((1, 2)),
)
def test_sums_by_code_are_exact(
    is_compiled: bool, given: list[tuple[int, int]], width: int
) -> None:
    """Of one word and of two, also where their sum is longer than either."""
    rows = [(code, value >> (64 * (2 - width))) for code, value in given]
    text = b"".join(value.to_bytes(8 * width, "little", signed=True) for _, value in rows)
    words = np.frombuffer(text, dtype=np.uint64).reshape(-1, width)
    sums = np.zeros((4, 2 * width), dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        if not is_compiled:
            patch.setattr(library, "LIBRARY", None)
        # Twice: what was added before is kept.
        for some in (slice(0, 5), slice(5, None)):
            codes = np.array([code for code, _ in rows], dtype=np.int32)
            add_halves(codes[some], words[some], sums)
    whole = [sum(part << 32 * k for k, part in enumerate(parts)) for parts in sums.tolist()]
    assert whole == [sum(v for code, v in rows if code == number) for number in range(4)]


def _signed(words: NDArray[np.uint64]) -> tuple[list[int], list[int]]:
    return words[:, 0].tolist(), words[:, 1].view(np.int64).tolist()
