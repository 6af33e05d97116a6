"""Sources merged by arrival, whatever chunks they come in and however long a piece may be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.columns import Instrument, by_symbol
from kline_harness.simulation.merge import merged
from kline_harness.tape import Tape

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")


def tape(symbol: str, arrivals: list[int], first_id: int) -> Tape:
    rows = len(arrivals)
    ones = np.ones(rows, dtype=np.int64)
    arrival_ns = np.array(arrivals, dtype=np.int64)
    return Tape.of(
        Instrument.of(symbol, 0, 0),
        trade_id=np.arange(first_id, first_id + rows),
        price=ones,
        quantity=ones,
        event_time_ns=arrival_ns,
        arrival_ns=arrival_ns,
        buyer_is_maker=ones.astype(np.bool_),
    )


@st.composite
def sources(draw: st.DrawFn) -> list[list[list[int]]]:
    """Per symbol, its arrivals in order, cut into chunks of at least one."""
    found = []
    for _ in range(draw(st.integers(2, len(SYMBOLS)))):
        arrivals = sorted(draw(st.lists(st.integers(0, 30), max_size=25)))
        cuts = sorted(draw(st.sets(st.integers(1, max(1, len(arrivals) - 1)), max_size=4)))
        edges = [0, *(cut for cut in cuts if cut < len(arrivals)), len(arrivals)]
        pieces = [arrivals[a:b] for a, b in itertools.pairwise(edges)]
        found.append([piece for piece in pieces if piece])
    return found


def chunks(symbol: str, pieces: list[list[int]]) -> Iterator[Tape]:
    first_id = 0
    for piece in pieces:
        yield tape(symbol, piece, first_id)
        first_id += len(piece)


def rows_of(tapes: list[Tape]) -> list[tuple[int, str, int]]:
    return [
        (int(one.arrival_ns[row]), one.symbol_text(row), int(one.trade_id[row]))
        for one in tapes
        for row in range(len(one))
    ]


@settings(max_examples=300)
@given(sources(), st.integers(1, 12))
def test_sources_are_merged_by_arrival(given: list[list[list[int]]], slice_rows: int) -> None:
    whole = []
    for symbol, pieces in zip(SYMBOLS, given, strict=False):
        arrivals = [arrival for piece in pieces for arrival in piece]
        whole += [(arrival, symbol, number) for number, arrival in enumerate(arrivals)]
    each = [chunks(s, pieces) for s, pieces in zip(SYMBOLS, given, strict=False)]
    found = list(merged(each, slice_rows))
    # Equal arrivals keep the order of the sources.
    assert rows_of(found) == sorted(whole)
    at_once = max([0, *(sum(a == at for a, _, _ in whole) for at in range(31))])
    # Pieces are about a slice: the feed cuts them to length.
    assert all(len(one) <= slice_rows + at_once for one in found)


@given(st.lists(st.integers(0, 3), max_size=30))
def test_rows_are_told_apart_by_symbol(codes: list[int]) -> None:
    whole = Tape.empty(tuple(Instrument.of(symbol, 0, 0) for symbol in SYMBOLS))
    numbers = np.arange(len(codes), dtype=np.int64)
    columns = dict.fromkeys(Tape.column_names(), numbers)
    one = Tape.build(whole.instruments, columns | {"symbol": np.array(codes, dtype=np.int16)})
    found = {code: part.trade_id.tolist() for code, part in by_symbol(one)}
    assert found == {
        code: [row for row, c in enumerate(codes) if c == code] for code in sorted(set(codes))
    }
