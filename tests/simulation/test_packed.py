"""Trades packed to wait are the trades they were, whatever numbers they have."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kline_harness.archives import TradeFile
from kline_harness.columns import Instrument, places
from kline_harness.compiled import library
from kline_harness.simulation.merge import merged
from kline_harness.simulation.packed import Packed, PackedChunks, stable_order
from kline_harness.tape import Tape
from kline_harness.units import multiply, narrow

from tests.benchmarks.day import write_day

SPANS = (0, 1, 200, 70_000, 5_000_000_000)


def exact(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return narrow(np.array(values, dtype=object))


@st.composite
def tapes(draw: st.DrawFn, symbols: tuple[str, ...] = ("AAA", "BBB")) -> Tape:
    """Columns of every width, some of them equal or following from others, as files have them."""
    rows = draw(st.integers(1, 6))
    span = draw(st.sampled_from(SPANS))

    def some(low: int = 0, wide: int = 0) -> list[int]:
        return draw(st.lists(st.integers(low, low + span + wide), min_size=rows, max_size=rows))

    price, quantity = (exact(some(1, draw(st.sampled_from((0, 10**20))))) for _ in "pq")
    step = draw(st.sampled_from((1, 1_000, 1_000_000)))
    times = np.sort(np.array(some(7), dtype=np.int64)) * step
    first = np.array(some(-1), dtype=np.int64)
    alike = draw(st.booleans())
    quote = multiply(price, quantity) if alike else exact(some())
    one = Instrument.of(symbols[0], draw(st.integers(0, 2)), 3)
    count = draw(st.integers(1, len(symbols)))
    instruments = (one, *(Instrument.of(name, 1, 1) for name in symbols[1:count]))
    codes = draw(st.lists(st.integers(0, count - 1), min_size=rows, max_size=rows))
    return Tape(
        instruments,
        np.array(codes, dtype=np.int16),
        np.array(some(10**9), dtype=np.int64),
        price,
        quantity,
        narrow(quote),
        first,
        first + np.array(some(), dtype=np.int64),
        times,
        times if alike else np.sort(np.array(some(7), dtype=np.int64)),
        np.array([value % 2 == 0 for value in some()], dtype=np.bool_),
        np.array([value % 5 for value in some()], dtype=np.int8),
    )


def rows_of(tape: Tape) -> list[tuple[object, ...]]:
    columns = [getattr(tape, name).tolist() for name in Tape.column_names()[1:]]
    names = [tape.symbol_text(row) for row in range(len(tape))]
    return list(zip(names, *columns, strict=True))


@given(tapes())
def test_packed_trades_are_the_same_trades(tape: Tape) -> None:
    found = Packed.of(tape).tape()
    assert found.instruments == tape.instruments
    assert rows_of(found) == rows_of(tape)
    for name in Tape.column_names():
        assert getattr(found, name).dtype == getattr(tape, name).dtype, name


@given(tapes(), st.lists(st.integers(-5, 2 * 10**16), max_size=4), st.integers(0, 4))
def test_arrivals_are_found_as_in_the_column(tape: Tape, more: list[int], start: int) -> None:
    packed = Packed.of(tape)
    instants = np.array([*more, *tape.arrival_ns, *(tape.arrival_ns + 1)], dtype=np.int64)
    expected = [sum(at < instant for at in tape.arrival_ns.tolist()) for instant in instants]
    assert packed.last_ns == tape.arrival_ns[-1]
    chunks = PackedChunks([packed, packed])
    assert chunks.before(instants).tolist() == [expected] * 2
    starts = np.array([min(start, len(tape)), 1], dtype=np.int64)
    sampled = [*tape.arrival_ns[start::2].tolist(), *tape.arrival_ns[1::2].tolist()]
    assert chunks.arrivals_ns(starts, 2).tolist() == sampled


@given(tapes(("AAA", "BBB")), tapes(("CCC", "DDD")), st.data())
def test_parts_are_joined_row_after_row(one: Tape, other: Tape, data: st.DataObject) -> None:
    instruments = (*other.instruments, *one.instruments)
    chunks = PackedChunks([Packed.of(one), Packed.of(other), Packed.of(one)])
    chosen, starts, stops, expected = [0, 1], [], [], []
    for tape in (one, other):
        starts.append(data.draw(st.integers(0, len(tape) - 1)))
        stops.append(data.draw(st.integers(starts[-1] + 1, len(tape))))
        expected += rows_of(tape)[starts[-1] : stops[-1]]
    rows = (np.array(chosen), np.array(starts), np.array(stops))
    assert rows_of(chunks.tape(*rows, instruments, places(instruments))) == expected


def test_scales_that_grow_are_unified() -> None:
    def tape(symbol: str, scale: int, price: int, at_ns: int) -> Tape:
        ones = np.ones(2, dtype=np.int64)
        return Tape.of(
            Instrument.of(symbol, scale, 0),
            trade_id=np.array([at_ns, at_ns + 1]),
            price=ones * price,
            quantity=ones,
            event_time_ns=np.array([at_ns, at_ns + 1]),
            buyer_is_maker=ones.astype(np.bool_),
        )

    fine = iter([tape("AAA", 0, 7, 0), tape("AAA", 2, 725, 20)])
    coarse = iter([tape("BBB", 0, 9, 1), tape("BBB", 0, 9, 30)])
    prices: list[tuple[str, float]] = []
    for piece in merged([fine, coarse], 4):
        for row in range(len(piece)):
            scale = piece.instruments[int(piece.symbol[row])].price_scale
            prices.append((piece.symbol_text(row), int(piece.price[row]) / 10**scale))
    older, finer = ("AAA", 7), ("AAA", 7.25)
    assert prices == [older, older, *[("BBB", 9)] * 2, finer, finer, *[("BBB", 9)] * 2]


def test_a_file_read_beside_others_keeps_nothing_of_what_it_handed_on(tmp_path: Path) -> None:
    chunks = TradeFile(write_day(tmp_path, 20_000)).chunks(beside=1_999)
    handed_on = [weakref.ref(tape) for tape, _ in zip(chunks, range(3), strict=False)]
    gc.collect()
    assert len(handed_on) == 3
    assert [tape() for tape in handed_on[:-1]] == [None, None]
    first = weakref.ref(next(chunks))
    gc.collect()
    assert first() is None


def test_a_file_with_a_small_rest_is_read_at_once_beside_others(tmp_path: Path) -> None:
    # 370 kB of text, where blocks are of 256 kB: between two of them its decompressor would live.
    file = TradeFile(write_day(tmp_path, 5_500))
    chunks = file.chunks(beside=1_999)
    assert len(next(chunks)) == 5_500
    assert file._file.sha256 is not None, "read to its end"
    assert list(chunks) == []
    longer = TradeFile(write_day(tmp_path, 20_000))
    sizes = [len(tape) for tape in longer.chunks(beside=1_999)]
    assert sum(sizes) == 20_000
    assert len(sizes) == 5
    assert min(sizes) > 3_000


@given(tapes(), tapes())
@pytest.mark.skipif(library.LIBRARY is None, reason="nothing was compiled")
def test_numpy_packs_as_the_compiled_loops_do(one: Tape, other: Tape) -> None:
    compiled = [Packed.of(tape) for tape in (one, other)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "LIBRARY", None)
        for found, tape in zip(compiled, (one, other), strict=True):
            expected = Packed.of(tape)
            assert found.layout.tolist() == expected.layout.tolist()
            assert found.values.tolist() == expected.values.tolist()
            assert rows_of(found.tape()) == rows_of(tape)


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2), max_size=40))
@example([0, 5_000, 2_047, 2_048, 0])
def test_rows_are_put_in_order_and_equal_ones_stay(keys: list[int]) -> None:
    rows, places_of = stable_order(np.array(keys, dtype=np.int64))
    assert rows.tolist() == sorted(range(len(keys)), key=lambda row: keys[row])
    assert [rows.tolist()[place] for place in places_of] == list(range(len(keys)))
